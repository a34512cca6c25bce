"""A DataFrame where a log's file is expected: written once as CSV, under a name made from its content."""

import hashlib
import os

from dfar_tf.paths import in_checkout
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write

KEYS = ("ratings", "interactions")  # hyper-parameters that name a log
FOLDER = ".frames"  # in cache_dir; hidden, since what is seen there are prepared data


def with_files(values, cache_dir):
    """``values`` with a file in the place of each DataFrame that a key of ``KEYS`` has.

    A list of files in ``interactions`` becomes one text, with commas between.

    Args:
      values: hyper-parameters by key.
      cache_dir: folder of prepared data, below which the files are written.

    Raises:
      UserError: an empty DataFrame; the folder cannot be written.
    """
    found = {key: values[key] for key in KEYS if hasattr(values.get(key), "to_csv")}
    files = {key: _file(frame, key, cache_dir) for key, frame in found.items()}
    several = values.get("interactions")
    if isinstance(several, (list, tuple)) and several:
        files["interactions"] = ",".join(map(str, several))
    return {**values, **files}


def _file(frame, key, cache_dir):
    if not len(frame):
        raise UserError(f"{key}: a DataFrame without rows. Give one with users, items and times.")
    text = _plain(frame).to_csv(index=False)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:10]
    path = os.path.join(in_checkout(cache_dir), FOLDER, f"frame-{digest}.csv")
    if not os.path.exists(path):
        try:
            with atomic_write(path, newline="") as stream:
                stream.write(text)
        except OSError as error:
            raise UserError(
                f"{path}: the DataFrame cannot be written: {error.strerror or error}. Free space "
                "there or set cache_dir to another folder."
            ) from error
    return path


def _plain(frame):
    """The frame as a log has it.

    Moments become unix seconds (UTC where they have no zone), truth values 0 and 1, and whole numbers lose
    their decimal point.
    """
    import pandas as pd  # which takes as long to import as the command line may take to start

    frame = frame.copy()
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind == "M":
            zone = getattr(column.dt, "tz", None)
            moments = column.dt.tz_convert("UTC").dt.tz_localize(None) if zone else column
            column = frame[name] = (moments - pd.Timestamp(0)) // pd.Timedelta(seconds=1)
        if column.dtype == bool:
            frame[name] = column.astype(int)
        elif column.dtype.kind == "f":
            values = column.dropna()
            if len(values) and (values.abs() < 2**53).all() and (values % 1 == 0).all():
                frame[name] = column.astype("Int64")
    return frame
