"""Figure 6: AUC against the weights of DFAR's BPR loss and of its disentangling loss."""

from dfar_tf.experiments.points import run_points
from dfar_tf.experiments.study import Study

WEIGHTS = ("lambda_bpr", "lambda_d")
VALUES = ("0.0001", "0.001", "0.01", "0.1")


def run_figure6(dataset, given, seeds=3, command="", output=None, say=print):
    """Trains DFAR at every value of one weight at a time, prints, writes and draws.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags.
      seeds: how many.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.
    """
    study = Study("figure6", dataset, given, seeds, WEIGHTS, command, output, say)
    points = [{weight: value} for weight in WEIGHTS for value in VALUES]
    note = (
        "The other weight keeps its default. The paper prints no numbers with its Figure 6; in "
        "its text the AUC on Amazon peaks at 1e-3 for both weights"
        "."
    )
    return run_points(study, "dfar", points, explained=[note])
