"""Untrained models by name: fit, save and load."""

import json
import typing
import zipfile
from typing import Any

import numpy as np

from recommenders_utils.errors import UserError, suggest
from recommenders_utils.files import atomic_write
from recommenders_utils.untrained import NAMES
from recommenders_utils.untrained.base import Untrained
from recommenders_utils.untrained.chance import Random
from recommenders_utils.untrained.itemknn import ItemKNN
from recommenders_utils.untrained.static import LeastPopular, MostPopular, Newest
from recommenders_utils.untrained.transitions import Transitions

_MODELS = {
    model.name: model for model in (MostPopular, LeastPopular, Newest, ItemKNN, Transitions, Random)
}
_FORMAT = 1


def settings_of(name: str) -> typing.Dict[str, typing.Any]:
    """The settings of a model with their defaults.

    Raises:
      UserError: an unknown name.
    """
    return dict(model_of(name).DEFAULTS)


def fit(name: str, store: Any, **settings: Any) -> Untrained:
    """Fits a model on the training records of a ``SequenceStore``.

    Args:
      name: one of ``NAMES``.
      store: the sequences and their training split.
      **settings: see the model's class; what is not given has its default.

    Raises:
      UserError: an unknown name or setting, or a value out of range.
    """
    return model_of(name).fit(store, **settings)


def save(model: Untrained, path: str) -> None:
    """Writes a model to one ``.npz`` file, whole or not at all."""
    about = {
        "format": _FORMAT,
        "name": model.name,
        "num_items": int(model.num_items),
        "settings": model.settings,
    }
    with atomic_write(path, "wb") as stream:
        np.savez(stream, about=np.array(json.dumps(about)), **model.arrays)


def load(path: str) -> Untrained:
    """Reads what ``save`` wrote; the caller keeps its checksum.

    Raises:
      UserError: no such file, or not a saved model.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(str(arrays.pop("about")))
        if about["format"] != _FORMAT:
            raise UserError(
                f"{path}: format {about['format']}, this code reads {_FORMAT}; fit the model again"
            )
        return model_of(about["name"])(about["num_items"], about["settings"], arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error) or type(error).__name__
        raise UserError(
            f"{path}: not a saved untrained model: {reason}; fit the model again"
        ) from error


def model_of(name: str) -> typing.Type[Untrained]:
    """The class of a model.

    Raises:
      UserError: an unknown name.
    """
    if name not in _MODELS:
        raise UserError(f"unknown untrained model '{name}'; {suggest(name, NAMES)}")
    return _MODELS[name]
