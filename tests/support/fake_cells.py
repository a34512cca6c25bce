"""Cells of a grid without training: predictions made up by a rule, results computed from them."""

import json
import os

import numpy as np
import pandas as pd

from dfar_tf.runs import grid
from recommenders_utils.evaluation.metrics import evaluate_predictions

METRICS = ["auc", "gauc", "mrr@10", "ndcg@10"]
N, C = 40, 5


def predictions(lift, seed):
    """N instances of C rows; histories of 3, 6, ... records; the positive is higher by ``lift``."""
    scores = np.random.RandomState(seed).normal(size=[N, C])
    scores[:, 0] += lift
    return pd.DataFrame(
        {
            "instance": np.repeat(np.arange(N), C),
            "user": np.repeat([f"u{k}" for k in range(N)], C),
            "item": np.tile([f"i{k}" for k in range(C)], N),
            "label": np.tile([1] + [0] * (C - 1), N),
            "score": 1 / (1 + np.exp(-scores.ravel())),
            "history_length": np.repeat(3 * (1 + np.arange(N) % 9), C),
        }
    )


def fake_training(lift_of):
    """Stands in for ``run_experiment``: ``lift_of(hparams)`` is how good a cell is."""

    def run(hparams, command="", run_dir=None, resume=False, given=(), echo=True):
        frame = predictions(lift_of(hparams), hparams.seed)
        os.makedirs(run_dir, exist_ok=True)
        frame.to_csv(os.path.join(run_dir, "predictions_test.csv"), index=False)
        figures = evaluate_predictions(frame, METRICS)
        results = {
            "model": hparams.model_type,
            "loss": hparams.loss,
            "data": "made up",
            "seed": hparams.seed,
            "statistics": {},
            "protocol": {},
            "test": figures,
            "valid": figures,
            "seconds": {"all": 1.0, "train": 0.5},
            "parameters": 1234,
            "best_epoch": 2,
        }
        with open(os.path.join(run_dir, "results.json"), "w") as stream:
            json.dump(results, stream)
        return results

    return run


def use(monkeypatch, folder, lift_of):
    """Makes the grid train so, into a folder of the test's."""
    before = grid.in_checkout
    inside = lambda path: str(folder / "cells") if path.startswith("runs") else before(path)  # noqa: E731
    monkeypatch.setattr(grid, "in_checkout", inside)
    monkeypatch.setattr(grid, "run_experiment", fake_training(lift_of))
