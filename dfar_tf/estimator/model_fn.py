"""The ``model_fn`` all models share: encode, score, losses, optimiser, summaries, predictions.

Letters: B batch, T history, C candidates.
"""

from dfar_tf.estimator.lazy_adam import LazyAdamOptimizer
from dfar_tf.estimator.targets import (
    apply_to_targets,
    dislike_terms,
    encode_histories,
    history_of,
    of_targets,
)
from dfar_tf.models import make_model
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

TRAINING_LOSS = "training_loss"  # graph collection: the loss, one a device
LOSS_TERMS = "loss_terms"  # graph collection: {name: term}, unweighted, one a device
EVALUATED = (
    "evaluated_predictions"  # graph collection: what is predicted where an Estimator evaluates
)
VALIDATION = "validation"  # graph collection: the in-session validation's ops


def make_model_fn(
    hparams, num_items, num_users=0, validation_dataset=None, asynchronous=False, beside=None
):
    """Makes the ``model_fn`` of a run.

    Args:
      hparams: the merged hyper-parameters.
      num_items: items in the vocabulary.
      num_users: users in the store.
      validation_dataset: function without arguments that returns a ``tf.data.Dataset``. If given,
        training's graph also scores it with the same variables, so that validating costs
        neither a new graph nor a checkpoint; its ops are put into collection ``VALIDATION``.
      asynchronous: whether other processes update the same variables.
      beside: called with the model at the end of training's graph, to add what is run between epochs.

    Returns:
      ``model_fn(features, labels, mode)`` for ``tf.estimator.Estimator``. ``features`` is a batch of
      ``SequentialIterator``; ``labels`` is not used (they are in the batch).
    """

    def model_fn(features, labels, mode):
        del labels
        training = mode == tf.estimator.ModeKeys.TRAIN
        model = make_model(hparams, num_items, num_users)
        if training and of_targets(features):
            outputs, features = apply_to_targets(model, features)
        else:
            outputs = apply_model(model, features, training, hparams.share_history)
        predictions = make_predictions(outputs, features)
        if mode == tf.estimator.ModeKeys.PREDICT:
            return tf.estimator.EstimatorSpec(mode, predictions=predictions)
        terms = loss_terms(model, outputs, features)
        loss = tf.add_n([weight * value for weight, value in terms.values()])
        if mode == tf.estimator.ModeKeys.EVAL:
            tf.add_to_collection(EVALUATED, predictions)
            auc = tf.metrics.auc(
                features["labels"], predictions["score"], features["candidate_mask"]
            )
            return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"auc": auc})
        for name, (_, value) in terms.items():
            tf.summary.scalar("loss/" + name, value)
        tf.summary.scalar("learning_rate", hparams.learning_rate)
        tf.add_to_collection(TRAINING_LOSS, loss)
        tf.add_to_collection(LOSS_TERMS, {name: value for name, (_, value) in terms.items()})
        train_op = make_train_op(hparams, loss, model, asynchronous)
        if validation_dataset is not None:
            _add_validation(model, validation_dataset())
        if beside is not None:
            beside(model)
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    # No layer has control flow for AutoGraph to convert, and letting it look costs seconds a graph.
    plain = tf.autograph.experimental.do_not_convert(model_fn)
    # An Estimator reads the names of the arguments, which that wrapper hides.
    return lambda features, labels, mode: plain(features, labels, mode)


def apply_model(model, features, training, share_history=True):
    """Scores a batch's candidates.

    Args:
      model: a ``SequentialModel``.
      features: a batch of ``SequentialIterator``.
      training: Python bool.
      share_history: whether a history is encoded once for its C candidates; if not it is repeated
        and encoded C times, which gives the same numbers, for comparison.

    Returns:
      What ``model.score`` returns; every tensor has [B, C, ...].
    """
    history = history_of(model, features)
    candidates = features["candidates"]  # [B, C]
    if share_history:
        with model.items_dropped(training):
            return model.score(encode_histories(model, history, training), candidates, training)
    width = tf.shape(candidates)[1]
    repeated = {name: tf.repeat(value, width, axis=0) for name, value in history.items()}
    each = tf.reshape(candidates, [-1, 1])  # [B * C, 1]
    with model.items_dropped(training):
        outputs = model.score(model.encode(repeated, training), each, training)
    shape = tf.shape(candidates)
    return {
        name: tf.reshape(value, tf.concat([shape, tf.shape(value)[2:]], 0))
        for name, value in outputs.items()
    }


def make_predictions(outputs, features):
    """Scores in [0, 1] and logits, [B, C], with what identifies their rows."""
    predictions = {"logit": outputs["logits"], "score": tf.sigmoid(outputs["logits"])}
    for name in ("user", "instance", "candidates", "candidate_mask", "labels"):
        if name in features:
            predictions[name] = tf.identity(features[name])
    return predictions


def loss_terms(model, outputs, features):
    """All losses of a batch by name, (weight, scalar) each: main, the model's own, regularisers."""
    hp = model.hp
    labels, weights = features["labels"], features["candidate_mask"]
    terms = {"main": (1.0, model.main_loss(outputs, labels, weights))}
    terms.update(model.losses(outputs, labels, weights))
    terms.update(dislike_terms(hp, outputs))
    if hp.embed_l2:
        rows = model.regularized_rows(features)
        terms["embed_l2"] = (hp.embed_l2, tf.add_n([tf.nn.l2_loss(table) for table in rows]))
    if hp.layer_l2:
        kernels = [v for v in model.trainable_weights if "kernel" in v.name]
        terms["layer_l2"] = (hp.layer_l2, tf.add_n([tf.nn.l2_loss(v) for v in kernels]))
    return terms


def make_train_op(hparams, loss, model, asynchronous=False):
    """One optimiser step, with the moving averages of the model's normalisations."""
    optimizer = make_optimizer(hparams)
    # Over sockets, the batch's rows are far smaller than a dense table.
    gradients = make_gradients(hparams, optimizer, loss, model, dense=not asynchronous)
    return apply_gradients(optimizer, gradients, model, asynchronous)


def make_gradients(hparams, optimizer, loss, model, dense=True):
    """[(gradient or None, variable)] as the optimiser takes them: clipped, and ``dense`` for Adam."""
    gradients = optimizer.compute_gradients(loss, model.trainable_weights)
    if dense and hparams.optimizer == "adam":
        # Adam moves every row at every step. With a sparse gradient TensorFlow makes some ten
        # passes over the table, with a dense one a single fused pass.
        gradients = [(g if g is None else tf.convert_to_tensor(g), v) for g, v in gradients]
    if hparams.max_grad_norm:
        values, variables = zip(*gradients)
        values, _ = tf.clip_by_global_norm(values, hparams.max_grad_norm)
        gradients = list(zip(values, variables))
    return gradients


def apply_gradients(optimizer, gradients, model, asynchronous=False):
    """The optimiser's update, together with the moving averages'."""
    # Under an Estimator, Keras keeps these updates on the layers, not in GraphKeys.UPDATE_OPS.
    with tf.control_dependencies(_updates(model, asynchronous)):
        return optimizer.apply_gradients(gradients, global_step=tf.train.get_global_step())


def _updates(model, asynchronous):
    """The moving averages' updates; where others update them too, no variance is left negative.

    Keras subtracts a share of what it read a step before. A worker that stalls in between subtracts from a
    variance that may be far smaller by then, and scoring would take the root of a negative number.
    """
    updates = model.updates
    if not asynchronous:
        return updates
    variances = [v for v in model.weights if v.op.name.endswith("moving_variance")]
    before = [tf.maximum(tf.identity(v), 0.0) for v in variances]
    with tf.control_dependencies([*updates, *before]):
        after = [v.read_value() for v in variances]
        return [
            v.assign(tf.where(new < 0, old, new)) for v, old, new in zip(variances, before, after)
        ] or updates


def make_optimizer(hparams):
    """The optimiser of ``train.optimizer`` at ``train.learning_rate``."""
    beta2 = hparams.values().get("adam_beta2", 0.999)  # older runs lack the key
    kinds = {
        "adam": lambda rate: tf.train.AdamOptimizer(rate, beta2=beta2),
        "adagrad": tf.train.AdagradOptimizer,
        "sgd": tf.train.GradientDescentOptimizer,
        "lazy_adam": LazyAdamOptimizer,
    }
    if hparams.optimizer not in kinds:
        raise UserError(f"optimizer: {hparams.optimizer!r} is not one of {', '.join(kinds)}.")
    optimizer = kinds[hparams.optimizer](hparams.learning_rate)
    if hparams.mixed_precision:
        # Half precision where it is safe, and a loss scale that keeps small gradients.
        return tf.train.experimental.enable_mixed_precision_graph_rewrite(optimizer)
    return optimizer


def _add_validation(model, dataset):
    iterator = tf.data.make_initializable_iterator(dataset)
    features = iterator.get_next()
    outputs = apply_model(model, features, training=False)
    tf.add_to_collection(VALIDATION, (iterator.initializer, make_predictions(outputs, features)))
