"""Ranking in the whole catalogue by a model in an open session; a sample of it as validation.

Letters: H histories, I items of the catalogue.
"""

import os

from dfar_tf.estimator.catalogue import Catalogue
from dfar_tf.estimator.samples import stored_sample
from dfar_tf.estimator.scorer import GraphScorer, Scorer
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.catalogue import KINDS, catalogue_figures, checked_cutoffs
from recommenders_utils.evaluation.names import full_cutoff
from recommenders_utils.evaluation.targets import (
    liked_valid_targets,
    most_candidates,
    rank_targets,
)

SAMPLE_FILE = "ranking_sample.csv"
SCORER = "ranking_scorer"  # graph collection: the training graph's ``GraphScorer``


def catalogue_scores(scorer, iterator):
    """The function that ``rank_targets`` takes: (users [H], ends [H]) -> logits [H, I].

    Args:
      scorer: a ``GraphScorer`` whose weights stay as they are.
      iterator: of the model's batches, whose ids it reads.
    """
    catalogue = Catalogue(scorer, iterator.ids[1:])

    def score(users, ends):
        items, labels, mask = iterator.histories(users, ends)
        histories = {"history_items": items, "history_labels": labels, "history_mask": mask}
        return catalogue.scores(scorer.encode({**histories, "user": users}))

    return score


def add_scorer(model):
    """Adds the model's ``GraphScorer`` to the current graph, for ``SampleRanking.in_session``."""
    tf.add_to_collection(SCORER, GraphScorer(model))


class SampleRanking:
    """HR, NDCG and MRR in the whole catalogue of a sample of the liked validation targets.

    The sample is drawn by ``seed`` and stored in the run's folder; a run that resumes reads it.

    Args:
      hparams: ``early_stop_metric``, such as full_ndcg@10, ``ranking_sample`` and ``seed``.
      iterator: of the model's batches.
      run_dir: the run's folder.

    Raises:
      UserError: no liked validation target; a cut-off above the number of candidates.
    """

    def __init__(self, hparams, iterator, run_dir):
        self.hparams, self.iterator = hparams, iterator
        self.store = iterator.store
        targets = liked_valid_targets(self.store)
        if not len(targets.ends):
            raise UserError(
                f"early_stop_metric: {hparams.early_stop_metric} ranks liked validation targets, but "
                "there are none. Use another split, or early_stop_metric=auc."
            )
        self.cutoffs = checked_cutoffs(
            full_cutoff(hparams.early_stop_metric), most_candidates(self.store, targets)
        )
        path = os.path.join(run_dir, SAMPLE_FILE)
        size = hparams.ranking_sample
        self.targets = targets.take(stored_sample(path, self.store, targets, size, hparams.seed))

    def in_session(self, session):
        """``{full_hr@k, full_ndcg@k, full_mrr@k: value}`` by the weights of the training session."""
        (scorer,) = tf.get_collection(SCORER)
        scorer.session = session
        return self._metrics(scorer)

    def of_checkpoint(self, path):
        """The same by a checkpoint's weights."""
        scorer = Scorer(self.hparams, self.iterator.num_items, self.store.num_users, path)
        try:
            return self._metrics(scorer)
        finally:
            scorer.close()

    def _metrics(self, scorer):
        score = catalogue_scores(scorer, self.iterator)
        found = rank_targets(
            score, self.store, self.targets, show_progress=self.hparams.show_progress
        )
        columns = {"rank": found.rank, "candidates": found.candidates, "ties": found.ties}
        figures = catalogue_figures({**columns, "label": self.targets.labels}, self.cutoffs)
        return {
            f"full_{kind}@{k}": figures[f"full_{kind}@{k}"] for kind in KINDS for k in self.cutoffs
        }


def sample_ranking(hparams, iterator, run_dir):
    """``SampleRanking`` where ``early_stop_metric`` is of the whole catalogue, else None."""
    if full_cutoff(hparams.early_stop_metric) is None:
        return None
    return SampleRanking(hparams, iterator, run_dir)
