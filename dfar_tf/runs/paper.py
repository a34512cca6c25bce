"""The paper's published figures (Tables 1 to 3), kept as data in paper_tables.yaml."""

import copy
import functools
import os

import yaml

from recommenders_utils.errors import UserError

COUNTS = ("users", "items", "positive_records", "negative_records")
_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "paper_tables.yaml")


def paper_datasets():
    """Names of the paper's data sets: ``amazon`` and ``micro_video``."""
    return sorted(_tables()["table1"])


def paper_table1(dataset):
    """Table 1's column: users, items, positive and negative records, records_per_user.

    Args:
      dataset: one of ``paper_datasets()``.

    Raises:
      UserError: another name.
    """
    return copy.deepcopy(_of("table1", dataset))


def paper_table2(dataset):
    """Table 2: ``{model: {metric: value}}`` with metrics auc, mrr@10, ndcg@10 and gauc.

    Args:
      dataset: one of ``paper_datasets()``.

    Raises:
      UserError: another name.
    """
    return _figures("table2", dataset)


def paper_table3(dataset):
    """Table 3, the ablations: ``{"w/o FHA": {metric: value}, ..., "DFAR": {...}}``.

    Args:
      dataset: one of ``paper_datasets()``.

    Raises:
      UserError: another name.
    """
    return _figures("table3", dataset)


def paper_row(model, dataset):
    """Table 2's figures of one model, its name in any case, or None if the paper has no such model.

    Args:
      model: such as ``dfar`` or ``gru4rec``.
      dataset: one of ``paper_datasets()``.

    Returns:
      ``{metric: value}`` or None.

    Raises:
      UserError: an unknown data set.
    """
    rows = {name.lower(): row for name, row in paper_table2(dataset).items()}
    return rows.get(model.lower())


def shown_column(column, given, meta):
    """The column of the paper to show beside a log's figures, or ``none``.

    It is shown where the log is the paper's, by its counts in Table 1, or where the user asks for it.

    Args:
      column: the data set's ``paper_column``.
      given: keys that the user gave.
      meta: ``SequenceStore.meta`` of the log.
    """
    if column == "none" or "paper_column" in given:
        return column
    is_papers = not meta["synthetic"] and same_counts(meta["statistics"], column)
    return column if is_papers else "none"


def same_counts(statistics, column):
    """Whether a log has the users, items and records of a column of Table 1."""
    theirs = table1_columns(column)
    return all(statistics[key] == theirs[key] for key in theirs if key in COUNTS)


def table1_columns(column):
    """Table 1 under the names of a store's ``statistics``; None for ``none``."""
    if column == "none":
        return None
    names = {"positive_records": "positive", "negative_records": "negative"}
    names["avg_records_per_user"] = "records_per_user"
    paper = paper_table1(column)
    return {key: paper[names.get(key, key)] for key in ("users", "items", *names)}


@functools.lru_cache(maxsize=None)
def _tables():
    with open(_FILE, encoding="utf-8") as stream:
        return yaml.safe_load(stream)


def _of(table, dataset):
    try:
        return _tables()[table][dataset]
    except KeyError:
        known = ", ".join(paper_datasets())
        raise UserError(f"the paper has no data set '{dataset}'; it has {known}") from None


def _figures(table, dataset):
    metrics = _tables()["metrics"]
    return {model: dict(zip(metrics, row)) for model, row in _of(table, dataset).items()}
