"""metrics --as=released and --explain: the recorded figures, and the reasons counted by hand."""

import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest

from dfar_tf.cli import main
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.released.explain import explain
from recommenders_utils.released.metrics import (
    in_blocks,
    read_any_predictions,
    released_figures,
)

RANKED = ["mean_mrr", "ndcg@2", "ndcg@4", "ndcg@6", "ndcg@8", "ndcg@10"]


def released_csv(path, users, labels, scores, name="user_index"):
    lines = [f"{u},{y},{s!r}" for u, y, s in zip(users, labels, scores)]
    content = "\n".join([f"{name},label,prediction", *lines]) + "\n"
    if str(path).endswith(".gz"):
        path.write_bytes(gzip.compress(content.encode("utf-8")))
    else:
        path.write_text(content)
    return str(path)


def blocks(number=12, seed=3, digits=9):
    """Users, labels and scores of ``number`` instances of ten rows, the positive first."""
    state = np.random.RandomState(seed)
    users = np.repeat(np.arange(5, 5 + number), 10)
    labels = np.tile([1] + [0] * 9, number)
    return users, labels, np.round(state.uniform(0.06, 0.94, len(users)), digits)


def printed(capsys, *arguments):
    """{metric: value as printed} of a command that succeeds."""
    assert main(["metrics", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    below = lines[next(k for k, line in enumerate(lines) if line.startswith("---")) + 1 :]
    return {line.split()[0]: line.split()[1] for line in below if line}


@pytest.mark.parametrize("ours", [True, False])
def test_a_damaged_gzip_is_told(tmp_path, capsys, ours):
    rows = "".join(f"{k},u{k},{k % 2},0.{k % 9}1\n" for k in range(3000))
    header = "instance,user,label,score\n" if ours else "user_index,label,prediction\n"
    packed = bytearray(gzip.compress((header + rows).encode()))
    path = tmp_path / "damaged.csv.gz"
    for at in (12, 40, len(packed) // 2, len(packed) - 6):
        path.write_bytes(bytes(packed[:at]) + bytes([packed[at] ^ 0x55]) + bytes(packed[at + 1 :]))
        assert main(["metrics", f"--predictions={path}"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: {path}") and len(err) < 1000


def frame_of(users, labels, scores, instances=None):
    if instances is None:
        instances = np.arange(len(labels)) // 10
    columns = {"instance": instances, "user": users, "label": labels, "score": scores}
    return pd.DataFrame(columns)


def released_by_hand(labels, scores):
    """MRR and NDCG@k of one block of ten, by the description."""
    order = np.argsort(scores, kind="heapsort")[::-1]
    ordered = labels[order]
    ranks = np.arange(1, 11)
    out = {"mean_mrr": np.sum(ordered / ranks) / np.sum(ordered)}
    for k in (2, 4, 6, 8, 10):
        gains = (2.0**ordered - 1) / np.log2(ranks + 1)
        best = (2.0 ** np.sort(labels)[::-1] - 1) / np.log2(ranks + 1)
        out[f"ndcg@{k}"] = gains[:k].sum() / best[:k].sum()
    return out


@pytest.mark.parametrize("digits", [9, 1])
@pytest.mark.parametrize("name", ["user_index", "user_id_index", "user"])
def test_released_figures_of_a_released_file(tmp_path, capsys, digits, name):
    users, labels, scores = blocks(digits=digits)
    path = released_csv(tmp_path / "predictions.csv.gz", users, labels, scores, name)
    found = printed(capsys, f"--predictions={path}", "--as=released")
    assert list(found) == ["auc", "logloss", *RANKED, "wauc"]
    by_block = [
        released_by_hand(labels[k : k + 10], scores[k : k + 10]) for k in range(0, len(users), 10)
    ]
    for metric in RANKED:
        assert found[metric] == f"{np.mean([b[metric] for b in by_block]):.4f}", metric
    ours = evaluate_predictions(frame_of(users, labels, scores), ["auc", "gauc", "logloss"])
    assert found["auc"] == f"{ours['auc']:.4f}" and found["wauc"] == f"{ours['gauc']:.4f}"
    assert found["logloss"] == f"{ours['logloss']:.4f}"


def test_without_the_flag_ours(tmp_path, capsys):
    users, labels, scores = blocks(digits=1)
    path = released_csv(tmp_path / "p.csv", users, labels, scores)
    found = printed(capsys, f"--predictions={path}", "--metrics=mrr,ndcg@4")
    expected = evaluate_predictions(frame_of(users, labels, scores), ["mrr", "ndcg@4"])
    assert found["MRR"] == f"{expected['mrr']:.4f}"
    assert found["NDCG@4"] == f"{expected['ndcg@4']:.4f}" and found["instances"] == "12"
    released = released_figures(frame_of(users, labels, scores))
    assert abs(released["mean_mrr"] - expected["mrr"]) > 0.01  # the ties are many


def test_a_run_of_ours_as_released(tmp_path, capsys):
    users, labels, scores = blocks()
    path = tmp_path / "predictions_test.csv"
    frame_of(users, labels, scores).to_csv(str(path), index=False)
    theirs = released_csv(tmp_path / "theirs.csv", users, labels, scores)
    ours = printed(capsys, f"--predictions={path}", "--as=released")
    assert ours == printed(capsys, f"--predictions={theirs}", "--as=released")


def test_consecutive_rows_of_a_user_are_an_instance(tmp_path):
    path = released_csv(
        tmp_path / "p.csv", [4, 4, 9, 7, 7, 7], [1, 0, 0, 1, 0, 0], [0.5, 0.2, 0.3, 0.1, 0.9, 0.8]
    )
    frame = read_any_predictions(path)
    assert frame["instance"].tolist() == [0, 0, 1, 2, 2, 2]
    assert frame["user"].tolist() == ["4", "4", "9", "7", "7", "7"]
    assert frame["score"].tolist() == [0.5, 0.2, 0.3, 0.1, 0.9, 0.8]


def test_only_blocks_of_ten_are_ranked():
    users, labels, scores = blocks(4)
    assert in_blocks(frame_of(users, labels, scores))
    assert not in_blocks(frame_of(users, labels, scores)[:-1])
    assert not in_blocks(frame_of(users, np.roll(labels, 1) * (users != 5), scores))
    shifted = frame_of(users, labels, scores, np.roll(np.arange(40) // 10, 3))
    assert not in_blocks(shifted)
    twice = frame_of(users, labels, scores, np.arange(40) // 10 % 2)
    assert not in_blocks(twice)
    assert list(released_figures(shifted)) == ["auc", "logloss", "wauc"]


def test_explain_counts_the_causes():
    users, labels, scores = blocks(6)
    scores[1] = scores[0]  # the positive of the first instance is tied
    scores[11] = scores[12]  # two negatives: no cause
    scores[20] = 1.0  # clipped in the log loss
    labels[31] = 1  # several positives
    rows = {row[0]: row for row in explain(frame_of(users, labels, scores))}
    assert list(rows) == ["auc", "logloss", "gauc", "mrr", *RANKED[1:]]
    assert rows["auc"][4] == "rounding"
    assert rows["logloss"][4].startswith("1 probabilities beyond 1e-7 are clipped")
    assert rows["gauc"][1] == rows["gauc"][2] and rows["gauc"][4] == "the same rule"
    for name in ("mrr", "ndcg@4"):
        assert rows[name][4].startswith("1 instances have a positive tied with a negative")
    assert "1 instances have several positives" in rows["mrr"][4]
    assert "several" not in rows["ndcg@4"][4]
    for _, ours, theirs, difference, _ in rows.values():
        assert difference == pytest.approx(theirs - ours) and theirs == round(theirs, 4)


def test_explain_the_users_with_few_rows():
    users = np.array([1] * 4 + [2] * 10 + [3] * 2)
    labels = np.array([1, 0, 0, 0] + [1] + [0] * 9 + [0, 0])
    scores = np.linspace(0.9, 0.1, 16)[::-1]
    rows = {row[0]: row for row in explain(frame_of(users, labels, scores, users))}
    assert "2 users with fewer than 10 rows (6 of 16 rows) count as AUC 1" in rows["gauc"][4]
    assert "1 of them have one class and are left out here" in rows["gauc"][4]
    # User 1 has AUC 0, user 2 AUC 0, user 3 none; there 1 and 3 count as 1.
    assert rows["gauc"][1:3] == [0.0, round(6 / 16, 4)]
    assert rows["mrr"][2] is None and "not blocks of 10" in rows["mrr"][4]


def test_explain_is_printed(tmp_path, capsys):
    users, labels, scores = blocks(digits=1)
    path = released_csv(tmp_path / "p.csv", users, labels, scores)
    assert main(["metrics", f"--predictions={path}", "--explain"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"NDCG@10 +0\.\d{4} +0\.\d{4} +[+-]0\.\d{6} +\d+ instances have a pos", out)


@pytest.mark.parametrize(
    "content, message",
    [
        ("user_index,label,prediction\n", "a header but no row"),
        (
            "user_index,label,prediction\n1,1,0.5\n1,0,high\n",
            ":3: prediction must be a number, got",
        ),
        ("user_index,label,prediction\n1,,0.5\n", ":2: label must be a number"),
        ("user_index,label,prediction\n1,2,0.5\n1,0,0.1\n", ":2: label must be 0 or 1, got 2"),
        ("user_index,label,prediction\n1,1,0.5\n1,0,7\n", ":3: score must be a probability"),
        ("label,prediction\n1,0.5\n", "no column instance"),
        ("", "the file is empty"),
    ],
)
def test_bad_files(tmp_path, capsys, content, message):
    path = tmp_path / "p.csv"
    path.write_text(content)
    assert main(["metrics", f"--predictions={path}", "--as=released"]) == 2
    error = capsys.readouterr().err
    assert message in error and "p.csv" in error and "Traceback" not in error


def test_bad_flags(tmp_path, capsys):
    path = released_csv(tmp_path / "p.csv", *blocks())
    assert main(["metrics", f"--predictions={path}", "--as=theirs"]) == 2
    assert "--as=theirs: expected ours or released" in capsys.readouterr().err
    with pytest.raises(UserError, match="no such file"):
        read_any_predictions(str(tmp_path / "none.csv"))


def test_recorded_predictions(shared, capsys):
    """All the figures of both recorded runs, to the fourth digit."""
    toys, small = shared / "released_run_toys", shared / "golden" / "run"
    for folder, name, split in (
        (toys, "predictions_test_dataA.csv.gz", "test"),
        (toys, "predictions_valid_dataA.csv.gz", "valid"),
        (small, "predictions_test.csv", "test"),
    ):
        recorded = json.loads((folder / "metrics.json").read_text())[split]
        found = printed(capsys, f"--predictions={folder / name}", "--as=released")
        assert len(recorded) == (9 if split == "test" else 2)
        assert {name: found[name] for name in recorded} == {
            name: f"{value:.4f}" for name, value in recorded.items()
        }


def test_recorded_cases(shared):
    """Ties and small users, as the release counts them."""
    cases = json.loads((shared / "golden" / "metrics.json").read_text())
    compared = 0
    for name in ("plain", "ties", "wauc_small_users"):
        case = cases[name]
        labels, scores = np.ravel(case["labels"]), np.ravel(case["preds"])
        found = released_figures(frame_of(np.ravel(case["users"]), labels, scores))
        for metric in set(found) & set(case["released_rounded"]):
            assert found[metric] == case["released_rounded"][metric], (name, metric)
            compared += 1
    assert compared == 9 + 9 + 1
