"""Settings chosen for each model on validation, within a budget that all have alike."""

from dfar_tf.experiments.cells import cell_hparams, grid_points
from dfar_tf.runs.grid import Cell

BUDGET = "learning_rate=0.0001,0.001,0.003;embed_l2=0.000001,0.0001"


def tune(study, names, budget=BUDGET):
    """Trains each model at every point of the budget, with the study's first seed.

    Args:
      study: the ``Study`` that the cells are of.
      names: of the models.
      budget: ``key=value,value;key=value,...``.

    Returns:
      ``{model: its best point by validation}``; ``{}`` for a model without a finished run.

    Raises:
      UserError: a budget of another form.
    """
    seed = study.seeds[0]
    tried = [(name, point) for name in names for point in grid_points(budget)]
    cells = [
        Cell(
            f"{name}, tuning {point}", cell_hparams(study.dataset, name, study.given, seed, **point)
        )
        for name, point in tried
    ]
    best = {name: (None, {}) for name in names}
    for (name, point), cell, outcome in zip(tried, cells, study.train(cells)):
        if outcome.results is None:
            continue
        metric = cell.hparams.early_stop_metric
        score = outcome.results["valid"][metric] * (-1 if metric == "logloss" else 1)
        if best[name][0] is None or score > best[name][0]:
            best[name] = score, point
    return {name: point for name, (_, point) in best.items()}
