"""The figure of a run's slices, and what is refused."""

import json

import numpy as np
import pandas as pd
from small import call, learnt_run, other_run

from dfar_tf.experiments import slices


def test_slices_are_printed_written_and_drawn(tmp_path, tmp_path_factory, monkeypatch):
    drawn, original = [], slices.line_panels
    monkeypatch.setattr(
        slices, "line_panels", lambda *a, **k: (drawn.append(a), original(*a, **k))[1]
    )
    folders = [learnt_run(tmp_path_factory).folder, other_run(tmp_path_factory).folder]
    renamed = tmp_path / "another"
    renamed.symlink_to(folders[1])
    done = call("slices", f"--run_dir={folders[0]},{renamed}", f"--output={tmp_path}")
    assert done.status == 0, done.err
    assert "Slices of the test targets, SYNTHETIC_small - SYNTHETIC data" in done.out
    (base,) = [path for path in tmp_path.glob("slices-*.json") if not path.is_symlink()]
    assert base.with_suffix(".png").exists() and base.with_suffix(".svg").exists()
    stored = pd.read_csv(str(folders[0] / "slices.csv"))
    rows = [row[1:] for row in json.loads(base.read_text())["rows"] if row[0] == "a run"]
    assert len(rows) == len(stored)
    values = np.array([np.nan if row[-1] is None else row[-1] for row in rows])
    np.testing.assert_allclose(values, stored["value"])
    panels, ticks = drawn[0]
    assert list(panels) == list(ticks) and len(panels) == 3
    for label, series in panels.items():
        cut = label.split("\n")[1]
        own = stored[(stored["slice"] == cut) & (stored["metric"] == "ndcg@10")]
        assert set(series) == {"a run", "another"}
        found = [np.nan if mean is None else mean for mean, _ in series["a run"]]
        np.testing.assert_allclose(found, own["value"])
        assert ticks[label][0] == f"{own['group'].iloc[0]}\n{own['targets'].iloc[0]:,}"


def test_what_is_refused(tmp_path):
    done = call("slices", f"--run_dir={tmp_path}")
    assert done.status == 2 and "holds no finished run with slices.csv" in done.err
    assert call("slices").err.startswith("error: --run_dir is needed: folders of finished runs")
