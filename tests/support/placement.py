"""On which device the heavy operations of a step ran, read from what TensorFlow says of the run."""

import re

from recommenders_utils.backend import tf

# Kinds of operations that take the time of a step -> the names TensorFlow has for them.
KINDS = {
    "MatMul": r"(Sparse)?MatMul",
    "BatchMatMul": r"BatchMatMul(V\d)?|Einsum",
    "Gather": r"Gather(V2|Nd)?|ResourceGather(Nd)?",
    "Softmax/Exp": r"(Log)?Softmax|Exp",
    "optimizer": r"(Resource)?(Sparse)?Apply(Adam|Adagrad\w*|GradientDescent)|"
    r"ResourceScatter(Sub|Add)|Scatter(Sub|Add)",
}
# Rewritten operations: fused with what follows, or oneDNN's.
_REWRITTEN = re.compile(r"^_(Mkl(Native)?)?(Fused)?")
_TYPE_KEYS = ("T", "Tparams", "dtype")


def traced():
    """``RunOptions`` with which a step's ``RunMetadata`` holds the graphs that ran."""
    return tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True)


def heavy_placement(metadata):
    """Where the heavy operations of a step were placed.

    Only operations on floating point numbers count: TensorFlow keeps sums of a few integers, such as
    those of shapes, on the CPU on purpose, and they cost nothing.

    Args:
      metadata: ``RunMetadata`` of a run with the options of ``traced``.

    Returns:
      {kind (see ``KINDS``): {device such as ``CPU:0``: how many operations}}; kinds without an
      operation are left out.

    Raises:
      ValueError: the run was not traced.
    """
    if not metadata.partition_graphs:
        raise ValueError("the metadata hold no graph; run the step with the options of traced()")
    found = {}
    for graph in metadata.partition_graphs:
        for node in graph.node:
            kind = kind_of(node)
            if kind is not None:
                devices = found.setdefault(kind, {})
                device = short_device(node.device)
                devices[device] = devices.get(device, 0) + 1
    return found


def kind_of(node):
    """The kind of a ``NodeDef``, or None if it is not a heavy one."""
    name = _REWRITTEN.sub("", node.op)
    for kind, pattern in KINDS.items():
        if re.match(f"(?:{pattern})$", name):
            types = [node.attr[key].type for key in _TYPE_KEYS if key in node.attr]
            return kind if types and tf.as_dtype(types[0]).is_floating else None
    return None


def short_device(name):
    """``GPU:0`` of ``/job:localhost/replica:0/task:0/device:GPU:0``."""
    match = re.search(r"([A-Za-z_]+:\d+)$", name)
    return match.group(1).upper() if match else name
