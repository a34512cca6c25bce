"""Sweeps: a model at every point of a grid of hyper-parameters."""

from dfar_tf.experiments.cells import grid_points
from dfar_tf.experiments.points import run_points
from dfar_tf.experiments.study import Study
from recommenders_utils.errors import UserError


def run_sweep(dataset, given, grid, seeds=1, command="", output=None, say=print):
    """Trains a model at every point of a grid, prints the table, draws one or two axes.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags; ``model_type`` among them names the model.
      grid: ``key=value,value;key=value,...``.
      seeds: how many.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.

    Raises:
      UserError: no grid, or one of another form.
    """
    if not grid:
        raise UserError('--grid is needed, such as --grid="num_heads=2,4,8;hidden_size=16,32,64".')
    points = grid_points(grid)
    study = Study("sweep", dataset, given, seeds, (), command, output, say)
    return run_points(study, given.get("model_type", "dfar"), points, words=list(points[0]))
