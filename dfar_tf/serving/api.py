"""A finished run, opened to score and to recommend: ``from dfar_tf import load``."""

import numbers
import os
import warnings

import numpy as np

from dfar_tf.frames import with_files
from dfar_tf.models import is_untrained
from dfar_tf.objectives import objective_of
from dfar_tf.runs.data import find_data
from dfar_tf.runs.folder import FREE_KEYS, open_run
from dfar_tf.runs.kept import run_data
from dfar_tf.runs.untrained import load_fitted
from dfar_tf.serving.histories import Vocabulary
from dfar_tf.serving.untrained import UntrainedScorer, WholeHistories
from dfar_tf.settings import DEFAULT_CACHE
from recommenders_utils.dataset.newer import newer_histories
from recommenders_utils.errors import UserError, described, shortened
from recommenders_utils.reading.ids import as_id
from recommenders_utils.tables import counted
from recommenders_utils.untrained.base import squashed

_OF_LOG = (
    "ratings",
    "interactions",
    "adapter",
    "duplicates",
    "utc_offset_hours",
)  # keys that read one
LONGEST_PATH = 4096  # bytes, Linux's own limit


def load(run_dir, say=lambda line: None, **given):
    """Opens a finished run.

    Args:
      run_dir: its folder.
      say: called with lines that say which data are read and which device is used.
      **given: what may differ from the training: ``device``, ``prepared``, ``cache_dir``,
        ``show_progress``; ``ratings`` or ``interactions`` (with ``adapter``) name a newer log, a file
        or a DataFrame, whose users and histories take the place of the stored ones.

    Returns:
      Run.

    Raises:
      UserError: no finished run there; its data have changed; another key is given.
    """
    run_dir = _folder(run_dir)
    given = with_files(given, given.get("cache_dir") or DEFAULT_CACHE)
    log = {key: given[key] for key in ("ratings", "interactions") if given.get(key) is not None}
    own = {key: value for key, value in given.items() if not (log and key in _OF_LOG)}
    hparams, store = open_data(run_dir, own, say)
    newer = _newer(hparams, store, given, say) if log else None
    if is_untrained(hparams.model_type):
        return UntrainedRun(hparams, store, load_fitted(run_dir), newer)
    from dfar_tf.estimator.training import best_checkpoint  # TensorFlow takes seconds to import

    return Run(hparams, store, best_checkpoint(run_dir), say, newer)


def open_data(run_dir, given, say=lambda line: None):
    """(hparams, SequenceStore) of a finished run; arguments and errors as of ``load``."""
    fixed = sorted(set(given) - set(FREE_KEYS))
    if fixed:
        raise UserError(
            f"{fixed[0]}: a finished run is served as it was trained; only {', '.join(FREE_KEYS)} may "
            f"differ. Leave out --{fixed[0]}."
        )
    hparams = open_run(run_dir).replace(**given)
    store, hparams = run_data(run_dir, hparams, given, say)
    return hparams, store


def _newer(hparams, store, given, say):
    """The users and histories of a log that is given, read with the run's settings."""
    chosen = {key: given.get(key) for key in ("ratings", "interactions", "prepared")}
    of_log = {key: given[key] for key in _OF_LOG if key in given}
    if chosen["ratings"] is not None:
        of_log["adapter"] = given.get("adapter")
    data = hparams.replace(**{**chosen, **of_log})
    source, reader = find_data(data, say=say)
    if reader.form.levels != store.level_names:
        theirs, ours = (
            ", ".join(names) or "none" for names in (reader.form.levels, store.level_names)
        )
        raise UserError(
            f"{reader.title}: its adapter has other levels ({theirs}) than the run's data ({ours}). Give an "
            "adapter with those of the training."
        )
    newer = newer_histories(reader, data, store.item_ids, say)
    newer.meta = {"name": source.name}
    return newer


class Run:
    """A trained model with its vocabularies and stored histories.

    A *history* is a list of (raw item id, label) pairs, oldest first, label 1 or 0, or where the data
    have levels a level's name or number; in place of a history, a string or a whole number is the raw
    id of a stored user and stands for that user's whole stored history. Ids may be numbers, see
    ``as_id``. Items that the run's data do not have are left out of a history, with a ``UserWarning``
    that names them.

    Args:
      hparams: the run's hyper-parameters.
      store: its data.
      checkpoint: its weights; None leaves them random, for measurements.
      say: called with the line that says which device is used.
      newer: a store (see ``newer_histories``) whose users and histories replace the data's, or None.

    Attributes:
      hparams, store: as given.
      vocabulary: ``Vocabulary``, raw ids to rows and back.
      scorer: ``Scorer``, the open session.
      dtype: of its scores.
      catalogue: ``Catalogue``, all items for it.
      objective: what it was trained for, ``ranking`` (ten candidates) or ``retrieval`` (the catalogue);
        ``none`` of an untrained run.
    """

    dtype = np.float32

    def __init__(self, hparams, store, checkpoint, say=lambda line: None, newer=None):
        from dfar_tf.estimator.catalogue import Catalogue
        from dfar_tf.estimator.scorer import Scorer
        from recommenders_utils.io import make_iterator

        self.hparams, self.store = hparams, store
        iterator = make_iterator(store, hparams)
        self.vocabulary = Vocabulary(store, iterator, hparams.max_seq_length, newer)
        self.scorer = Scorer(hparams, iterator.num_items, store.num_users, checkpoint, say)
        self.catalogue = Catalogue(self.scorer, iterator.ids[1:])

    @property
    def objective(self):
        """See the class."""
        return objective_of(self.hparams)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Ends the session."""
        self.scorer.close()

    def score(self, history, candidates):
        """Scores candidates against one history.

        Args:
          history: a history or a user's id, see the class.
          candidates: C raw item ids.

        Returns:
          float32 [C], the probability that the user likes the item next; NaN, and a warning, for an item
          that was not in the training's data. Of an untrained run float64 [C] in (0, 1), which rank and
          are no probabilities.

        Raises:
          UserError: an unknown user; a malformed history.
        """
        candidates = _listed(candidates)
        rows = self.vocabulary.item_rows(candidates)
        self._warn(candidates, rows, "candidate", "without a score")
        state = self.scorer.encode(self.vocabulary.arrays(self.histories(history)))
        logits = self.scorer.score(state, self.vocabulary.candidates(rows)[None])[0]
        return self.probabilities(np.where(rows >= 0, logits, self.dtype(np.nan)))

    def probabilities(self, logits):
        """The model's scores as probabilities, float32; NaN stays NaN."""
        from dfar_tf.serving.predict import probabilities

        return probabilities(logits)

    def recommend(
        self, history_or_user, k=20, exclude_seen=True, explain=False, exclude_disliked=True
    ):
        """The best items of the whole catalogue for one history.

        Args:
          history_or_user: a history or a user's id, see the class.
          k: how many.
          exclude_seen: leave out all items of the history, including records before the newest T.
          explain: add ``because``, which records of the history moved the item, in words; and what the two
            towers compute for it if the model has them (see ``Scorer.explain``).
          exclude_disliked: leave out disliked items of the history also without ``exclude_seen``.

        Returns:
          DataFrame with ``rank`` from 1, ``item`` (raw id), ``score``, ``logit``; at most k rows,
          best first; equal ones in the order of the vocabulary.

        Raises:
          UserError: an unknown user; a malformed history; k below 1.
        """
        from dfar_tf.serving.recommend import recommend

        if not isinstance(k, numbers.Integral):
            raise UserError(f"k: {described(k)} is no whole number. Give how many, as in k=20.")
        k = max(0, min(int(k), max(1, self.store.num_items)))
        options = {"exclude_seen": exclude_seen, "exclude_disliked": exclude_disliked}
        found = recommend(self, self.histories(history_or_user), k, explain=explain, **options)
        return next(iter(found)).items

    def histories(self, history_or_user):
        """One history as ``Histories``.

        Raises:
          UserError: an unknown user; a malformed history.
        """
        if isinstance(history_or_user, (str, numbers.Integral)):
            row = self.vocabulary.user_rows([history_or_user])
            if row[0] < 0:
                raise UserError(unknown_user(as_id(history_or_user), self.vocabulary.histories))
            return self.vocabulary.stored(row)
        try:
            known = self.vocabulary.feedback
            pairs = [
                (item, float(known.get(label, label) if isinstance(label, str) else label))
                for item, label in history_or_user
            ]
        except (TypeError, ValueError, OverflowError):
            raise UserError(
                f"history: {described(history_or_user)} is neither the id of a user nor a list of "
                "(item, label) pairs, as in [('i1', 1), ('i2', 0)]. Give one of the two."
            ) from None
        raw, labels = [item for item, _ in pairs], np.array([label for _, label in pairs], float)
        if not np.isin(labels, [*self.vocabulary.feedback.values()]).all():
            names = self.store.level_names
            if names:
                raise UserError(
                    f"history: a level is none of {', '.join(names)}, nor 0 to {len(names) - 1}. Give one "
                    "of them."
                )
            raise UserError(
                "history: a label is neither 1 (liked) nor 0 (disliked). Give one of the two."
            )
        self._warn(raw, self.vocabulary.item_rows(raw), "record", "of the history left out")
        return self.vocabulary.made(raw, labels.astype(int), np.zeros(len(raw), np.int64), 1)

    @staticmethod
    def _warn(raw, rows, noun, fate):
        """Warns of ids that have no row."""
        unknown = [as_id(item) for item, row in zip(raw, rows) if row < 0]
        if unknown:
            named = ", ".join(repr(shortened(each, 30)) for each in dict.fromkeys(unknown[:5]))
            more = ", ..." if len(unknown) > 5 else ""
            warnings.warn(
                f"{counted(len(unknown), noun)} {fate}: the run's data do not have the item ({named}{more})",
                stacklevel=4,
            )


class UntrainedRun(Run):
    """A fitted untrained model in the place of a trained one; its scores are float64, so ties stay ties.

    Args:
      hparams: the run's hyper-parameters.
      store: its data.
      model: the fitted model.
      newer: as of ``Run``.
    """

    dtype = np.float64

    def __init__(self, hparams, store, model, newer=None):
        self.hparams, self.store = hparams, store
        self.vocabulary, self.scorer = WholeHistories(store, newer), UntrainedScorer(model)
        self.catalogue = self.scorer

    def probabilities(self, logits):
        """Scores in (0, 1) in the same order, see ``squashed``; NaN stays NaN. No probabilities."""
        return squashed(logits)


def _listed(candidates):
    """The candidates as a list; raises UserError if they are none."""
    try:
        if isinstance(candidates, (str, bytes)):
            raise TypeError
        return list(candidates)
    except TypeError:
        raise UserError(
            f"candidates: {described(candidates)} is no list of item ids, as in ['i1', 'i2']. Give one."
        ) from None


def _folder(run_dir):
    """A run's folder given from Python as text."""
    try:
        path = os.fspath(run_dir)
        if not isinstance(path, str) or "\0" in path or len(path) > LONGEST_PATH:
            raise TypeError
        return path
    except TypeError:
        raise UserError(
            f"run_dir: {described(run_dir)} is no path. Give the folder of a run."
        ) from None


def unknown_user(name, store):
    """The message for a user that a run's data do not have."""
    return (
        f"user {shortened(str(name))!r} is not in {store.meta['name']}; one that exists is "
        f"{str(store.user_ids[0])!r}. Give a user of the run's data, or a history."
    )
