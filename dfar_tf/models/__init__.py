"""The models, one a file, found by name: ``get_model("dfar")`` reads ``dfar_tf/models/dfar.py``."""

import importlib
import inspect
import os
import pkgutil

from dfar_tf.models.base import SequentialModel
from recommenders_utils.errors import UserError, shortened, suggest


def model_names():
    """Names of all models: the modules of this folder but ``base``, sorted."""
    found = (module.name for module in pkgutil.iter_modules([os.path.dirname(__file__)]))
    return sorted(name for name in found if name != "base")


def get_model(name):
    """The model class of a name.

    Raises:
      UserError: no such model; names the nearest.
    """
    names = model_names()
    if name not in names:
        raise UserError(
            f"model_type: unknown model {shortened(str(name))!r}; {suggest(str(name), names)} "
            "The command `models` lists them."
        )
    module = importlib.import_module("dfar_tf.models." + name)
    for _, value in inspect.getmembers(module, inspect.isclass):
        if issubclass(value, SequentialModel) and value.__module__ == module.__name__:
            return value
    raise UserError(f"dfar_tf/models/{name}.py has no class derived from SequentialModel.")


def make_model(hparams, num_items, num_users=0):
    """The model of ``hparams.model_type``, its hyper-parameters checked first."""
    model = get_model(hparams.model_type)
    model.check(hparams)
    return model(hparams, num_items, num_users)
