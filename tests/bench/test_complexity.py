"""The measured complexity: counts by hand, and the command."""

import csv

import numpy as np
import pytest
from small import call

from dfar_tf.bench import complexity
from dfar_tf.bench.complexity import KINDS, make_layer, multiply_adds
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_has_the_same_number_of_maps(kind):
    with tf.Graph().as_default():
        layer = make_layer(kind, 4, 12)
        extra = [tf.ones([2, 5])] if kind == "FFHA" else []
        _, weights = layer(tf.ones([2, 5, 12]), *extra, return_attention_scores=True)
        assert np.prod(weights.shape.as_list()[1:-2]) == 4
        assert layer.num_heads == (4 if kind in ("MHA", "THA") else 2)


def test_multiply_adds_by_hand():
    """T 3, D 8, four maps. MHA: heads 4, key 2; FHA: heads 2, key 4."""
    projections, maps, output = 3 * 3 * 8 * 8, 2 * 4 * 9 * 2, 3 * 4 * 2 * 8
    assert multiply_adds("MHA", 3, 4, 8) == projections + maps + output
    assert multiply_adds("THA", 3, 4, 8) == projections + maps + output + 2 * 9 * 16
    assert multiply_adds("FHA", 3, 4, 8) == projections + 2 * 4 * 9 * 4 + 3 * 4 * 4 * 8
    assert multiply_adds("FFHA", 3, 4, 8) == multiply_adds("FHA", 3, 4, 8)


def test_a_number_of_relations_that_is_no_square_is_refused():
    with pytest.raises(UserError, match="8 is not a square"):
        make_layer("FHA", 8, 16)


@pytest.mark.slow
def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(complexity, "AXES", {"T": (3, 5), "relations": (4,), "D": (8,)})
    monkeypatch.setattr(complexity, "BATCH", 2)
    outcome = call("complexity", "--repeats=2", f"--output={tmp_path}", "--device=cpu")
    assert outcome.status == 0, outcome.err
    text = (tmp_path / "complexity.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in text if not line.startswith("#")))
    assert [row["layer"] for row in rows] == list(KINDS) * 4
    for row in rows:
        assert float(row["forward + backward ms"]) > 0
        assert (float(row["ratio to MHA"]) == 1) == (row["layer"] == "MHA")
    at = {r["layer"]: int(r["parameters"]) for r in rows[-4:]}
    # D 8 at the base's 4 relations: MHA 4 D D; THA two 4 x 4 mixes more; FHA's output has 16 rows, not 8.
    assert at == {"MHA": 256, "THA": 288, "FHA": 320, "FFHA": 320}
    assert (tmp_path / "complexity.svg").exists() and (tmp_path / "complexity.png").exists()
