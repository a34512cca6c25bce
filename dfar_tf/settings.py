"""A run's settings: base, data set, protocol and model by name, merged in that order."""

import os

from dfar_tf.paths import HPARAMS
from recommenders_utils.hparams import prepare_hparams


def merge_hparams(dataset=None, **overrides):
    """The hyper-parameters of a data set, a protocol and a model (both by name), with overrides."""
    files = [hparams_file("base")] + ([hparams_file(dataset)] if dataset else [])
    # The protocol's and the model's names come from the flags or the files read so far.
    named = {key: overrides[key] for key in ("protocol", "model_type") if key in overrides}
    chosen = prepare_hparams(*files, **named)
    files += [
        hparams_file("protocol_" + chosen.protocol),
        hparams_file("model_" + chosen.model_type),
    ]
    return prepare_hparams(*files, **overrides)


def hparams_file(name):
    """Path of ``hparams/<name>.yaml``; ``model_*`` names an unknown model itself."""
    path = os.path.join(HPARAMS, name + ".yaml")
    if name.startswith("model_") and not os.path.exists(path):
        from dfar_tf.models import get_model

        get_model(name[len("model_") :])
    return path
