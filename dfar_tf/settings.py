"""A run's settings: base, data set, protocol, model, both and objective by name, merged in that order."""

import os

from dfar_tf.frames import with_files
from dfar_tf.models import is_untrained
from dfar_tf.paths import HPARAMS
from recommenders_utils.errors import UserError
from recommenders_utils.hparams import prepare_hparams

DEFAULT_CACHE = "data/prepared"  # base.yaml's cache_dir
# Section 4.1.3 of the paper, where our defaults differ; what it leaves open is base.yaml's.
PAPER_SETTINGS = {"learning_rate": "0.0001"}


def merge_hparams(dataset=None, **overrides):
    """The hyper-parameters of a data set, a protocol, a model and an objective by name, with overrides.

    ``ratings`` and ``interactions`` may be a DataFrame (see ``dfar_tf.frames``).
    """
    overrides = with_files(overrides, overrides.get("cache_dir") or DEFAULT_CACHE)
    files = [hparams_file("base")] + ([hparams_file(dataset)] if dataset else [])
    # The names come from the flags or the files read so far.
    names = ("protocol", "model_type", "objective")
    named = {key: overrides[key] for key in names if key in overrides}
    chosen = prepare_hparams(*files, **named)
    files += [
        hparams_file("protocol_" + chosen.protocol),
        hparams_file("model_" + chosen.model_type),
        *_of_both(dataset, chosen.model_type),
        *objective_files(chosen.objective, chosen.model_type),
    ]
    return prepare_hparams(*files, **overrides)


def _of_both(dataset, model_type):
    """The file of what a data set changes of a model, ``<dataset>_<model>.yaml``, if there is one."""
    path = hparams_file(f"{dataset}_{model_type}")
    return [path] if dataset and os.path.exists(path) else []


def objective_files(objective, model_type):
    """Files of an objective: its own and what a model changes of it; ``ranking``, the default, has none.

    Raises:
      UserError: an untrained model or the released one, which have no such objective.
    """
    if objective == "ranking":
        return []
    if is_untrained(model_type):
        raise UserError(
            f"objective: {model_type} is fitted by counting and has no training objective. Leave "
            "--objective out, or give a trained model."
        )
    if model_type == "dfar_released":
        raise UserError(
            "objective: dfar_released reproduces the release, which has an objective of its own. Leave "
            "--objective out, or give --model=dfar."
        )
    general = hparams_file("objective_" + objective)
    own = hparams_file(f"objective_{objective}_{model_type}")
    return [general, own] if os.path.exists(own) else [general]


def hparams_file(name):
    """Path of ``hparams/<name>.yaml``; ``model_*`` names an unknown model itself."""
    path = os.path.join(HPARAMS, name + ".yaml")
    if name.startswith("model_") and not os.path.exists(path):
        from dfar_tf.models import get_model

        get_model(name[len("model_") :])
    return path
