"""Our results beside the paper's."""

import math

import pytest

from dfar_tf.runs.tables import describe_protocol, metric_name, results_rows, results_table

RESULTS = {"auc": 0.74139, "gauc": math.nan, "ndcg@10": 0.6, "hit@1": 0.25, "logloss": 0.3012}
COUNTS = {
    "rows": 19970,
    "instances": 1997,
    "users": 1995,
    "gauc_excluded_users": 0,
    "groups_without_positive": 3,
}
PAPER = {"auc": 0.7333, "gauc": 0.7305, "ndcg@10": 0.6175, "mrr@10": 0.498}
PROTOCOL = {
    "protocol": "released",
    "split": "leave_one_out",
    "test_num_ngs": 9,
    "valid_num_ngs": 4,
    "candidate_sampling": "popularity",
    "candidate_seed": 2023,
    "train_targets": "all",
    "max_seq_length": 20,
}
RUN = {"model": "dfar", "loss": "log_loss", "dataset": "Toys", "protocol": PROTOCOL, "seed": 7}


def test_results_rows_compare_only_what_both_have():
    headers, rows = results_rows({**RESULTS, **COUNTS}, PAPER)
    assert headers == ["metric", "ours", "paper", "difference"]
    assert [row[0] for row in rows] == ["AUC", "GAUC", "NDCG@10", "hit@1", "log loss"]
    assert rows[0][2:] == [0.7333, 0.00809]
    assert rows[1][2:] == [0.7305, None]
    assert rows[2][3] == -0.0175
    assert rows[3][2:] == [None, None]
    headers, rows = results_rows(RESULTS)
    assert headers == ["metric", "ours"] and all(len(row) == 2 for row in rows)


def test_results_table():
    assert results_table({**RESULTS, **COUNTS}, PAPER, **RUN) == "\n".join(
        [
            "dfar on Toys, test",
            "loss log_loss; seed 7",
            "protocol released: split leave_one_out, 1 + 9 candidates by popularity (seed 2023),",
            "train targets all, histories of 20",
            "",
            "metric      ours   paper  difference",
            "--------  ------  ------  ----------",
            "AUC       0.7414  0.7333     +0.0081",
            "GAUC           -  0.7305           -",
            "NDCG@10   0.6000  0.6175     -0.0175",
            "hit@1     0.2500       -           -",
            "log loss  0.3012       -           -",
            "",
            "19,970 rows; 1,997 instances; 1,995 users; 3 instances without a positive, left out of",
            "MRR, NDCG and hit",
        ]
    )


def test_results_table_says_synthetic_and_drops_the_paper_column():
    text = results_table(RESULTS, **{**RUN, "seed": [1, 2]}, part="valid", synthetic=True)
    first = text.splitlines()[0]
    assert "SYNTHETIC" in first and "valid" in first
    assert "SYNTHETIC" not in results_table(RESULTS, **RUN)
    assert "seeds 1, 2" in text and "paper  " not in text
    assert "1 + 4 candidates" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    "protocol, text",
    [
        ({}, "not stated"),
        ({"protocol": "paper", "split": "last_day"}, "paper: split last_day"),
        ({"test_num_ngs": 5, "ties": "released"}, "1 + 5 candidates, ties released"),
    ],
)
def test_protocol(protocol, text):
    assert describe_protocol(protocol) == text


def test_metric_names():
    names = [metric_name(name) for name in ("auc", "mrr@10", "hit@5", "logloss", "rmse")]
    assert names == ["AUC", "MRR@10", "hit@5", "log loss", "rmse"]


def test_imported_candidates_are_called_so():
    protocol = {"test_num_ngs": 9, "candidate_sampling": "as imported", "candidate_seed": 3}
    assert describe_protocol(protocol) == "1 + 9 candidates as imported"
