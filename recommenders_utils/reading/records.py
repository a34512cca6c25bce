"""What every reader of logs gives to the preparation."""

import typing

import numpy as np


class Records(typing.NamedTuple):
    """What a log holds: n records in file order.

    Attributes:
      users, items: int64 [n], codes into the ids, which are in order of first appearance.
      labels: int8 [n], 1 positive, 0 negative.
      times: [n] unix seconds, int64, or float64 where the log is finer.
      user_ids, item_ids: unicode arrays.
      extras: name -> float32 [n], such as ``finish`` and ``dwell``.
    """

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    times: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    extras: typing.Dict[str, np.ndarray]
