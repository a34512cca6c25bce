"""Figures of whole-catalogue ranking, from the rows of ``ranks_test.csv`` alone.

A row is one test target: instance, user, item, label, rank, candidates, ties (see
``places.RankCounts.result``). Formulas and examples are in docs/metrics.md.
"""

import typing

import numpy as np

from recommenders_utils.errors import UserError

CUTOFFS = (1, 5, 10, 20, 50)
TIES = ("expected", "mean")
KINDS = ("hr", "ndcg", "mrr")
COLUMNS = ("instance", "user", "item", "label", "rank", "candidates", "ties")


def checked_cutoffs(
    cutoffs: typing.Any, candidates: typing.Optional[int] = None
) -> typing.Tuple[int, ...]:
    """Cut-offs as a tuple, ascending, each once.

    Args:
      cutoffs: numbers k, or one number.
      candidates: the most items that a target is ranked among, if known.

    Raises:
      UserError: none at all; one that is not a whole number from 1; one above ``candidates``.
    """
    given = [cutoffs] if np.ndim(cutoffs) == 0 else list(cutoffs)
    for k in given:
        whole = isinstance(k, (int, np.integer)) and not isinstance(k, bool)
        if not whole or k < 1:
            raise UserError(f"ranking_cutoffs: {k!r}, expected whole numbers from 1")
        if candidates is not None and k > candidates:
            raise UserError(
                f"ranking_cutoffs: {k} is more than the {candidates} items that a target is ranked "
                "among; lower it"
            )
    if not given:
        raise UserError("ranking_cutoffs: none is given, expected whole numbers from 1")
    return tuple(sorted({int(k) for k in given}))


def gains(
    kind: str, k: int, rank: np.ndarray, ties: typing.Optional[np.ndarray] = None
) -> np.ndarray:
    """One metric of each target: float64 [N].

    With g(r) = 1 for ``hr``, 1 / log2(r + 1) for ``ndcg`` and 1 / r for ``mrr``, and 0 past k, a
    target counts g(rank), its expected rank, as in the metrics of ten candidates. With ``ties`` it
    counts the mean of g over random orders of equal scores: each of t + 1 places is as likely,

        (g(rank - t/2) + ... + g(rank + t/2)) / (t + 1)

    Args:
      kind: one of ``KINDS``.
      k: the cut-off.
      rank: float [N].
      ties: int [N], or None.
    """
    rank = np.asarray(rank, np.float64)
    if ties is None:
        values = {"hr": np.ones(len(rank)), "ndcg": 1 / np.log2(rank + 1), "mrr": 1 / rank}[kind]
        return values * (rank <= k)
    ties, places = np.asarray(ties, np.int64), np.arange(1, k + 1)
    values = {"hr": np.ones(k), "ndcg": 1 / np.log2(places + 1), "mrr": 1 / places}[kind]
    sums = np.append(0, np.cumsum(values))
    best = np.rint(rank - ties / 2).astype(np.int64)
    total = sums[np.minimum(best + ties, k)] - sums[np.minimum(best - 1, k)]
    return total / (ties + 1)


def catalogue_figures(
    ranks: typing.Mapping[str, typing.Any],
    cutoffs: typing.Iterable[int] = CUTOFFS,
    ties: str = "expected",
) -> typing.Dict[str, float]:
    """HR, NDCG and MRR of liked and disliked targets, and their differences.

    Args:
      ranks: DataFrame or mapping with ``label``, ``rank``, ``candidates`` and, for ties="mean",
        ``ties``, each [N].
      cutoffs: the ks.
      ties: ``expected``, a metric of the expected rank, or ``mean``, the metric's mean over random
        orders of equal scores (see ``gains``).

    Returns:
      ``{name: value}``: full_hr@k, full_ndcg@k and full_mrr@k over liked targets, the same with the
      suffix ``_n`` over disliked ones and ``_all`` over both, full_hr@k_p-n and full_ndcg@k_p-n, liked
      minus disliked (Ivanova et al., arXiv 2508.14786), for each k; NaN without such targets. Then
      full_targets, full_targets_n and full_candidates, the mean number of candidates.

    Raises:
      UserError: no targets; a cut-off below 1 or above the number of candidates; values that are no
        ranks.
    """
    if ties not in TIES:
        raise UserError(f"ties must be expected or mean, got '{ties}'")
    columns = checked_ranks(ranks)
    sizes = columns["ties"] if ties == "mean" else None
    if ties == "mean" and sizes is None:
        raise UserError("ranks: ties=mean needs the column 'ties'")
    cutoffs = checked_cutoffs(cutoffs, int(columns["candidates"].max()))
    liked = columns["label"] == 1
    figures = {}
    for k in cutoffs:
        for kind in KINDS:
            values = gains(kind, k, columns["rank"], sizes)
            figures[f"full_{kind}@{k}"] = _mean(values[liked])
            figures[f"full_{kind}@{k}_n"] = _mean(values[~liked])
            figures[f"full_{kind}@{k}_all"] = _mean(values)
        for kind in ("hr", "ndcg"):
            name = f"full_{kind}@{k}"
            figures[f"{name}_p-n"] = figures[name] - figures[f"{name}_n"]
    figures["full_targets"] = int(liked.sum())
    figures["full_targets_n"] = int((~liked).sum())
    figures["full_candidates"] = float(columns["candidates"].mean())
    return figures


def figure_title(name: str) -> str:
    """What a table calls a figure: ``full_hr@10_p-n`` is "HR_p - HR_n @10"."""
    kind, _, rest = name.replace("full_", "", 1).partition("@")
    kind, (k, _, suffix) = kind.upper(), rest.partition("_")
    if suffix == "p-n":
        return f"{kind}_p - {kind}_n @{k}"
    return f"{kind}_{suffix}@{k}" if suffix else f"{kind}@{k}"


def checked_ranks(
    ranks: typing.Mapping[str, typing.Any],
    locate: typing.Callable[[int], str] = "ranks, row {}".format,
) -> typing.Dict[str, typing.Any]:
    """label, rank, candidates and ties as arrays [N]; ties None where the column is not there.

    Args:
      ranks: DataFrame or mapping with these columns.
      locate: row number to text, for messages.

    Raises:
      UserError: a column missing, no rows, a label other than 0 and 1, or a rank that cannot be.
    """
    missing = [name for name in ("label", "rank", "candidates") if name not in ranks]
    if missing:
        raise UserError(f"ranks: column '{missing[0]}' is missing")
    label, rank, candidates = (
        np.asarray(ranks[name], np.float64) for name in ("label", "rank", "candidates")
    )
    # Without their column, as few ties as the rank tells of: a half is at least one tie.
    known = "ties" in ranks
    ties = np.asarray(ranks["ties"], np.float64) if known else np.ceil(rank % 1)
    if not len(rank):
        raise UserError("ranks: there are no test targets; choose a split that has some")
    with np.errstate(invalid="ignore"):  # NaN fails the checks
        best = rank - ties / 2
        whole = [values == np.rint(values) for values in (candidates, ties, best)]
        checks = (
            (np.isin(label, (0, 1)), "label must be 0 or 1"),
            ((candidates >= 1) & whole[0], "candidates must be whole, from 1"),
            ((ties >= 0) & whole[1], "ties must be whole, from 0"),
            ((best >= 1) & whole[2], "rank - ties / 2 must be whole, from 1"),
            (best + ties <= candidates, "rank + ties / 2 must be at most the number of candidates"),
        )
    for holds, message in checks:
        if not holds.all():
            row = int(np.argmin(holds))
            raise UserError(
                f"{locate(row)}: {message}; it has label {label[row]:g}, rank {rank[row]:g}, "
                f"candidates {candidates[row]:g}, ties {ties[row]:g}"
            )
    return {
        "label": label.astype(np.int8),
        "rank": rank,
        "candidates": candidates.astype(np.int64),
        "ties": ties.astype(np.int64) if known else None,
    }


def _mean(values):
    return float(values.mean()) if len(values) else float("nan")
