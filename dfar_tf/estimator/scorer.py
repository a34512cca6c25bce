"""A model that is fed: a history is encoded once, then scored against candidates or all items.

Letters: B histories, T history (``max_seq_length``), C candidates, I items of the catalogue, D width.
"""

import numpy as np

from dfar_tf.estimator.checkpoints import CheckpointFitsHook
from dfar_tf.estimator.session import choose_devices, device_line
from dfar_tf.estimator.targets import HISTORY
from dfar_tf.models import get_model, make_model
from recommenders_utils.backend import tf

SIDES = (("positive", 1), ("negative", 0))


class GraphScorer:
    """A model's two functions as operations of the current graph, run in ``session``.

    Args:
      model: a ``SequentialModel`` in this graph.

    Attributes:
      session: to be set before anything is run.
      model: as given.
    """

    def __init__(self, model):
        self.model, self.session = model, None
        kinds = {"history_mask": tf.float32}
        self._history = {
            name: tf.placeholder(kinds.get(name, tf.int32), [None, model.hp.max_seq_length], name)
            for name in HISTORY
        }
        self._history["user"] = tf.placeholder(tf.int32, [None], "user")
        self._candidates = tf.placeholder(tf.int32, [None, None], "candidates")
        self._encoded = model.encode(model.sides(self._history), False)
        # When fed, the encoder does not run again; the names are the model's own.
        self._state = _places(self._encoded, "state")
        rows = tf.shape(next(iter(self._state.values())))[0]
        self._pairs = tf.broadcast_to(self._candidates, [rows, tf.shape(self._candidates)[1]])
        self._outputs = model.score(self._state, self._pairs, False)
        self._made = model.products(self._candidates[0])
        self._by_products = model.score_products(self._state, self._made)

    def encode(self, histories):
        """Encodes histories.

        Args:
          histories: dict of ``history_items``, ``history_labels`` [B, T] int, ``history_mask`` [B, T] float
            and ``user`` [B] int, rows of the store, -1 where the user is unknown.

        Returns:
          dict of arrays with B rows, for ``score``.
        """
        return self._run(self._encoded, self._fed(histories))

    def score(self, state, candidates):
        """Logits [B, C] float32 of candidates [B, C], or [1, C] for all rows, against encoded histories."""
        return self._run(self._outputs["logits"], self._fed_state(state, candidates))

    def products(self, candidates):
        """What depends on candidates [C] alone: dict of arrays with C rows, for ``score_products``."""
        return self._run(self._made, {self._candidates: np.asarray(candidates, np.int32)[None]})

    def score_products(self, state, products):
        """Logits [B, C] float32 of candidates given by ``products``; ``score``'s up to rounding."""
        fed = {place: state[name] for name, place in self._state.items()}
        # Fed in their tensors' place, they are not computed.
        fed.update({tensor: products[name] for name, tensor in self._made.items()})
        return self._run(self._by_products, fed)

    def score_once(self, state, candidates):
        """``score_products`` of candidates [C] whose products stay in the graph, for use once."""
        return self._run(self._by_products, self._fed_state(state, np.asarray(candidates)[None]))

    def _run(self, fetches, feeds):
        return self.session.run(fetches, feeds)

    def _fed(self, histories):
        return {place: histories[name] for name, place in self._history.items()}

    def _fed_state(self, state, candidates):
        fed = {place: state[name] for name, place in self._state.items()}
        return {**fed, self._candidates: np.asarray(candidates, np.int32)}


class Scorer(GraphScorer):
    """A model with a checkpoint's weights, in a graph and a session of its own.

    Args:
      hparams: the run's hyper-parameters.
      num_items: items in the model's vocabulary.
      num_users: users in the store.
      checkpoint: path of the checkpoint; None leaves the weights at their random initial values,
        for measurements.
      say: called with the line that says which device is used.

    Raises:
      UserError: a checkpoint of another model or of other data; a device that is not there.
    """

    def __init__(self, hparams, num_items, num_users, checkpoint=None, say=lambda line: None):
        self.hparams, self.num_items, self.num_users = hparams, num_items, num_users
        device = hparams.device.split(",")[0]
        config, _, _ = choose_devices(device)
        say(device_line(device, config))
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.set_random_seed(hparams.seed)
            # No layer has control flow for AutoGraph to convert, and letting it look costs seconds.
            tf.autograph.experimental.do_not_convert(self._build)()
            self.session = tf.Session(config=config)
            if checkpoint is None:
                self.session.run(tf.global_variables_initializer())
            else:
                CheckpointFitsHook(checkpoint).begin()
                saver = tf.train.Saver({v.op.name: v for v in self.model.weights})
                saver.restore(self.session, checkpoint)
        self._graph.finalize()

    def _build(self):
        super().__init__(make_model(self.hparams, self.num_items, self.num_users))
        self._parts = _interest_scores(self.model, self._outputs, self._pairs)
        history = self.model.sides(self._history)
        self._attention = self.model.head_attention(history) if self.has_heads else None

    @property
    def has_towers(self):
        """Whether the model has a tower and an interest for each feedback."""
        return bool(self._parts)

    @property
    def has_heads(self):
        """Whether the model's heads stand for feedback (Eq. 11), so that their attention is informative."""
        of_feedback = hasattr(get_model(self.hparams.model_type), "head_attention")
        return of_feedback and self.hparams.values().get("ablation") not in ("fha", "mo")

    def explain(self, state, candidates):
        """The two towers' outputs for each candidate, a dict of [B, C] float32.

        ``positive_logit`` is the prediction (Eq. 19), ``negative_logit`` the other tower's (Eq. 20);
        ``positive_cosine`` and ``negative_cosine`` are between the interest that the candidate
        evokes in the records of that feedback (Eqs. 15-17) and the candidate's own embedding with
        that feedback's
        label; NaN where the history has no record of it.
        """
        return self._run(self._parts, self._fed_state(state, candidates))

    def head_attention(self, histories):
        """[B, H, H, T, T] weights of the encoder's head pairs; ``histories`` as of ``encode``."""
        return self._run(self._attention, self._fed(histories))

    def warm_up(self, explain=False):
        """Runs everything once on an empty history, since a graph's first run takes seconds."""
        shape = [1, self.hparams.max_seq_length]
        empty = {name: np.zeros(shape, np.float32) for name in HISTORY}
        empty["user"] = np.array([-1], np.int32)
        state, one = self.encode(empty), np.zeros([1, 1], np.int32)
        self.score(state, one)
        self.score_once(state, one[0])
        self.score_products(state, self.products(one[0]))
        if explain and self.has_towers:
            self.explain(state, one)
        if explain and self.has_heads:
            self.head_attention(empty)

    def close(self):
        """Ends the session; the scorer is unusable afterwards."""
        self.session.close()


def _places(tensors, scope):
    return {
        name: tf.placeholder(tensor.dtype, tensor.shape, f"{scope}_{name}")
        for name, tensor in tensors.items()
    }


def _interest_scores(model, outputs, candidates):
    """The tensors of ``explain`` by name; none for a model with one tower."""
    parts = {}
    for side, label in SIDES:
        if side + "_interest" in outputs:
            query = model.embed_items(candidates) + model.side_embedding(label)  # [B, C, D]
            interest = outputs[side + "_interest"]
            product = tf.reduce_sum(interest * query, -1)
            # 0 / 0 is intended: an interest without records has no direction.
            parts[side + "_cosine"] = product / (
                tf.norm(interest, axis=-1) * tf.norm(query, axis=-1)
            )
            parts[side + "_logit"] = outputs[side + "_logits"]
    return parts
