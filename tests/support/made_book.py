"""A whole book from made-up cells: nothing is trained, predictions are made up by a rule."""

import json
import os
import types

import numpy as np
import yaml
from fake_cells import METRICS, C, predictions
from places import HPARAMS

from dfar_tf.experiments.book import attention as attention_module
from dfar_tf.experiments.book import shelf as shelf_module
from dfar_tf.experiments.book import write
from dfar_tf.experiments.book.benchmark import read_benchmark
from dfar_tf.experiments.book.earlier import Earlier
from dfar_tf.experiments.book.session import train
from dfar_tf.experiments.book.shelf import Shelf
from dfar_tf.experiments.book.works import Planner
from dfar_tf.runs.grid import Outcome
from recommenders_utils.evaluation.metrics import evaluate_predictions

LIFTS = {"dfar": 3.0, "caser": 1.2, "gru4rec": 0.6, "sasrec": 1.0, "newest": 0.3}


def lift(hparams):
    """Ours leads by far; without FHA nothing is left of it; the weights do not matter."""
    if hparams.values().get("ablation", "none") == "fha":
        return 0.0
    return LIFTS[hparams.model_type] * (0.8 if hparams.learning_rate == 0.0001 else 1)


def made_up(cell, path, given=(), command="", finished=False):
    """Stands in for ``run_cell``."""
    hparams = cell.hparams
    frame = predictions(lift(hparams), hparams.seed)
    os.makedirs(path, exist_ok=True)
    frame.to_csv(os.path.join(path, "predictions_test.csv"), index=False)
    figures = evaluate_predictions(frame, METRICS)
    results = {
        **{"model": hparams.model_type, "loss": hparams.loss, "seed": hparams.seed},
        **{"test": figures, "valid": figures, "observed_auc": {"valid": 0.5}},
        "epochs": [{"validation": figures}] * hparams.epochs,
        **{"seconds": {"all": 1.0}, "parameters": 1234, "best_epoch": 1},
        **{"data_fingerprint": "f" * 64, "synthetic": True},
        "ranking": {"full_hr@10": 0.1, "full_ndcg@10": 0.05, "full_hr@10_p-n": 0.02},
    }
    with open(os.path.join(path, "results.json"), "w") as stream:
        json.dump(results, stream)
    return Outcome(path, results)


def write_made_up_book(folder, patch, name="out", add_to=None, draws=True, **changes):
    """Trains what is missing in ``folder/cells-NAME`` and writes the book ``folder/NAME``.

    Args:
      folder: of the test.
      patch: a MonkeyPatch.
      name: of the book.
      add_to: folder of an earlier book, or None.
      draws: whether figures and the report are made.
      changes: keys of the benchmark file.

    Returns:
      (folder of the book, what was said, names of the cells that were trained).
    """
    said, trained = [], []
    content = yaml.safe_load((HPARAMS / "benchmarks" / "tiny.yaml").read_text(encoding="utf-8"))
    content.update(models=["gru4rec", "caser", "sasrec", "dfar"], untrained=["newest"])
    content["parts"][0]["extras"] = ["ablations", "weights", "published"]
    content["seeds"] = {"first": 1, "most": 3, "best_others": 1, "rest": 2}
    content["resamples"] = 800
    content.update(changes)
    (folder / "mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "SYNTHETIC_tiny.csv").write_text("")
    meta = {"fingerprint": "f" * 64, "name": "tiny", "synthetic": True, "protocol": {}}
    counts = types.SimpleNamespace(counts=np.full(8, C))
    store = types.SimpleNamespace(meta=meta, splits={"test": counts})
    attention = {"attention": np.array([[2.0, 1], [1, 6]]), "pairs": np.array([[1.0, 1], [1, 7]])}
    attention["transitions"] = attention["pairs"]

    def noted(cell, path, *rest):
        trained.append(cell.name)
        return made_up(cell, path, *rest)

    patch.setattr(shelf_module, "prepare_data", lambda *_: (store, None))
    patch.setattr(shelf_module, "run_cell", noted)
    patch.setattr(attention_module, "accumulate", lambda *_: attention)
    if not draws:
        for each in ("draw_models", "draw_shares", "draw_points", "draw_lengths"):
            patch.setattr(write, each, lambda *_: None)
        patch.setattr(write, "save_figure", lambda *_: None)
        patch.setattr(write, "run_report", lambda *_: None)
    benchmark = read_benchmark(str(folder / "mine.yaml"), str(folder))
    earlier = Earlier(str(add_to)) if add_to else None
    cells, quiet = str(folder / f"cells-{name}"), lambda _: None
    planner = Planner(benchmark, Shelf(benchmark, cells, (), False, "the command", quiet, earlier))
    train(planner, say=quiet)
    assert write.write_book(planner, str(folder / name), said.append) == 0
    return folder / name, said, trained
