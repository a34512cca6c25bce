"""Checkpoints of the released code, their variables under the names of ``dfar_released``."""

import os
import re

import numpy as np

from dfar_tf.estimator.scoring import save_values, variable_shapes
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_directory

ROOT = "sequential/"
HEADERS = ("released", "shape", "dfar_released")
# RELEASED: user ids are embedded and trained nowhere. The rest is the optimiser's.
UNUSED = re.compile(
    r"(sequential/embedding/user_embedding|.*/Adam(_1)?|beta[12]_power|global_step)$"
)


def name_pairs(attention_layers=2, tower_layers=2):
    """How the released code's variables are called here.

    Args:
      attention_layers: hidden layers of the target attention's MLP.
      tower_layers: hidden layers of a tower.

    Returns:
      List of (released name, our name).
    """
    pairs = [("embedding/item_embedding", "item_embedding")]
    pairs += [("embedding/cate_embedding", "label_embedding")]  # labels are read as categories
    pairs += [("embedding/position_embedding", "position_embedding")]
    final = {"encoder": "ln", "decoupler_positive": "ln_1", "decoupler_negative": "ln_2"}
    sides = (("", "encoder"), ("pos_", "decoupler_positive"), ("neg_", "decoupler_negative"))
    for prefix, block in sides:
        scope = prefix + "num_blocks_0"
        norms = {f"{scope}/ln": "query", f"{scope}/ln_1": "middle", final[block]: "final"}
        for theirs, place in norms.items():
            pairs += [(f"dfar/{theirs}/Variable", f"{block}/norm_{place}/bias")]
            pairs += [(f"dfar/{theirs}/Variable_1", f"{block}/norm_{place}/gain")]
        dense = {
            "self_attention/dense": "attention/query",
            "self_attention/dense_1": "attention/key",
            "self_attention/dense_2": "attention/value",
            "self_attention/dense_3": "attention/output",
            "multihead_attention/conv1d": "inner",
            "multihead_attention/conv1d_1": "outer",
        }
        for theirs, ours in dense.items():
            pairs += [
                (f"{scope}/{theirs}/{part}", f"{block}/{ours}/{part}")
                for part in ("kernel", "bias")
            ]
    for short, side in (("pos", "positive"), ("neg", "negative")):
        scope, ours = f"attention_fcnAtt_{short}", f"target_attention_{side}"
        pairs += [(f"{scope}/attention_matAtt_{short}", f"{ours}/matrix")]
        pairs += _mlp_pairs(f"{scope}/att_fcn/nn_part", f"{ours}/mlp", attention_layers)
        pairs += _mlp_pairs(f"logit_{short}/nn_part", f"tower_{side}", tower_layers)
    return [(ROOT + theirs, ours) for theirs, ours in pairs]


def _mlp_pairs(scope, ours, layers):
    pairs = []
    for i in range(layers):
        norm = "batch_normalization" + (f"_{i}" if i else "")
        pairs += [(f"{scope}/w_nn_layer{i}", f"{ours}/dense_{i}_kernel")]
        pairs += [(f"{scope}/b_nn_layer{i}", f"{ours}/dense_{i}_bias")]
        pairs += [
            (f"{scope}/{norm}/{part}", f"{ours}/norm_{i}/{part}")
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
    pairs += [(f"{scope}/w_nn_output", f"{ours}/dense_out_kernel")]
    return [*pairs, (f"{scope}/b_nn_output", f"{ours}/dense_out_bias")]


def translate(theirs, hparams, num_items, source):
    """Released variables under our names, each checked.

    Args:
      theirs: {released name: array}.
      hparams: hyper-parameters of a ``dfar_released``.
      num_items: items in the vocabulary; the released table has one row more.
      source: what to call them in an error.

    Returns:
      {our name: float32 array} of all the model's variables.

    Raises:
      UserError: a variable that is missing, has another shape, or has no place in the model.
    """
    shapes = variable_shapes(hparams, num_items)
    pairs = _pairs(hparams)
    values = {}
    for name, ours in pairs:
        if name not in theirs:
            raise UserError(
                f"{source}: variable {name!r} is missing; expected shape {shapes[ours]}, for {ours}. "
                "Give a checkpoint of the released DFAR."
            )
        value = np.asarray(theirs[name], np.float32)
        kernel = value[0] if value.ndim == 3 and len(value) == 1 else value  # a 1x1 convolution's
        if list(kernel.shape) != shapes[ours]:
            raise UserError(
                f"{source}: variable {name!r} has shape {list(value.shape)}, expected "
                f"{shapes[ours]} for {ours}. Give the sizes it was trained with: hidden_size, "
                "num_heads, max_seq_length, the layers and the vocabulary."
            )
        values[ours] = kernel
    strange = sorted(name for name in set(theirs) - set(dict(pairs)) if not UNUSED.match(name))
    if strange:
        raise UserError(
            f"{source}: variable {strange[0]!r} is not part of dfar_released ({len(strange)} "
            "such). Give a checkpoint of the released DFAR with one block."
        )
    return values


def read_variables(path):
    """Everything in a checkpoint.

    Args:
      path: its prefix, any of its files, or a folder with a ``checkpoint`` file.

    Returns:
      {name: array}.

    Raises:
      UserError: no checkpoint there, or a damaged one.
    """
    prefix = _prefix(path)
    try:
        reader = tf.train.load_checkpoint(prefix)
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise UserError(
            f"{path}: not a readable checkpoint: {str(error).splitlines()[0]}. Expected a complete "
            f"{os.path.basename(prefix)}.index and {os.path.basename(prefix)}.data-..."
        ) from None


def released_sizes(theirs, source):
    """The hyper-parameters and vocabulary size that a released checkpoint's shapes imply.

    Args:
      theirs: {released name: array}.
      source: what to call them in an error.

    Returns:
      (dict of ``hidden_size``, ``num_heads``, ``max_seq_length``, ``attention_layers`` and
      ``tower_layers``, num_items).

    Raises:
      UserError: a variable that implies them is missing or has another rank.
    """

    def shape(name):
        value = theirs.get(ROOT + name)
        if value is None or value.ndim != 2:
            found = "is missing" if value is None else f"has shape {list(value.shape)}"
            raise UserError(
                f"{source}: variable {ROOT + name!r} {found}, expected two axes. Give a checkpoint "
                "of the released DFAR."
            )
        return value.shape

    def layers(scope):
        names = [f"{scope}/nn_part/w_nn_layer{i}" for i in range(len(theirs))]
        return [shape(name)[1] for name in names if ROOT + name in theirs]

    rows, width = shape("embedding/item_embedding")
    sizes = {
        "hidden_size": width,
        "num_heads": shape("num_blocks_0/self_attention/dense_3/kernel")[0] // width,
        "max_seq_length": shape("embedding/position_embedding")[0],
        "attention_layers": layers("attention_fcnAtt_pos/att_fcn"),
        "tower_layers": layers("logit_pos"),
    }
    return sizes, rows - 1


def mapping_rows(theirs, hparams):
    """Rows (released name, shape, our name) of ``HEADERS``; what is not used says so."""
    pairs = _pairs(hparams)
    unused = sorted(set(theirs) - set(dict(pairs)))
    pairs += [(name, "(not used)") for name in unused]
    return [[name, "x".join(map(str, theirs[name].shape)) or "1", ours] for name, ours in pairs]


def take_over(path, hparams, given=()):
    """Reads a released checkpoint into the weights of a ``dfar_released``.

    Args:
      path: see ``read_variables``.
      hparams: hyper-parameters; sizes not in ``given`` are the checkpoint's.
      given: keys that the user gave, which the checkpoint must match.

    Returns:
      (hparams with the checkpoint's sizes, num_items, {variable: array}, rows of the mapping).

    Raises:
      UserError: see ``read_variables`` and ``translate``.
    """
    theirs = read_variables(path)
    sizes, num_items = released_sizes(theirs, path)
    sizes = {key: value for key, value in sizes.items() if key not in given}
    hparams = hparams.replace(model_type="dfar_released", **sizes)
    values = translate(theirs, hparams, num_items, path)
    return hparams, num_items, values, mapping_rows(theirs, hparams)


def save_converted(output, hparams, num_items, values):
    """Writes a folder with ``hparams.yaml`` and the checkpoint in ``best/``, or nothing.

    Args:
      output: folder to make; ``best_checkpoint(output)`` finds the checkpoint.
      hparams, num_items, values: what ``take_over`` gave.

    Raises:
      UserError: ``output`` exists already.
    """
    if os.path.exists(output) and (not os.path.isdir(output) or os.listdir(output)):
        raise UserError(f"{output}: already exists. Give another --output.")
    with atomic_directory(output) as folder:
        save_values(values, hparams, num_items, os.path.join(folder, "best", "model.ckpt"))
        hparams.save(os.path.join(folder, "hparams.yaml"))


def _pairs(hparams):
    return name_pairs(len(hparams.attention_layers), len(hparams.tower_layers))


def _prefix(path):
    if os.path.isdir(path):
        found = tf.train.latest_checkpoint(path)
        if found is None:
            raise UserError(
                f"{path}: it has no file 'checkpoint' that names one. Give a checkpoint's prefix, "
                "such as epoch_5."
            )
        return found
    return re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path)
