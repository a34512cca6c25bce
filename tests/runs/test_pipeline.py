"""What a run leaves in its folder, and that the stored files give the same numbers again."""

import csv
import glob
import os
import re

import numpy as np
import pandas as pd
import pytest
from generated_logs import TINY_SHAPE
from sklearn.metrics import log_loss, roc_auc_score
from small import (
    EPOCHS,
    cache_dir,
    call,
    chance_run,
    flags_of,
    house_file,
    learnt_run,
    other_run,
    ratings_file,
    tree,
)

from dfar_tf import paths
from dfar_tf.runs import steps
from dfar_tf.runs.folder import RunFolder
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.dataset.sources import STAND_IN_NAME
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.evaluation.predictions import evaluate_file
from recommenders_utils.files import read_json
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.synthetic import ratings as synthetic


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    return learnt_run(tmp_path_factory)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return other_run(tmp_path_factory)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return chance_run(tmp_path_factory)


@pytest.fixture(scope="module")
def results(learnt):
    return read_json(str(learnt.folder / "results.json"))


@pytest.fixture(scope="module")
def store(tmp_path_factory, learnt):
    (folder,) = cache_dir(tmp_path_factory).glob("synthetic_small-*")
    return SequenceStore.load(str(folder))


def text_of(path):
    with open(str(path), encoding="utf-8") as stream:
        return stream.read()


def test_the_merged_hyper_parameters_read_back(learnt):
    stored = prepare_hparams(str(learnt.folder / "hparams.yaml"))
    given = dict(learnt.flags)
    given.pop("run_dir")
    # The data's own name takes the place of hparams/amazon.yaml's.
    assert stored == merge_hparams("amazon", **given).replace(name="SYNTHETIC_small")
    assert stored.protocol == "released"
    assert stored.hidden_size == 16


def test_the_record_of_the_run(learnt, store):
    record = read_json(str(learnt.folder / "run.json"))
    assert record["command"].startswith("bash run.sh amazon ")
    for name in ("--seed=1", "--learning_rate=0.01", f"--epochs={EPOCHS}"):
        assert name in record["command"]
    assert (record["seed"], record["synthetic"]) == (1, True)
    assert record["data"] == "SYNTHETIC_small"
    assert record["data_fingerprint"] == store.meta["fingerprint"]
    versions = record["versions"]
    assert versions["tensorflow"] == tf.__version__
    assert versions["numpy"] == np.__version__
    assert versions["pandas"] == pd.__version__
    assert {"python", "platform", "scikit-learn", "dfar_tf"} <= set(versions)


def test_the_folder_holds_whole_files_only(learnt):
    files = tree(learnt.folder)
    expected = {
        "hparams.yaml",
        "run.json",
        "data.npz",
        "checksums.json",
        "run.log",
        "results.json",
        "results.csv",
        "slices.csv",
        "predictions_valid.csv",
        "predictions_test.csv",
        os.path.join("checkpoints", "checkpoint"),
        os.path.join("best", "checkpoint"),
    }
    assert expected <= set(files)
    top = {name for name in files if os.sep not in name}
    assert top == {name for name in expected if os.sep not in name}
    assert not [name for name in files if ".tmp-" in name or ".old-" in name]
    assert all(files[name] for name in expected)
    for folder in ("checkpoints", "best"):
        # The newest, or while a step back must stay possible two of them: not one an epoch.
        kept = glob.glob(str(learnt.folder / folder / "*.index"))
        assert 1 <= len(kept) <= 2


def test_the_log_holds_what_was_printed_and_the_details(learnt):
    log, printed = text_of(learnt.folder / "run.log"), learnt.outcome.out.splitlines()
    rest = iter(log.splitlines())
    assert all(line in rest for line in printed)  # in the same order
    assert len(printed) < len(log.splitlines()) - 100
    for sign in (
        "data: read 6000 records",
        "Device: CPU",
        "hidden_size",
        f"epoch {EPOCHS}",
        "protocol released: split leave_one_out, 1 + 9 candidates by popularity (seed 2023)",
        "train targets positive, histories of 4",
    ):
        assert sign in log


def test_a_run_begins_with_two_lines_and_an_epoch_has_one(learnt):
    data, model, *epochs = learnt.outcome.out.splitlines()
    epochs = epochs[: epochs.index("")]
    assert data.startswith("data: SYNTHETIC_small (SYNTHETIC): ")
    assert model.startswith("model: dfar, log_loss, seed 1, min_item_records=0, ")
    assert "hidden_size=16" in model and "run folder " in model and "device" not in model
    assert len(epochs) == EPOCHS
    for number, line in enumerate(epochs, 1):
        assert len(line) <= 80
        left = r", <[\d.]+ (s|min) left" if number < EPOCHS else ""
        form = rf"epoch +{number} of {EPOCHS}  loss \d\.\d{{4}}  auc \d\.\d{{4}}.*  [\d.]+ s{left}(  best)?$"
        assert re.match(form, line), line


@pytest.mark.parametrize("split", ["valid", "test"])
def test_predictions_are_the_stored_candidates_in_order(learnt, store, split):
    frame = pd.read_csv(str(learnt.folder / f"predictions_{split}.csv"))
    assert list(frame) == ["instance", "user", "item", "label", "score", "history_length"]
    part = store.splits[split]
    counts = np.asarray(part.counts)
    real = np.arange(part.candidates.shape[1]) < counts[:, None]
    items = np.asarray(part.candidates)[real]
    assert np.array_equal(frame["instance"], np.repeat(np.arange(len(part)), counts))
    assert np.array_equal(frame["item"], store.item_ids[items - 1])
    assert np.array_equal(frame["label"], np.asarray(part.labels)[real])
    assert np.array_equal(frame["user"], np.repeat(store.user_ids[part.users], counts))
    # The whole history, longer than what the model looks at.
    lengths = part.ends - store.user_offsets[part.users]
    assert np.array_equal(frame["history_length"], np.repeat(lengths, counts))
    assert lengths.max() > 4
    assert frame["score"].between(0, 1).all()
    assert frame["score"].nunique() > 0.9 * len(frame)


def test_scores_are_stored_in_full_precision(tmp_path, store):
    scores = np.random.RandomState(0).random_sample(12).astype(np.float32)
    scores[:3] = [1e-7, 1 - 1e-7, 0.1]
    numbers = np.arange(12)
    flat = {"instance": numbers, "user": numbers, "item": numbers + 1, "label": numbers % 2}
    folder = RunFolder(str(tmp_path))
    path = folder.write_predictions("test", {**flat, "score": scores}, store)
    frame = pd.read_csv(path, float_precision="round_trip")
    assert np.array_equal(frame["score"].to_numpy().astype(np.float32), scores)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_metrics_follow_from_the_predictions_file_alone(learnt, results, split, tmp_path):
    hparams = prepare_hparams(str(learnt.folder / "hparams.yaml"))
    alone = tmp_path / "copy.csv"
    alone.write_bytes((learnt.folder / f"predictions_{split}.csv").read_bytes())
    again = evaluate_file(str(alone), hparams.metrics, hparams.ties)
    assert again == results[split]  # exactly
    frame = pd.read_csv(str(alone), float_precision="round_trip")
    assert again["auc"] == pytest.approx(roc_auc_score(frame["label"], frame["score"]), abs=1e-12)
    loss = log_loss(frame["label"], frame["score"])
    assert again["logloss"] == pytest.approx(loss, abs=1e-6)
    outcome = call("metrics", f"--predictions={alone}")
    assert outcome.status == 0
    for name, shown in (("auc", "AUC"), ("mrr@10", "MRR@10"), ("hit@5", "hit@5")):
        assert [shown, f"{again[name]:.4f}"] in [line.split() for line in outcome.out.splitlines()]


def test_metrics_of_a_synthetic_run_say_so(learnt, house):
    for run, synthetic_data in ((learnt, True), (house, False)):
        outcome = call("metrics", f"--predictions={run.folder / 'predictions_test.csv'}")
        # The file's path names the folder, which says nothing here.
        assert ("SYNTHETIC" in outcome.out) is synthetic_data


def test_results_json_and_csv_agree(learnt, results):
    with open(str(learnt.folder / "results.csv"), newline="") as stream:
        every = list(csv.DictReader(stream))
    hparams = prepare_hparams(str(learnt.folder / "hparams.yaml"))
    rows = [row for row in every if row["metric"] != "observed_auc"]
    observed = {row["split"]: float(row["ours"]) for row in every if row not in rows}
    assert observed == results["observed_auc"] and set(observed) == {"valid", "test"}
    assert len(rows) == 2 * len(hparams.metrics)
    names = {"AUC": "auc", "GAUC": "gauc", "log loss": "logloss"}
    for row in rows:
        name = names.get(row["metric"], row["metric"].lower())
        assert float(row["ours"]) == results[row["split"]][name]
        assert (row["model"], row["loss"], row["seed"]) == ("dfar", "log_loss", "1")
    assert results["seed"] == 1
    assert results["protocol"]["split"] == "leave_one_out"
    assert results["protocol"]["train_targets"] == "positive"
    assert results["statistics"]["users"] == 400
    assert len(results["epochs"]) == EPOCHS
    assert results["parameters"] > 60 * 16


def test_synthetic_data_say_so_everywhere(learnt, results):
    for name in ("run.log", "results.csv", "results.json", "run.json", "hparams.yaml"):
        assert "SYNTHETIC" in text_of(learnt.folder / name), name
    rows = text_of(learnt.folder / "results.csv").splitlines()
    assert all(",SYNTHETIC," in row for row in rows[1:])
    assert results["synthetic"] is True
    tables = [line for line in learnt.outcome.out.splitlines() if line.startswith("dfar on ")]
    assert len(tables) == 2
    assert all("SYNTHETIC data, not comparable with the paper's" in line for line in tables)


def test_a_synthetic_file_stays_one_under_another_name(tmp_path, tmp_path_factory):
    outcome = call(
        "prepare",
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={tmp_path}",
        "--name=My shop",
        "--min_item_records=0",
    )
    assert outcome.status == 0, outcome.err
    assert "My shop (SYNTHETIC)" in outcome.out


def test_a_compressed_tsv_with_a_header_end_to_end(house, tmp_path_factory):
    frame = pd.read_csv(str(house.folder / "predictions_test.csv"))
    assert frame["item"].str.startswith("film ").all()
    raw = pd.read_csv(str(house_file(tmp_path_factory)), sep="\t")
    last = raw.groupby("user_id:token").tail(1).set_index("user_id:token")["item_id:token"]
    targets = frame.groupby("user")["item"].first()
    assert set(targets.index) <= set(last.index)
    # Most last records fall on a day of their own; of the others the order is the protocol's.
    assert (targets == last[targets.index]).mean() > 0.5
    assert read_json(str(house.folder / "run.json"))["data"] == "house log"


def test_a_persons_own_data_are_not_called_synthetic(house):
    assert "SYNTHETIC" not in house.outcome.out
    for name in tree(house.folder):
        if name.endswith((".csv", ".json", ".yaml", ".log")):
            assert "SYNTHETIC" not in text_of(house.folder / name), name
    assert read_json(str(house.folder / "results.json"))["synthetic"] is False


def test_two_models_are_scored_on_the_very_same_candidates(learnt, other):
    assert "data: reused " in text_of(other.folder / "run.log")
    assert "data: prepared " in text_of(learnt.folder / "run.log")
    for split in ("valid", "test"):
        frames = [
            pd.read_csv(str(run.folder / f"predictions_{split}.csv")) for run in (learnt, other)
        ]
        assert not np.allclose(frames[0]["score"], frames[1]["score"])
        same = [frame.drop(columns="score") for frame in frames]
        pd.testing.assert_frame_equal(*same)


def test_candidates_hang_on_their_own_seed(tmp_path, tmp_path_factory, store):
    hparams = merge_hparams("amazon", **flags_of(learnt_run(tmp_path_factory).arguments[1:3]))
    hparams = hparams.replace(min_item_records=0, min_user_records=0, cache_dir=str(tmp_path))
    candidates = []
    for change in ({}, {"seed": 77}, {"candidate_seed": 77}):
        made, _ = steps.prepare_data(hparams.replace(**change), say=lambda line: None)
        candidates.append(np.asarray(made.splits["test"].candidates))
    assert np.array_equal(candidates[0], store.splits["test"].candidates)
    assert np.array_equal(candidates[0], candidates[1])
    assert not np.array_equal(candidates[0], candidates[2])


def test_evaluate_scores_the_best_checkpoint_to_the_same_numbers(learnt, results):
    names = ("results.csv", "predictions_valid.csv", "predictions_test.csv")
    before = {name: text_of(learnt.folder / name) for name in names}
    log = text_of(learnt.folder / "run.log")
    outcome = call("evaluate", f"--run_dir={learnt.folder}")
    assert outcome.status == 0, outcome.err
    assert {name: text_of(learnt.folder / name) for name in names} == before
    assert read_json(str(learnt.folder / "results.json")) == results
    after = iter(text_of(learnt.folder / "run.log")[len(log) :].splitlines())
    assert all(line in after for line in outcome.out.splitlines())
    table = log[log.index("dfar on SYNTHETIC_small, valid") :]
    assert table.split("parameters;")[0] in outcome.out


def test_tensorboard_shows_losses_validation_and_learning_rate(learnt, results):
    values = {}
    for path in glob.glob(str(learnt.folder / "checkpoints" / "events*")):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                values.setdefault(value.tag, []).append((event.step, value.simple_value))
    for name in ("main", "bpr", "disentangle", "embed_l2"):
        assert np.isfinite([v for _, v in values["loss/" + name]]).all(), name
    assert {round(v, 6) for _, v in values["learning_rate"]} == {0.01}
    epochs = results["epochs"]
    for metric in results["epochs"][0]["validation"]:
        shown = values["validation/" + metric]
        assert [step for step, _ in shown] == [e["step"] for e in epochs]
        assert np.allclose([v for _, v in shown], [e["validation"][metric] for e in epochs])


def test_offline_a_stand_in_is_made_and_says_so(tmp_path, monkeypatch):
    """The whole way of `prepare` with nothing given, in a checkout of its own."""
    monkeypatch.setattr(paths, "ROOT", str(tmp_path))
    monkeypatch.setattr(steps, "ROOT", str(tmp_path))
    monkeypatch.setattr(synthetic, "AMAZON_SHAPE", TINY_SHAPE)
    monkeypatch.setenv("DFAR_OFFLINE", "1")
    monkeypatch.delenv("DFAR_DATA", raising=False)
    outcome = call("prepare")
    assert outcome.status == 0, outcome.err
    assert "SYNTHETIC DATA: DFAR_OFFLINE is set" in outcome.out
    assert "(SYNTHETIC)" in outcome.out
    # Made to the shape of Table 1, it is not the paper's log.
    assert "paper, Table 1" not in outcome.out
    assert "paper, Table 1" in call("prepare", "--paper_column=amazon").out
    # Its items are not filtered again, unless a person says so.
    assert "2,600 of 2,600 records are left" in outcome.out
    assert (tmp_path / "data" / STAND_IN_NAME).is_file()
    filtered = call("prepare", "--min_item_records=30")
    assert filtered.status == 0, filtered.err
    assert "2,600 of 2,600 records are left" not in filtered.out
