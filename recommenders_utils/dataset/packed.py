"""A ``SequenceStore`` as one small file: its arrays, as differences where these are smaller, compressed."""

import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np

from recommenders_utils.dataset.store import FORMAT_VERSION, SPLITS, DamagedStore, SequenceStore
from recommenders_utils.files import atomic_write

# Arrays whose neighbours are close: rows of users, flat indices and times of one user's records.
_RISING = (
    "user_offsets",
    "times",
    *(f"{split}_{name}" for split in SPLITS for name in ("users", "ends")),
)
_META = "meta"


def pack(store: SequenceStore, path: str) -> None:
    """Writes all of a store to one file, whole or not at all; the same store gives the same bytes.

    Raises:
      OSError: from writing.
    """
    meta = {**store.meta, "format_version": FORMAT_VERSION}
    packed = {_META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    for name, (array, dtype) in store.named_arrays().items():
        array, name = np.asarray(array, dtype=dtype), name[: -len(".npy")]
        packed[name] = np.diff(array, prepend=array.dtype.type(0)) if name in _RISING else array
    # In memory first: where the disk is full, a half-written archive would complain once more when deleted.
    archive = io.BytesIO()
    np.savez_compressed(archive, **packed)
    with atomic_write(path, "wb") as stream:
        stream.write(archive.getbuffer())


def unpack(path: str) -> SequenceStore:
    """The store that ``pack`` wrote, in memory.

    Raises:
      DamagedStore: the file is missing, cut or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as packed:
            meta = json.loads(packed[_META].tobytes().decode())
            if meta["format_version"] != FORMAT_VERSION:
                raise ValueError(f"it has format version {meta['format_version']}")
            arrays = {f"{name}.npy": _whole(name, packed[name]) for name in packed.files}
        del arrays[f"{_META}.npy"]
        store = SequenceStore.from_arrays(arrays, meta)
        store.check()
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, MemoryError) as error:
        raise _damaged(path, error) from error
    return store


def _damaged(path, error):
    return DamagedStore(f"{path}: not usable data of a run: {str(error) or type(error).__name__}")


def _whole(name, array) -> Any:
    return np.cumsum(array, dtype=array.dtype) if name in _RISING else array
