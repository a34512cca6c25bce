"""From Python: a DataFrame in the place of a log's file, and the run's folder in what comes back."""

import os

import numpy as np
import pandas as pd
import pytest

import dfar_tf
from dfar_tf.runs.run import run_experiment
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError

SETTINGS = {"model_type": "itemknn", "min_item_records": 0, "min_user_records": 0, "untrained": []}
SETTINGS.update(valid_num_ngs=2, test_num_ngs=2)


def frame(users=12, records=6):
    """A log with ids and times as pandas may keep them, as floats and dates; ratings of 1 and 5."""
    user, place = np.divmod(np.arange(users * records), records)
    return pd.DataFrame(
        {
            "userId": 100.0 + user,
            "movieId": 10.0 + (user * 5 + place * (1 + user % 3)) % 17,
            "rating": np.where((user + place) % 4, 5, 1),
            "timestamp": pd.Timestamp("2020-01-01") + pd.to_timedelta(place, unit="D"),
        }
    )


@pytest.mark.parametrize("dataset, key", [("amazon", "ratings"), ("interactions", "interactions")])
def test_a_frame_trains_and_its_run_is_opened_where_it_is(tmp_path, dataset, key):
    given = {**SETTINGS, key: frame(), "cache_dir": str(tmp_path / "cache")}
    hparams = merge_hparams(dataset, **given)
    assert hparams == merge_hparams(dataset, **given)  # the same content is the same file
    folder = str(tmp_path / "run")
    results = run_experiment(hparams, run_dir=folder, echo=False)
    assert results["run_dir"] == folder and os.path.exists(os.path.join(folder, "results.json"))
    with dfar_tf.load(results["run_dir"]) as run:
        assert set(run.store.user_ids) == {str(100 + k) for k in range(12)}
        stored = run.score(100, [10, 11])
    with dfar_tf.load(folder, **{key: frame(1, 1), "cache_dir": given["cache_dir"]}) as run:
        newer = run.score(100, [10, 11])
        assert list(run.vocabulary.histories.user_ids) == ["100"] and list(newer) != list(stored)


def test_an_empty_frame_is_refused(tmp_path):
    with pytest.raises(UserError, match="ratings: a DataFrame without rows"):
        merge_hparams("amazon", ratings=frame()[:0], cache_dir=str(tmp_path))
