"""Scores a training batch of ``RetrievalIterator``: targets, negatives they share, disliked records.

Letters: B rows of a batch, T history, N targets, C candidates of a target, K shared negatives, I items.
"""

from dfar_tf.layers.packing import cut_to_longest, encode_by_length
from dfar_tf.losses import contrast_loss, not_to_recommend_loss
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.io.retrieval_iterator import FULL_SOFTMAX

HISTORY = ("history_items", "history_labels", "history_mask")
OPTIONAL = ("user", "target_finish", "target_dwell")  # what else a model may read of an instance


def of_targets(features):
    """Whether a training batch is of ``RetrievalIterator``, which alone knows the targets' feedback."""
    return "target_labels" in features


def encode_histories(model, history, training):
    """``model.encode`` on no more padding than ``train.length_parts`` leaves."""
    parts = model.hp.length_parts if model.any_length else 0
    if not parts:
        return model.encode(history, training)
    return encode_by_length(lambda part: model.encode(part, training), history, parts)


def history_of(model, features):
    """What a model reads of a batch's histories."""
    names = (*HISTORY, *OPTIONAL)
    return model.sides({name: features[name] for name in names if name in features})


def apply_to_targets(model, features):
    """Scores each target, its own negatives, the shared ones and, if a loss wants them, disliked records.

    Args:
      model: a ``SequentialModel``.
      features: a batch of ``RetrievalIterator``.

    Returns:
      (outputs, features): the first as of ``model.score`` with N rows and C + K columns, and
      ``target_labels`` [N]; for ``dislike_terms`` also ``masked`` [N, C + K], ``skipped`` and
      ``skipped_logits`` [N, T]. The second with ``labels`` and ``candidate_mask`` [N, C + K], the mask 0
      where a shared negative is the target.
    """
    hp = model.hp
    history = history_of(model, features)
    at = features.get("target_at")  # [N, 2] or None
    own, targets = features["candidates"], features["candidates"][:, :1]  # [N, C], [N, 1]
    count = tf.shape(own)[1]
    contrast = hp.values().get("dislike_loss") == "contrast"
    skipped = (
        _skipped(model.sides(features), targets, at) if contrast else None
    )  # ids, whether: [N, T]
    asked = tf.concat([own, skipped[0]], 1) if contrast else own
    shared = features.get("shared")
    if hp.loss == FULL_SOFTMAX:
        shared = tf.range(1, model.num_items + 1)
    with model.items_dropped(True):
        if at is None:
            state = encode_histories(model, history, True)
        else:
            if hp.length_parts and model.any_length:
                history = cut_to_longest(history)
            state = model.encode_positions(history, at, True)
        if shared is None:
            outputs = dict(model.score(state, asked, True))
        else:
            outputs = dict(model.score_shared(state, asked, shared, True))
    if contrast:
        width = tf.shape(skipped[0])[1]
        of_skipped = outputs["logits"][:, count : count + width]
        outputs = {
            name: tf.concat([value[:, :count], value[:, count + width :]], 1)
            for name, value in outputs.items()
        }
        outputs.update(skipped_logits=of_skipped, skipped=skipped[1])
    outputs["target_labels"] = features["target_labels"]
    labels, mask, joined = features["labels"], features["candidate_mask"], {}
    offsets = features.get("candidate_offsets")
    # What counts as a negative, also where the main loss leaves the target out.
    open_mask = tf.concat(
        [tf.ones_like(mask[:, :1]), tf.cast(tf.not_equal(own[:, 1:], targets), tf.float32)], 1
    )
    if shared is not None:
        differs = tf.cast(tf.not_equal(shared[None], targets), tf.float32)  # [N, K]
        labels = tf.concat([labels, tf.zeros_like(differs)], 1)
        mask = tf.concat([mask, differs * mask[:, :1]], 1)
        open_mask = tf.concat([open_mask, differs], 1)
        joined["shared"] = shared
        if "shared_offsets" in features:
            wide = tf.zeros_like(differs) + features["shared_offsets"][None]
            offsets = tf.concat([offsets, wide], 1)
    if offsets is not None:
        outputs["logits"] -= offsets
    outputs["masked"] = open_mask
    return outputs, {**features, **joined, "labels": labels, "candidate_mask": mask}


def dislike_terms(hparams, outputs):
    """{name: (weight, scalar)} of ``dislike_loss``; none where it is off or outputs are not of targets.

    Args:
      hparams: ``dislike_loss`` and ``dislike_weight``.
      outputs: of ``apply_to_targets``.
    """
    kind = hparams.values().get("dislike_loss", "none")
    if kind == "none" or "masked" not in outputs:
        return {}
    liked = outputs["target_labels"]
    if kind == "not_to_recommend":
        value = not_to_recommend_loss(outputs["logits"], outputs["masked"], 1.0 - liked)
    elif kind == "contrast":
        value = contrast_loss(
            outputs["logits"], outputs["skipped_logits"], outputs["skipped"], liked
        )
    else:
        raise UserError(f"dislike_loss: {kind!r}, expected not_to_recommend or contrast.")
    return {kind: (hparams.dislike_weight, value)}


def _skipped(features, targets, at):
    """Ids [N, T] of the history's records, and 1 where one was disliked and is not the target."""
    items = features["history_items"]
    disliked = features["history_mask"] * (1.0 - tf.cast(features["history_labels"], tf.float32))
    if at is not None:
        items, disliked = tf.gather(items, at[:, 0]), tf.gather(disliked, at[:, 0])
    return items, disliked * tf.cast(tf.not_equal(items, targets), tf.float32)
