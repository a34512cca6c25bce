"""Options of speed: lazy Adam by hand, threads, XLA, half precision."""

import numpy as np
import pytest

from dfar_tf.estimator.lazy_adam import LazyAdamOptimizer
from dfar_tf.estimator.session import check_precision, choose_devices, configure, cores
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


def steps_of(optimizer, resource, batches):
    """The table after each batch of row ids; the gradient of row r is r + 1 each time it occurs."""
    with tf.Graph().as_default(), tf.Session() as session:
        table = tf.get_variable(
            "table", [5, 2], initializer=tf.ones_initializer(), use_resource=resource
        )
        rows = tf.placeholder(tf.int32, [None])
        weights = tf.cast(rows + 1, tf.float32)[:, None]
        loss = tf.reduce_sum(tf.gather(table, rows) * weights)
        train = optimizer.minimize(loss)
        session.run(tf.global_variables_initializer())
        found = []
        for batch in batches:
            session.run(train, {rows: batch})
            found.append(session.run(table))
        return found


@pytest.mark.parametrize("resource", [True, False])
def test_lazy_adam_moves_only_the_rows_of_the_batch(resource):
    batches = [[0, 3, 3], [1], [3]]
    found = steps_of(LazyAdamOptimizer(0.1), resource, batches)
    table, first, second = np.ones([5, 2]), np.zeros([5, 2]), np.zeros([5, 2])
    for number, (batch, ours) in enumerate(zip(batches, found), 1):
        for row in set(batch):
            gradient = batch.count(row) * (row + 1.0)
            first[row] = 0.9 * first[row] + 0.1 * gradient
            second[row] = 0.999 * second[row] + 0.001 * gradient**2
            rate = 0.1 * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
            table[row] -= rate * first[row] / (np.sqrt(second[row]) + 1e-8)
        np.testing.assert_allclose(ours, table, rtol=1e-5)
    whole = steps_of(tf.train.AdamOptimizer(0.1), resource, batches)
    assert not np.allclose(whole[-1][0], found[-1][0])  # which Adam moves on
    np.testing.assert_allclose(whole[0], found[0], rtol=1e-5)


def test_threads_and_compiler_are_as_given_or_chosen():
    config, _, _ = choose_devices("cpu")
    chosen = configure(config, merge_hparams("amazon"))
    assert chosen.intra_op_parallelism_threads == cores()
    assert chosen.inter_op_parallelism_threads == min(2, cores())
    given = merge_hparams("amazon", intra_op_threads=3, inter_op_threads=5, xla=True)
    asked = configure(config, given)
    assert (asked.intra_op_parallelism_threads, asked.inter_op_parallelism_threads) == (3, 5)
    assert asked.graph_options.optimizer_options.global_jit_level == tf.OptimizerOptions.ON_2
    assert config.intra_op_parallelism_threads == 0  # a copy is changed
    on_gpu = configure(tf.ConfigProto(), merge_hparams("amazon"))
    assert on_gpu.intra_op_parallelism_threads == on_gpu.inter_op_parallelism_threads == 0


def test_half_precision_is_for_gpus():
    config, _, _ = choose_devices("cpu")
    with pytest.raises(UserError, match=r"mixed_precision.*GPU"):
        check_precision(config, merge_hparams("amazon", mixed_precision=True))
    check_precision(tf.ConfigProto(), merge_hparams("amazon", mixed_precision=True))
    check_precision(config, merge_hparams("amazon"))
