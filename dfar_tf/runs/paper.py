"""The paper's published figures (Tables 1 to 3), kept as data in paper_tables.yaml."""

import copy
import functools
import os

import yaml

from recommenders_utils.errors import UserError

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
