"""compare a run of the released code with ours, stage by stage

``bash run.sh diff --released=DIR [--checkpoint=PREFIX] [--predictions=FILE] [--ratings=FILE]``; DIR may be
several, comma-separated. Exits with status 0 only if nothing differs beyond tolerance.
"""

import os

from dfar_tf.paths import taken
from recommenders_utils.errors import UserError

FLAGS = {
    "released": (None, "folder of a released run: its data files and whatever else it wrote"),
    "checkpoint": (
        None,
        "prefix of its checkpoint, such as epoch_5; not needed if there is only one",
    ),
    "predictions": (None, "its predictions of the test set; if not given, found by name"),
    "output": (None, "folder for the JSON and CSV; results/ in the checkout if not given"),
}
KEYS = (
    "ratings",
    "max_seq_length",
    "device",
)


def run(options):
    """Forwards to ``diff_released``; returns 1 if anything differs beyond tolerance."""
    from dfar_tf.diff.comparison import ReleasedRun, diff_released

    if not options.released:
        raise UserError(f"--released is needed: {FLAGS['released'][1]}.")
    folders = [options.released]
    if not os.path.isdir(options.released):
        folders = [taken(f) for f in options.released.split(",")]
    given = dict(options.given)
    ratings = given.pop("ratings", None)
    found = ReleasedRun(folders, options.checkpoint, options.predictions, ratings)
    rows = diff_released(found, given, options.output, options.command)
    return 0 if all(row.sound() for row in rows) else 1
