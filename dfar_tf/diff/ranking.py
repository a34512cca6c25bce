"""Ranks the test targets of imported released files in the whole catalogue with a released checkpoint."""

from dfar_tf.estimator.ranking import catalogue_scores
from dfar_tf.estimator.scorer import Scorer
from dfar_tf.estimator.training import best_checkpoint
from dfar_tf.paths import in_checkout
from dfar_tf.runs.folder import RunFolder
from dfar_tf.runs.ranking import check_ranking, rank_with
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.io import make_iterator


def open_ranked(hparams, num_items, source):
    """The data to rank on, checked before anything is written.

    Args:
      hparams: of a ``dfar_released``, with ``prepared``.
      num_items: rows of its item table, padding not counted.
      source: what to call the checkpoint in an error.

    Returns:
      (SequenceStore, iterator with the released vocabulary's ids).

    Raises:
      UserError: no usable data; data of a vocabulary that the table is too small for; see ``check_ranking``.
    """
    store = SequenceStore.load(in_checkout(hparams.prepared))
    iterator = make_iterator(store, hparams)
    if iterator.num_items > num_items:
        raise UserError(
            f"{source}: its item table has {num_items} rows and the padding's, but the vocabulary of "
            f"{hparams.prepared} has {iterator.num_items} entries. Import the files of the checkpoint's run."
        )
    check_ranking(hparams, store)
    return store, iterator


def rank_released(output, hparams, num_items, store, iterator):
    """Writes ``ranks_test.csv`` and ``lists_test.csv`` beside a converted checkpoint.

    Args:
      output: the folder that ``save_converted`` made.
      hparams, num_items: as ``take_over`` gave them.
      store, iterator: as ``open_ranked`` gave them.

    Returns:
      ``{name: figure}``, see ``ranking_figures``.
    """
    folder = RunFolder(output)
    folder.hparams = hparams
    scorer = Scorer(hparams, num_items, store.num_users, best_checkpoint(output))
    try:
        return rank_with(catalogue_scores(scorer, iterator), folder, store)
    finally:
        scorer.close()
