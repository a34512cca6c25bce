"""Adam that leaves the embedding rows of other batches unchanged; not the same optimiser as Adam."""

from recommenders_utils.backend import tf


class LazyAdamOptimizer(tf.train.AdamOptimizer):
    """Adam whose moments and step touch only the rows that a sparse gradient has.

    ::

        rows of the gradient g:  m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
                                 x = x - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)
        every other row:         as it was

    Adam decays the moments of all rows and moves them at every step, whether the batch has the item or
    not; so results differ. A step's cost no longer grows with the catalogue. Dense gradients are
    treated as by Adam.
    """

    def _resource_apply_sparse(self, grad, handle, indices):
        return self._apply_rows(grad, handle, indices)

    def _apply_sparse(self, grad, var):
        return self._apply_rows(grad.values, var, grad.indices)

    def _apply_rows(self, grad, variable, indices):
        kind = variable.dtype.base_dtype
        beta1, beta2 = tf.cast(self._beta1_t, kind), tf.cast(self._beta2_t, kind)
        power1, power2 = (tf.cast(power, kind) for power in self._get_beta_accumulators())
        rate = tf.cast(self._lr_t, kind) * tf.sqrt(1 - power2) / (1 - power1)
        moments = self.get_slot(variable, "m"), self.get_slot(variable, "v")
        first = beta1 * tf.gather(moments[0], indices) + (1 - beta1) * grad
        second = beta2 * tf.gather(moments[1], indices) + (1 - beta2) * tf.square(grad)
        step = rate * first / (tf.sqrt(second) + tf.cast(self._epsilon_t, kind))
        return tf.group(
            tf.scatter_update(moments[0], indices, first),
            tf.scatter_update(moments[1], indices, second),
            tf.scatter_sub(variable, indices, step),
        )
