"""Every test target of a run ranked in the whole catalogue: two files, and the figures from them."""

from dfar_tf.runs.tables import heading
from recommenders_utils.dataset.training import training_counts
from recommenders_utils.evaluation.catalogue import catalogue_figures, checked_cutoffs
from recommenders_utils.evaluation.lists import list_figures
from recommenders_utils.evaluation.rank_files import (
    read_lists,
    read_ranks,
    write_lists,
    write_ranks,
)
from recommenders_utils.evaluation.targets import all_test_targets, most_candidates, rank_targets
from recommenders_utils.tables import format_table

RANKS_FILE, LISTS_FILE = "ranks_test.csv", "lists_test.csv"
LISTED = 10  # places of the lists in ``lists_test.csv``


def check_ranking(hparams, store):
    """Raises UserError if ``ranking: full`` cannot be done, before anything is trained for it."""
    if hparams.ranking != "full":
        return
    checked_cutoffs(hparams.ranking_cutoffs)
    checked_cutoffs(hparams.ranking_cutoffs, most_candidates(store, all_test_targets(store)))


def rank_run(folder, store, checkpoint):
    """Ranks the test targets with a checkpoint; arguments and result as of ``rank_with``."""
    from dfar_tf.estimator.ranking import catalogue_scores
    from dfar_tf.estimator.scorer import Scorer
    from recommenders_utils.io import make_iterator

    hparams = folder.hparams
    iterator = make_iterator(store, hparams)
    scorer = Scorer(hparams, iterator.num_items, store.num_users, checkpoint)
    try:
        return rank_with(catalogue_scores(scorer, iterator), folder, store)
    finally:
        scorer.close()


def rank_with(score, folder, store):
    """Ranks the test targets, writes ``ranks_test.csv`` and ``lists_test.csv``.

    Args:
      score: (users [H], ends [H]) -> float [H, I], as ``rank_targets`` takes it.
      folder: the run's ``RunFolder``.
      store: its ``SequenceStore``.

    Returns:
      ``{name: figure}``, see ``ranking_figures``.

    Raises:
      UserError: see ``check_ranking``.
    """
    import pandas as pd

    check_ranking(folder.hparams, store)
    targets = all_test_targets(store)
    found = rank_targets(score, store, targets, LISTED, folder.hparams.show_progress)
    users = store.user_ids[targets.users]
    ranks = {
        "instance": range(len(users)),
        "user": users,
        "item": store.item_ids[store.items[targets.ends] - 1],
        "label": targets.labels,
        "rank": found.rank,
        "candidates": found.candidates,
        "ties": found.ties,
    }
    write_ranks(folder.file(RANKS_FILE), pd.DataFrame(ranks))
    write_lists(
        folder.file(LISTS_FILE), range(len(users)), users, found.items, store.item_ids, found.scores
    )
    return ranking_figures(folder, store)


def ranking_figures(folder, store):
    """The figures of a run's two files: those of ``catalogue_figures``, then of ``list_figures``."""
    figures = catalogue_figures(read_ranks(folder.file(RANKS_FILE)), folder.hparams.ranking_cutoffs)
    lists = read_lists(folder.file(LISTS_FILE), store.item_ids, LISTED)
    return {**figures, **list_figures(lists, training_counts(store))}


def ranking_table(figures, model, dataset, synthetic=False):
    """The figures as text: a row for each cut-off, then what the lists are like."""
    cutoffs = [name[len("full_hr@") :] for name in figures if name.startswith("full_hr@")]
    cutoffs = [k for k in cutoffs if k.isdigit()]
    keys = [(kind, end) for end in ("", "_n") for kind in ("hr", "ndcg", "mrr")]
    keys += [("hr", "_p-n"), ("ndcg", "_p-n")]
    headers = ["k", "HR", "NDCG", "MRR", "HR_n", "NDCG_n", "MRR_n", "HR_p - HR_n"]
    headers.append("NDCG_p - NDCG_n")
    rows = [[k, *(figures[f"full_{kind}@{k}{end}"] for kind, end in keys)] for k in cutoffs]
    liked, disliked = figures["full_targets"], figures["full_targets_n"]
    title = (
        heading(model, dataset, "test, whole catalogue", synthetic)
        + f"\n{liked:,} liked and {disliked:,} disliked (_n) targets, each among "
        f"{figures['full_candidates']:,.0f} items on average:\n"
        "all but the others of its history"
    )
    k = LISTED
    about = (
        f"best {k}: coverage@{k} {figures[f'coverage@{k}']:.4f}, mean popularity percentile "
        f"{figures[f'popularity@{k}']:.4f}, Gini {figures[f'gini@{k}']:.4f}"
    )
    both = ", ".join(
        f"{kind.upper()}@{k} {figures[name]:.4f}"
        for kind, name in (("hr", f"full_hr@{k}_all"), ("ndcg", f"full_ndcg@{k}_all"))
        if name in figures  # not if k is no cut-off, nor in results of before
    )
    if disliked and both:
        about = f"all {liked + disliked:,} targets, as published tables count: {both}\n\n{about}"
    return format_table(headers, rows, title, "r" * len(headers)) + "\n\n" + about
