"""A model that has learned nothing is called so, and only such a model."""

import pytest

from dfar_tf.runs.chance import at_chance, chance_lines


@pytest.mark.parametrize(
    ("auc", "gauc", "instances", "expected"),
    [
        (0.497, 0.503, 3000, True),
        (0.5, 0.53, 3000, False),
        (0.53, 0.5, 3000, False),
        (0.52, 0.52, 100, True),  # within the noise of so few
        (0.52, 0.52, 100000, False),
        (0.5, None, 3000, False),
    ],
)
def test_within_noise_of_one_half(auc, gauc, instances, expected):
    found = {"auc": auc, "gauc": gauc, "instances": instances, "rows": 10 * instances}
    assert at_chance(found) is expected


def test_models_at_chance_are_named_once_and_those_that_learn_are_not():
    row = {"gauc": 0.5, "instances": 3000, "rows": 30000}
    tested = [("DIN", {**row, "auc": 0.49}), ("DIN", {**row, "auc": 0.5})]
    tested += [("DFAR", {**row, "auc": 0.5}), ("DFAR", {**row, "auc": 0.56})]
    (line,) = chance_lines(tested)
    assert line.startswith("AT CHANCE: DIN AUC 0.495: no better than a random order")
    assert chance_lines(tested[2:]) == [] and chance_lines([]) == []
