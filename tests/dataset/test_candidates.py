"""Candidates: distinct, without the target, drawn as often as they should be."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.dataset.candidates import candidate_seed, draw_candidates
from recommenders_utils.errors import UserError


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1)), min_size=1, max_size=15),
    st.integers(0, 11),
    st.sampled_from(["popularity", "uniform"]),
    st.integers(0, 2**32 - 1),
)
def test_what_is_drawn(item_counts, pairs, negatives, sampling, seed):
    targets = np.array([1 + (t - 1) % len(item_counts) for t, _ in pairs])
    liked = np.array([label for _, label in pairs])
    arguments = (targets, liked, negatives, np.array(item_counts), sampling)
    if liked.any() and len(item_counts) < negatives + 1:
        with pytest.raises(UserError, match=f"catalogue of {len(item_counts)} items"):
            draw_candidates(*arguments, candidate_seed(seed, 1))
        return
    candidates, labels, counts = draw_candidates(*arguments, candidate_seed(seed, 1))
    again = draw_candidates(*arguments, candidate_seed(seed, 1))
    for ours, theirs in zip((candidates, labels, counts), again):
        np.testing.assert_array_equal(ours, theirs)
    assert candidates.shape == labels.shape == (len(pairs), 1 + negatives)
    assert (candidates.dtype, labels.dtype, counts.dtype) == (np.int32, np.int8, np.int32)
    for row, row_labels, count, target, label in zip(candidates, labels, counts, targets, liked):
        assert count == (1 + negatives if label else 1)
        assert row[0] == target and row_labels[0] == label
        assert not row[count:].any() and not row_labels[1:].any()
        real = row[:count]
        assert len(set(real)) == count and real.min() >= 1 and real.max() <= len(item_counts)


def successive(weights, k):
    """Probability of each ordered draw of k without replacement, by enumeration."""
    chances = {}
    for order in itertools.permutations(range(len(weights)), k):
        left, chance = sum(weights), 1.0
        for item in order:
            chance *= weights[item] / left
            left -= weights[item]
        chances[order] = chance
    return chances


@pytest.mark.parametrize("sampling", ["popularity", "uniform"])
@pytest.mark.parametrize("item_counts", [[4, 8, 1, 2, 5], [4, 400000, 1, 2, 5]])
def test_frequencies(sampling, item_counts):
    """Draws of 2 beside target 1 follow sequential sampling, in the fast and the exact way."""
    n = 20000
    candidates, _, _ = draw_candidates(
        np.ones(n), np.ones(n), 2, np.array(item_counts), sampling, candidate_seed(7, 2)
    )
    weights = [1.0] * 4 if sampling == "uniform" else item_counts[1:]
    seen = collections.Counter(map(tuple, candidates[:, 1:].tolist()))
    chances = successive(weights, 2)
    assert sum(seen.values()) == n
    for (a, b), chance in chances.items():
        deviation = 5 * np.sqrt(n * chance * (1 - chance)) + 3
        assert abs(seen[a + 2, b + 2] - n * chance) < deviation


def test_the_whole_catalogue_with_one_overwhelming_item_does_not_hang():
    counts = np.ones(101, np.int64)
    counts[0] = 10**12
    candidates, _, _ = draw_candidates(
        np.arange(2, 102), np.ones(100), 100, counts, "popularity", candidate_seed(1, 1)
    )
    assert all(sorted(row) == list(range(1, 102)) for row in candidates)


@pytest.mark.parametrize(
    "second_count, recorded",
    [
        (5, [[3, 7, 6, 1, 4], [1, 2, 3, 6, 5], [2, 1, 3, 7, 5]]),
        (10**9, [[3, 2, 1, 7, 5], [1, 2, 3, 5, 7]]),
    ],
)
def test_the_same_draw_under_every_numpy(second_count, recorded):
    """Recorded once: stored candidates must not depend on the installation."""
    targets = [row[0] for row in recorded]
    item_counts = np.array([9, second_count, 3, 2, 2, 1, 1])
    candidates, _, _ = draw_candidates(
        targets, np.ones(len(targets)), 4, item_counts, "popularity", candidate_seed(2023, 1)
    )
    assert candidates.tolist() == recorded


def test_splits_have_streams_of_their_own():
    assert candidate_seed(5, 1).randint(1 << 30) != candidate_seed(5, 2).randint(1 << 30)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(seed):
    with pytest.raises(UserError, match="candidate_seed"):
        candidate_seed(seed, 1)


def test_unknown_sampling():
    with pytest.raises(UserError, match="candidate_sampling: 'taste'"):
        draw_candidates(np.ones(1), np.ones(1), 1, np.ones(3), "taste", candidate_seed(1, 1))
