"""What floating-point work costs on this machine: its matrix rate, and the products of a step.

Letters: B batch, T history, C candidates, D width, H heads, K = D / H.
"""

import time

import numpy as np

from recommenders_utils.backend import tf

SIZE, CHAIN = 1024, 8
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2")


def matrix_rate(config, repeats=8):
    """Floating-point operations a second of [1024, 1024] products, the best of some runs.

    Args:
      config: of the session; give it all cores.
      repeats: runs.
    """
    random = np.random.RandomState(0)
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        left, right = (tf.Variable(random.rand(SIZE, SIZE).astype(np.float32)) for _ in range(2))
        product = left
        for _ in range(CHAIN):
            product = tf.matmul(product, right) * 1e-3
        last = product[0, 0]
        session.run(tf.global_variables_initializer())
        taken = []
        for _ in range(1 + repeats):
            started = time.perf_counter()
            session.run(last)
            taken.append(time.perf_counter() - started)
    return CHAIN * 2 * SIZE**3 / min(taken[1:])


def executed_products(session, target, feed=None):
    """Floating-point operations of the matrix products that one run of ``target`` executes.

    Their shapes are read in a run, since a batch's own lengths decide them.
    """
    needed, open_ops = set(), [target.op if hasattr(target, "op") else target]
    while open_ops:
        operation = open_ops.pop()
        if operation not in needed:
            needed.add(operation)
            open_ops += [each.op for each in operation.inputs] + list(operation.control_inputs)
    products = [op for op in needed if op.type in PRODUCTS]
    with session.graph.as_default():
        shapes = [[tf.shape(op.inputs[0]), tf.shape(op.outputs[0])] for op in products]
        found = session.run(shapes, feed)
    total = 0
    for operation, (left, result) in zip(products, found):
        transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
        inner = left[-2] if transposed else left[-1]
        total += 2 * int(np.prod(result.astype(np.int64))) * int(inner)
    return total


def padded_products(hparams):
    """Floating-point operations of DFAR's products in one training step as the equations write them.

    All T positions, all H x H maps of three attentions; the history once for its candidates, and the first
    layer of an MLP on a concatenation applied to its parts. Backward counts twice the forward.
    """
    hp = hparams
    batch, length, count = hp.batch_size, hp.max_seq_length, 1 + hp.train_num_ngs
    width, heads = hp.hidden_size, hp.num_heads
    rows, pairs = batch * length, batch * count
    projections = 3 * width * width * rows  # Q, K, V
    maps = 2 * heads * width * batch * length**2  # logits and weighted values, H x H of width K
    attention = projections + maps + rows * heads * width * width  # W_0 has H x H x K rows
    units = [*hp.aggregation_layers, width]
    aggregation = width * units[0] * (pairs + rows)
    aggregation += sum(a * b for a, b in zip(units, units[1:])) * rows * count
    layers = [*hp.tower_layers, 1]
    tower = 2 * width * layers[0] * (batch + pairs)
    tower += sum(a * b for a, b in zip(layers, layers[1:])) * pairs
    return 3 * 2 * (3 * attention + 2 * aggregation + 2 * tower)
