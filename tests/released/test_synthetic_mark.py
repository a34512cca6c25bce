"""Generated data stay marked on their way through the released files, and real ones unmarked."""

import os

import pytest
from small import call

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.synthetic.ratings import generate_ratings

SHAPE = {"users": 60, "items": 30, "records": 700, "positive_share": 0.7, "topics": 6}


@pytest.mark.parametrize("name", ["SYNTHETIC_small.csv", "mine.csv"])
def test_from_the_log_to_a_table(tmp_path, name):
    generated = name.startswith("SYNTHETIC")
    generate_ratings(str(tmp_path / name), seed=1, signal=0.0, **SHAPE)
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace("SYN", "x"))  # so that only the mark can tell
    flags = ["--min_item_records=0", "--min_user_records=0", f"--cache_dir={tmp_path}/cache"]
    ways = [f"--ratings={tmp_path / name}"]
    for turn in ("once", "twice"):
        files, prepared = tmp_path / f"files {turn}", tmp_path / f"prepared {turn}"
        assert call("export-released", *ways, *flags, f"--output={files}").status == 0
        assert (files / "SYNTHETIC").exists() is generated
        outcome = call("import-released", f"--released={files}", f"--output={prepared}")
        assert outcome.status == 0 and ("SYNTHETIC" in outcome.out) is generated
        assert SequenceStore.load(str(prepared)).meta["synthetic"] is generated
        ways = [f"--prepared={prepared}"]
    run = ["--model=mostpop", "--untrained=", f"--run_dir={tmp_path}/run", "--paper_column=none"]
    outcome = call("amazon", *ways, *run)
    assert outcome.status == 0, outcome.err
    assert ("SYNTHETIC data" in outcome.out) is generated
    with open(os.path.join(str(tmp_path), "run", "results.csv")) as stream:
        assert ("SYNTHETIC" in stream.read()) is generated
