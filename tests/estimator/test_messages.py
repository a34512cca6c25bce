"""The line of an epoch: short enough for a terminal, with the time that is left."""

import pytest

from dfar_tf.estimator.messages import duration, epoch_lines, heard, logging

METRICS = ("auc", "gauc", "mrr@10", "ndcg@10", "hit@1", "hit@5", "logloss", "full_ndcg@10")


def record(epoch):
    values = {name: 0.5 + 0.01 * number for number, name in enumerate(METRICS)}
    seconds = {"seconds": 12345.678, "targets_per_second": 98765.4}
    return {
        "epoch": epoch,
        "step": 123456,
        "train_loss": 12.345678,
        "validation": values,
        **seconds,
    }


@pytest.mark.parametrize("first", METRICS)
@pytest.mark.parametrize("left", [None, 3.21, 99999.0])
def test_an_epoch_fits_80_columns(first, left):
    line, detail = epoch_lines(record(1000), 1000, first, left, best=True)
    assert len(line) <= 80
    assert f"{first} 0." in line and line.endswith("  best")
    assert ("left" in line) == (left is not None)
    assert all(f"{name} 0." in detail for name in METRICS)


def test_the_line():
    short = {**record(3), "validation": {"auc": 0.7919, "gauc": 0.774}, "seconds": 12.3}
    line, _ = epoch_lines(short, 50, "auc", 560.0)
    assert line == "epoch  3 of 50  loss 12.3457  auc 0.7919  gauc 0.7740  12 s, <9 min left"


def test_durations():
    assert [duration(s) for s in (0.04, 9.96, 99, 100, 5999, 7500)] == [
        *("0.0 s", "10.0 s", "99 s", "2 min", "1.7 h", "2.1 h")
    ]


def test_details_go_where_they_are_wanted():
    told, noted = [], []
    logger = logging.getLogger("dfar_tf.estimator.anything")
    with heard(told.append, noted.append):
        logger.info("a line")
        logger.debug("a detail")
    assert (told, noted) == (["a line"], ["a detail"])
