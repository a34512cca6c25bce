"""load-released ranks imported test targets in the whole catalogue."""

import numpy as np
import pandas as pd
import pytest
from released_case import released_hparams
from released_checkpoint_case import LENGTH, SIZES, WIDTH, released_variables, write
from released_data_case import prepared, quiet
from small import call

from dfar_tf.diff import checkpoint as released
from dfar_tf.estimator.scoring import score_batches
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.evaluation.catalogue import catalogue_figures
from recommenders_utils.evaluation.targets import all_test_targets
from recommenders_utils.io import make_iterator
from recommenders_utils.released.export import export_released

TABLE = "sequential/embedding/item_embedding"


@pytest.fixture
def imported(tmp_path):
    """(folder of imported files, checkpoint of their vocabulary's size, that size)."""
    export_released(prepared(tmp_path), str(tmp_path / "files"), quiet)
    folder = tmp_path / "imported"
    assert call("import-released", f"--released={tmp_path}/files", f"--output={folder}").status == 0
    store = SequenceStore.load(str(folder))
    size = make_iterator(store, released_hparams(**SIZES, iterator="released")).num_items
    return folder, write(tmp_path, with_items(size)), size


def with_items(size):
    table = np.random.RandomState(3).normal(0, 0.3, [size + 1, WIDTH]).astype(np.float32)
    return {**released_variables(), TABLE: table}


def test_ranks_are_those_of_the_checkpoints_scores(imported, tmp_path):
    folder, checkpoint, size = imported
    output = tmp_path / "ranked"
    flags = [f"--prepared={folder}", "--ranking=full", "--ranking_cutoffs=1,3"]
    flags += ["--show_progress=false", f"--output={output}"]
    done = call("load-released", checkpoint, *flags)
    assert done.status == 0, done.err
    ranks = pd.read_csv(str(output / "ranks_test.csv"))
    store = SequenceStore.load(str(folder))
    targets = all_test_targets(store)
    hparams = released_hparams(**SIZES, iterator="released")
    iterator = make_iterator(store, hparams)
    values = released.translate(released.read_variables(checkpoint), hparams, size, checkpoint)
    items, labels, mask = iterator.histories(targets.users, targets.ends)
    batch = {"history_items": items, "history_labels": labels, "history_mask": mask}
    batch["candidates"] = np.tile(iterator.ids[1:], (len(items), 1))
    (scores,) = score_batches([batch], values, hparams, size)
    assert items.shape[1] == LENGTH and len(ranks) == len(targets.ends) > 3
    for row, (user, end) in enumerate(zip(targets.users, targets.ends)):
        own = store.items[end] - 1
        seen = store.items[store.user_offsets[user] : end] - 1
        others = np.delete(np.arange(store.num_items), np.union1d(seen, own))
        gap = scores[row, others] - scores[row, own]
        assert ranks["candidates"][row] == len(others) + 1
        assert 1 + (gap > 1e-6).sum() <= ranks["rank"][row] <= 1 + (gap > -1e-6).sum()
    figures = catalogue_figures(ranks, [1, 3])
    assert "dfar_released on released files, test, whole catalogue" in done.out
    row = [cells for cells in map(str.split, done.out.splitlines()) if cells[:1] == ["3"]]
    assert row[0][1:3] == [f"{figures['full_hr@3']:.4f}", f"{figures['full_ndcg@3']:.4f}"]


def test_what_cannot_be_ranked_is_refused_and_nothing_written(imported, tmp_path):
    folder, checkpoint, size = imported
    output = tmp_path / "ranked"
    whole = [f"--prepared={folder}", "--ranking=full", f"--output={output}"]
    (tmp_path / "less").mkdir()
    smaller = write(tmp_path / "less", with_items(size - 1))
    for words, message in (
        ([checkpoint, *whole[1:]], "--ranking=full needs --prepared"),
        ([checkpoint, *whole[:2]], "--ranking=full needs --prepared"),
        ([checkpoint, *whole, "--ranking_cutoffs=999"], "ranking_cutoffs: 999 is more than the"),
        ([smaller, *whole], f"its item table has {size - 1} rows and the padding's"),
    ):
        done = call("load-released", *words)
        assert done.status == 2 and message in done.err and len(done.err.splitlines()) == 1
        assert not output.exists()
