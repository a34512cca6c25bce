"""What killed processes have left half written in a run is deleted when the run is started again."""

import shutil

import pytest
from small import call, learnt_run, tree

from recommenders_utils import temporaries

FILES = (
    ".tmp-abcd1234-predictions_test.csv",
    "checkpoints/.tmp-ab_d1234-training_state.json",
    "checkpoints/model.ckpt-7.index.tempstate123",
    "best/model.ckpt-7.data-00000-of-00001.tempstate5",
    "best/.tmp-abcd1234-checkpoint",
    "checkpoints/validated/model.ckpt-7.index.tempstate9",
    "best/model.ckpt-7_temp_0123/part-00000-of-00001",
    ".tmp-abcd1234-best/model.ckpt-7.index",
)


@pytest.mark.skipif(temporaries.fcntl is None, reason="this system has no such locks")
def test_leftovers_go_at_the_next_start(tmp_path, tmp_path_factory):
    run = tmp_path / "a run"
    shutil.copytree(str(learnt_run(tmp_path_factory).folder), str(run))
    before = tree(run)
    for name in FILES:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("half")
    (run / ".tmp-mine").write_text("the user's own")
    words = [a for a in learnt_run(tmp_path_factory).arguments if not a.startswith("--run_dir")]
    assert call(*words, f"--run_dir={run}", "--resume").status == 0
    assert (run / ".tmp-mine").read_text() == "the user's own"
    (run / ".tmp-mine").unlink()
    after = {name for name in tree(run) if name != "checkpoints/validated"}
    assert after == set(before)
