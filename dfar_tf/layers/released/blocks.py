"""The other parts of the released graph: layer norm, block, target attention, batch-normed MLP, pooling.

RELEASED: "DFAR graph". Letters: B batch, T history, C candidates, D width.
"""

from dfar_tf.layers.released.attention import HIDDEN
from recommenders_utils.backend import tf

NORM_EPSILON = 1e-8  # of layer norms
INITIAL_STDDEV = (
    0.01  # of the kernels of target attention and towers; all others are Glorot uniform
)
BATCH_NORM = {"momentum": 0.95, "epsilon": 1e-4}


class ReleasedLayerNorm(tf.keras.layers.Layer):
    """RELEASED, encoder: (x - mean) / sqrt(biased variance + 1e-8) * gain + bias over the last axis.

    A row of zeros becomes the bias.
    """

    def build(self, input_shape):
        """Makes gain and bias, [D]."""
        width = tf.TensorShape(input_shape).as_list()[-1:]
        self.gain = self.add_weight(name="gain", shape=width, initializer="ones")
        self.bias = self.add_weight(name="bias", shape=width, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """[..., D] -> [..., D]."""
        # Not tf.nn.moments: its squared difference, seen beside the rest, crashes the graph optimiser
        # of TensorFlow 2.15 when it tries to fuse an inference graph's norm.
        centred = inputs - tf.reduce_mean(inputs, -1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
        return centred / tf.sqrt(variance + NORM_EPSILON) * self.gain + self.bias


class ReleasedBlock(tf.keras.layers.Layer):
    """RELEASED, encoder and pooling: what stands around an attention.

    ::

        a = attend(LN(x), x) + LN(x)
        z = LN(a);  f = z + W_2 relu(W_1 z + b_1) + b_2
        out = LN(f * mask)

    After the last norm a masked row is not zero but that norm's bias.

    Args:
      attention: a released attention.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, attention, **kwargs):
        super().__init__(**kwargs)
        self.attention = attention
        self.norm_query, self.norm_middle, self.norm_final = (
            ReleasedLayerNorm(name="norm_" + place) for place in ("query", "middle", "final")
        )

    def build(self, input_shape):
        """Makes the two 1x1 convolutions, which are dense layers; ``input_shape`` is [B, T, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        self.inner = tf.keras.layers.Dense(width, activation="relu", name="inner")
        self.outer = tf.keras.layers.Dense(width, name="outer")
        super().build(input_shape)

    def call(self, inputs, mask, labels=None):
        """Runs the block.

        Args:
          inputs: [B, T, D].
          mask: [B, T], what is kept before the last norm.
          labels: [B, T] for the label mask, or None.

        Returns:
          dict of every step: ``queries``, ``attended``, ``fed_forward``, ``output`` [B, T, D] and
          ``weights``, the attention's.
        """
        queries = self.norm_query(inputs)
        attended, weights = self.attention(queries, inputs, labels, return_attention_scores=True)
        middle = self.norm_middle(attended)
        fed_forward = self.outer(self.inner(middle)) + middle
        return {
            "queries": queries,
            "attended": attended,
            "weights": weights,
            "fed_forward": fed_forward,
            "output": self.norm_final(fed_forward * mask[:, :, None]),
        }


class ReleasedMLP(tf.keras.layers.Layer):
    """RELEASED, target attention and towers: dense, batch norm, ReLU, ...; then dense to one number.

    Batch norm has epsilon 1e-4 and momentum 0.95 and puts the biased batch variance into the moving
    average. Its statistics are over every row there is, those at padding positions included.

    The first layer reads a concatenation of blocks of D numbers. A block that fewer rows share is
    multiplied by its rows of the kernel before it is repeated, which gives the same sums.

    Args:
      units: hidden widths.
      num_blocks: how many blocks the first layer reads.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units, num_blocks=4, **kwargs):
        super().__init__(**kwargs)
        self.units = list(units)
        self.num_blocks = num_blocks

    def build(self, input_shape):
        """Makes the variables; ``input_shape`` is that of a list of blocks, all D wide."""
        width = tf.TensorShape(input_shape[0]).as_list()[-1]
        widths = [self.num_blocks * width, *self.units, 1]
        normal = tf.keras.initializers.TruncatedNormal(stddev=INITIAL_STDDEV)
        names = [f"dense_{i}" for i in range(len(self.units))] + ["dense_out"]
        self.kernels, self.biases = [], []
        for name, rows, columns in zip(names, widths, widths[1:]):
            kernel = self.add_weight(name + "_kernel", shape=[rows, columns], initializer=normal)
            bias = self.add_weight(name + "_bias", shape=[columns], initializer="zeros")
            self.kernels.append(kernel)
            self.biases.append(bias)
        # They see two dimensions: of four, Keras would put the unbiased variance into the average.
        norm = tf.keras.layers.BatchNormalization
        self.norms = [norm(name=f"norm_{i}", **BATCH_NORM) for i in range(len(self.units))]
        super().build(input_shape)

    def call(self, tensors, blocks, training=False):
        """Runs the layers.

        Args:
          tensors: list of [..., D]; their leading axes broadcast. Those with the fewest rows first.
          blocks: for each, the blocks of the kernel it meets, as signed numbers from 1: -3 is minus
            block 3.
          training: whether batch statistics are used, and moved into the averages.

        Returns:
          [...] without the last axis.
        """
        width = self.kernels[0].shape.as_list()[0] // self.num_blocks
        rows = tf.split(self.kernels[0], [width] * self.num_blocks)
        hidden = tf.convert_to_tensor(self.biases[0])
        for tensor, numbers in zip(tensors, blocks):
            kernel = sum((rows[n - 1] if n > 0 else -rows[-n - 1]) for n in numbers)
            hidden += tf.tensordot(tensor, kernel, 1)
        leading = tf.shape(hidden)[:-1]
        hidden = tf.reshape(hidden, [-1, self.units[0]])
        for norm, kernel, bias in zip(self.norms, self.kernels[1:], self.biases[1:]):
            hidden = tf.nn.relu(norm(hidden, training=training))
            hidden = tf.matmul(hidden, kernel) + bias
        return tf.reshape(hidden, leading)


class ReleasedTargetAttention(tf.keras.layers.Layer):
    """RELEASED, target attention: the candidate attends to the raw embeddings, before the encoder.

    ::

        k_t = e_t M,   a_t = MLP([k_t, q, k_t - q, k_t * q]),   f = sum_t softmax_T(hide(a))_t e_t

    The paper's Eqs. 15-17 attend to the encoded sequence of one feedback, element by element.

    Args:
      units: hidden widths of the MLP.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units=(80, 40), **kwargs):
        super().__init__(**kwargs)
        self.mlp = ReleasedMLP(units, name="mlp")

    def build(self, input_shape):
        """Makes M, [D, D]; ``input_shape`` is the queries' [B, C, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        normal = tf.keras.initializers.TruncatedNormal(stddev=INITIAL_STDDEV)
        self.matrix = self.add_weight("matrix", shape=[width, width], initializer=normal)
        super().build(input_shape)

    def call(self, query, sequence, mask, training=False):
        """Pools the sequence once for each candidate.

        Args:
          query: [B, C, D] candidates with the feedback they are assumed to get.
          sequence: [B, T, D] embeddings.
          mask: [B, T], non-zero at real positions.
          training: whether batch statistics are used.

        Returns:
          dict of ``interest`` [B, C, D], ``logits`` and ``weights`` [B, C, T].
        """
        keys = tf.tensordot(sequence, self.matrix, 1)[:, None]  # [B, 1, T, D]
        each = query[:, :, None]  # [B, C, 1, D]
        # [k, q, k - q, k * q]: k meets blocks 1 and 3, q meets 2 and minus 3.
        logits = self.mlp([keys, each, keys * each], [[1, 3], [2, -3], [4]], training=training)
        real = tf.not_equal(mask, 0.0)[:, None, :]  # [B, 1, T]
        weights = tf.nn.softmax(tf.where_v2(real, logits, HIDDEN))  # [B, C, T]
        interest = tf.matmul(weights, sequence)  # [B, C, D]
        return {"interest": interest, "logits": logits, "weights": weights}


def mean_over_real(sequence, mask):
    """RELEASED, pooling: the mean over all real positions, of either feedback; of none it is 0.

    [B, T, D] and [B, T] -> [B, D]. S+ and S- are both divided by the whole history's length, and a
    position of the other feedback adds the last layer norm's bias.
    """
    total = tf.reduce_sum(sequence * mask[:, :, None], 1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(mask, 1, keepdims=True))
