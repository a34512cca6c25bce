"""A name and hyper-parameters in, a model out: ``get_model("dfar")`` reads ``dfar_tf/models/dfar.py``.

``released/`` holds what ``released_form: true`` puts in the place of four of them.
"""

import importlib
import inspect
import os
import pkgutil

from dfar_tf.models.base import SequentialModel
from recommenders_utils.errors import UserError, shortened, suggest


def model_names():
    """Names of all models: the modules of this folder except ``base``, sorted."""
    found = pkgutil.iter_modules([os.path.dirname(__file__)])
    return sorted(each.name for each in found if not each.ispkg and each.name != "base")


def get_model(name):
    """The model class of a name.

    Raises:
      UserError: no such model; the message names the nearest.
    """
    names = model_names()
    if name not in names:
        raise UserError(
            f"model_type: unknown model {shortened(str(name))!r}; {suggest(str(name), names)} "
            "The command `models` lists them."
        )
    return _model_of("dfar_tf.models." + name)


def model_class(hparams):
    """The class that hyper-parameters ask for: that of ``model_type``, or its released form.

    Raises:
      UserError: no such model; the message names the nearest.
    """
    model = get_model(hparams.model_type)
    if hparams.values().get("released_form"):
        return _model_of("dfar_tf.models.released." + hparams.model_type)
    return model


def make_model(hparams, num_items, num_users=0):
    """The model of ``hparams.model_type``, its hyper-parameters checked first."""
    model = model_class(hparams)
    model.check(hparams)
    return model(hparams, num_items, num_users)


def _model_of(module_name):
    module = importlib.import_module(module_name)
    for _, value in inspect.getmembers(module, inspect.isclass):
        if issubclass(value, SequentialModel) and value.__module__ == module.__name__:
            return value
    raise UserError(
        f"{module_name.replace('.', '/')}.py has no class derived from SequentialModel."
    )
