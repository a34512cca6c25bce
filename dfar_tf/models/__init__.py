"""A name and hyper-parameters in, a model out: ``get_model("dfar")`` reads ``dfar_tf/models/dfar.py``.

``released/`` holds what ``released_form: true`` puts in the place of four of them. The untrained models
have names too, but no module here and no graph: they are ``recommenders_utils.untrained``'s.
"""

import ast
import importlib
import inspect
import os
import pkgutil

from recommenders_utils.errors import UserError, shortened, suggest
from recommenders_utils.untrained import NAMES as UNTRAINED

BASES = ("base", "baseline")


def model_names():
    """Names of all trained models: the modules of this folder except the bases, sorted."""
    found = pkgutil.iter_modules([os.path.dirname(__file__)])
    return sorted(each.name for each in found if not each.ispkg and each.name not in BASES)


def untrained_names():
    """Names of the untrained models, which are fitted by counting."""
    return list(UNTRAINED)


def is_untrained(name):
    """Whether a model is fitted by counting and has no graph."""
    return name in UNTRAINED


def get_model(name):
    """The class of a model: a ``SequentialModel``, or an untrained ``Untrained``.

    Raises:
      UserError: no such model; the message names the nearest.
    """
    if is_untrained(name):
        from recommenders_utils.untrained.registry import model_of  # numpy and pandas

        return model_of(name)
    names = model_names()
    if name not in names:
        known = suggest(str(name), names + untrained_names())
        raise UserError(
            f"model_type: unknown model {shortened(str(name))!r}; {known} "
            "The command `models` lists them."
        )
    return _model_of("dfar_tf.models." + name)


def about_model(name):
    """``{"title", "paper", "feedback"}`` of a trained model, read from its file without TensorFlow."""
    path = os.path.join(os.path.dirname(__file__), name + ".py")
    with open(path, encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    about = dict.fromkeys(("title", "paper", "feedback"), "")
    for node in tree.body:  # of the model that it derives from, if it does
        base = getattr(node, "module", None) or ""
        if base.rpartition(".")[2] in model_names() and base.startswith("dfar_tf.models."):
            about.update(about_model(base.rpartition(".")[2]))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.Assign) and each.targets[0].id in about:
                    about[each.targets[0].id] = ast.literal_eval(each.value)
    return about


def model_class(hparams):
    """The class that hyper-parameters ask for: that of ``model_type``, or its released form.

    Raises:
      UserError: no such model, the message names the nearest; or one without a graph.
    """
    model = get_model(hparams.model_type)
    if is_untrained(hparams.model_type):
        raise UserError(
            f"model_type: {hparams.model_type} is untrained: it counts and has no TensorFlow graph, "
            f"which this needs. Give one of {', '.join(model_names())}."
        )
    if hparams.values().get("released_form"):
        return _model_of("dfar_tf.models.released." + hparams.model_type)
    return model


def make_model(hparams, num_items, num_users=0):
    """The model of ``hparams.model_type``, its hyper-parameters checked first."""
    return check_model(hparams)(hparams, num_items, num_users)


def check_model(hparams):
    """The class that hyper-parameters ask for, if it can be made and trained with them.

    Raises:
      UserError: as of ``model_class``, of the model's ``check`` and of ``check_training``.
    """
    from dfar_tf.training_keys import check_training

    model = model_class(hparams)
    check_training(model, hparams.values())
    model.check(hparams)
    return model


def _model_of(module_name):
    from dfar_tf.models.base import SequentialModel  # TensorFlow takes seconds to import

    module = importlib.import_module(module_name)
    for _, value in inspect.getmembers(module, inspect.isclass):
        if issubclass(value, SequentialModel) and value.__module__ == module.__name__:
            return value
    raise UserError(
        f"{module_name.replace('.', '/')}.py has no class derived from SequentialModel."
    )
