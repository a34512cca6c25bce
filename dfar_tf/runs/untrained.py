"""An untrained model as a run: fitted instead of trained, kept in the run's ``best`` folder, scored."""

import os
import time
import typing

from dfar_tf.runs.observed import observe_with
from dfar_tf.runs.ranking import rank_with
from recommenders_utils.checksums import DAMAGE
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json, sha256_of, write_json
from recommenders_utils.untrained import registry
from recommenders_utils.untrained.scoring import catalogue_scores, record_scores

FITTED, CHECKSUM = os.path.join("best", "model.npz"), os.path.join("best", "model.json")


class Fitted(typing.NamedTuple):
    """A fitted model where a run's steps expect a training (see ``estimator.training.Trained``).

    Attributes:
      checkpoint: the run's folder.
      epochs, best_epoch, parameters: none, since nothing is trained.
    """

    checkpoint: str
    epochs: typing.Tuple = ()
    best_epoch: int = 0
    parameters: int = 0


def settings_from(hparams):
    """The settings of ``hparams.model_type`` for ``registry.fit``."""
    values = hparams.values()
    return {key: values[key] for key in registry.settings_of(hparams.model_type)}


def check(hparams):
    """Raises UserError for settings that the model refuses."""
    registry.model_of(hparams.model_type).check(settings_from(hparams))


def fit_run(folder, store):
    """Fits a run's model and writes it with its checksum, unless it is there already.

    Args:
      folder: the run's ``RunFolder``.
      store: the ``SequenceStore`` to count.

    Returns:
      Fitted.
    """
    hparams, path = folder.hparams, folder.file(FITTED)
    if not os.path.exists(folder.file(CHECKSUM)):
        begun = time.perf_counter()
        model = registry.fit(hparams.model_type, store, **settings_from(hparams))
        registry.save(model, path)
        write_json(folder.file(CHECKSUM), {"sha256": sha256_of(path)})
        folder.note(f"{hparams.model_type}: fitted in {time.perf_counter() - begun:.1f} s")
    load_fitted(folder.path)
    return Fitted(folder.path)


def load_fitted(run_dir):
    """The fitted model of a run.

    Raises:
      UserError: it is missing or differs from its checksum.
    """
    path, record = (os.path.join(run_dir, name) for name in (FITTED, CHECKSUM))
    advice = "fit it again in another --run_dir"
    if not os.path.exists(record) or not os.path.exists(path):
        raise UserError(f"{run_dir}: no fitted model in it ({FITTED} and {CHECKSUM}); {advice}.")
    try:
        checksum = read_json(record)["sha256"]
    except DAMAGE:
        raise UserError(f"{record}: not the checksum of a fitted model; {advice}.") from None
    if sha256_of(path) != checksum:
        raise UserError(f"{path}: differs from its checksum; {advice}.")
    return registry.load(path)


def rank_fitted(folder, store, run_dir):
    """Ranks the test targets with a run's fitted model; see ``rank_with``."""
    return rank_with(catalogue_scores(load_fitted(run_dir), store), folder, store)


def observe_fitted(folder, store, run_dir):
    """Scores the observed test targets with a run's fitted model; see ``observe_with``."""
    return observe_with(record_scores(load_fitted(run_dir), store), folder, store)
