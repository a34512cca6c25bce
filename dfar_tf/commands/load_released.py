"""turn a checkpoint of the released code into one of dfar_released

``bash run.sh load-released --checkpoint=DIR/epoch_5 --output=DIR``; prints which variable is which. The
sizes are the checkpoint's own.
"""

import os

from recommenders_utils.errors import UserError

FLAGS = {
    "checkpoint": (None, "prefix of the released checkpoint, such as epoch_5"),
    "output": (None, "folder to make: best/ with the checkpoint, hparams.yaml"),
}


def run(options):
    """Forwards to ``convert`` and prints the mapping."""
    from dfar_tf.cli import merge_hparams
    from dfar_tf.estimator.released_checkpoint import HEADERS, convert
    from dfar_tf.experiments.tables import format_table
    from dfar_tf.paths import shown

    for flag in FLAGS:
        if not getattr(options, flag):
            raise UserError(f"--{flag} is needed: {FLAGS[flag][1]}.")
    path = os.path.abspath(os.path.expanduser(options.checkpoint))
    given = {**options.given, "model_type": "dfar_released"}
    hparams, num_items, rows = convert(path, options.output, merge_hparams(**given), given)
    print(format_table(HEADERS, rows, f"{shown(path)}\nitems {num_items}"))
    print(
        f"\nhidden_size {hparams.hidden_size}, num_heads {hparams.num_heads}, max_seq_length "
        f"{hparams.max_seq_length}; checkpoint in {shown(options.output)}"
    )
