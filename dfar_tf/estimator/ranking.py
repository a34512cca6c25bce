"""Scores of the whole catalogue by a model in an open session."""

from dfar_tf.estimator.scorer import Catalogue


def catalogue_scores(scorer, iterator, keep=True):
    """The function that ``rank_targets`` takes: (users [H], ends [H]) -> logits [H, I].

    Args:
      scorer: a ``GraphScorer``.
      iterator: of the model's batches, whose ids it reads.
      keep: as ``Catalogue`` takes it.
    """
    catalogue = Catalogue(scorer, iterator.ids[1:], keep)

    def score(users, ends):
        items, labels, mask = iterator.histories(users, ends)
        histories = {"history_items": items, "history_labels": labels, "history_mask": mask}
        return catalogue.scores(scorer.encode({**histories, "user": users}))

    return score
