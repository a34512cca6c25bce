"""Ratings as records: a rating above the threshold is positive, any other negative."""

import numpy as np

from recommenders_utils.errors import UserError
from recommenders_utils.reading.ratings import read_ratings
from recommenders_utils.reading.records import Records


class RatingsReader:
    """Reads a ratings file for ``prepare``.

    Args:
      path: the file (see ``read_ratings``).
    """

    WHAT = "ratings"

    def __init__(self, path):
        self.path = path

    def identity(self):
        """None: the file's content and the protocol say all there is."""

    def read(self, data):
        """Reads and labels the ratings.

        Args:
          data: has ``rating_min``, ``rating_max``, ``rating_threshold`` and ``max_malformed``.

        Returns:
          (Records, report as ``read_ratings`` gives it).

        Raises:
          UserError: a threshold that gives all ratings the same label; see ``read_ratings``.
        """
        check_threshold(data)
        frame, report = read_ratings(
            self.path, data.rating_min, data.rating_max, data.max_malformed
        )
        (users, user_ids), (items, item_ids) = map(_codes, (frame["user_id"], frame["item_id"]))
        labels = (frame["rating"].to_numpy() > data.rating_threshold).astype(np.int8)
        times = frame["timestamp"].to_numpy()
        return Records(users, items, labels, times, user_ids, item_ids, {}), report


def check_threshold(data):
    """Raises UserError if a threshold gives all ratings of the scale the same label."""
    if not data.rating_min <= data.rating_threshold < data.rating_max:
        raise UserError(
            f"rating_threshold: {data.rating_threshold:g} gives all ratings from rating_min="
            f"{data.rating_min:g} to rating_max={data.rating_max:g} the same label; expected a "
            "value between them"
        )


def _codes(column):
    """(int64 codes, unicode ids) of a Categorical column."""
    return column.cat.codes.to_numpy(np.int64), np.array(column.cat.categories, dtype=str)
