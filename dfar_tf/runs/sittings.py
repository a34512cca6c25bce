"""How long a run was trained before it was resumed."""

import os

from dfar_tf.estimator.state import STATE_FILE
from recommenders_utils.checksums import DAMAGE
from recommenders_utils.files import read_json


def seconds_before(run_dir):
    """Seconds of the epochs and validations that a run has recorded, of one begun up to its checkpoint.

    What a sitting spends before its first epoch and after its last checkpoint is recorded nowhere.

    Args:
      run_dir: folder of the run.

    Returns:
      float; 0.0 for a run that was not begun, or whose state cannot be read: resuming says why.
    """
    path = os.path.join(run_dir, "checkpoints", STATE_FILE)
    try:
        state = read_json(path)
        epochs, within = state["epochs"], state.get("within", [])
        last = epochs[-1]["step"] if epochs else 0
        begun = [sums["seconds"] for sums in within if sums["step"] > last]
        whole = [epoch["seconds"] + epoch["validation_seconds"] for epoch in epochs]
        return float(sum(whole) + max(begun, default=0.0))
    except (OSError, *DAMAGE):
        return 0.0
