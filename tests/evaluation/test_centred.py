"""AUC without the instances' offsets, by hand, against scikit-learn and under shifts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.centred import centred_auc


def frame(logits, labels, instances):
    score = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return pd.DataFrame({"instance": instances, "label": labels, "score": score})


def test_by_hand():
    # Instance 0 is 4 higher than instance 1: AUC sees its disliked item above the other's liked one.
    own = frame([5.0, 3.0, 1.0, -1.0], [1, 0, 1, 0], [0, 0, 1, 1])
    assert roc_auc_score(own["label"], own["score"]) == 0.75
    assert centred_auc(own) == 1.0
    # Without the means 1 and 0: 2, -2, 1, -1. Both liked items are below both disliked ones.
    assert centred_auc(frame([3.0, -1.0, 1.0, -1.0], [0, 1, 0, 1], [0, 0, 1, 1])) == 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 4))
def test_offsets_do_not_matter(seed, size):
    rng = np.random.default_rng(seed)
    instances = np.repeat(np.arange(7), 3)
    labels = np.tile([1, 0, 0], 7)
    logits = rng.normal(size=21)
    shifts = size * rng.normal(size=7)[instances]
    shifted = centred_auc(frame(logits + shifts, labels, instances))
    assert shifted == pytest.approx(centred_auc(frame(logits, labels, instances)))
    means = np.bincount(instances, logits)[instances] / 3
    assert shifted == pytest.approx(roc_auc_score(labels, logits - means))


def test_scores_at_the_ends_and_no_instance_twice():
    ends = pd.DataFrame(
        {"instance": [0, 0, 1, 1], "label": [1, 0, 1, 0], "score": [1, 0, 1.0, 0.5]}
    )
    assert centred_auc(ends) == 1.0
    # One candidate each: all logits are 0.
    assert centred_auc(frame([1.0, 2, 3], [1, 0, 0], [0, 1, 2])) == 0.5
    assert np.isnan(centred_auc(frame([1.0, 2], [1, 1], [0, 0])))


def test_a_label_that_is_none():
    with pytest.raises(UserError, match="label"):
        centred_auc(frame([1.0, 2], [1, 2], [0, 0]))
