"""Caser: convolutions over the history as an image (Tang and Wang, WSDM 2018).

Letters: B batch, T history, C candidates, D width, F filters of a height, V vertical filters.

NOTE Deviations from the paper: the image is the whole history of T records, its height the harness's, 20 by
default, hence filters of heights 1 to 20 (the authors' L is 5: ``max_filter_height: 5``); the tower of this
harness scores a candidate in place of an output unit an item; a window that touches padding takes no part in
the maximum, and a height that no window fits has the maximum 0, ReLU's floor. Vertical filters are aligned to
the newest record, row 0, as the paper's image always ends with it.
"""

from dfar_tf.models.baseline import BaselineModel
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


class Caser(BaselineModel):
    """Horizontal filters with a maximum over time, vertical filters, the user's own embedding.

    ::

        o_h = max_t relu(<E[t : t + h], F_h> + b_h)         for each height h, F filters    [F]
        o~  = sum_t F~_t E[newest - t]                      V vertical filters              [V D]
        z   = relu(W [o || o~] + b)                                                         [D]
        logit = tower(z || P_u || E_v)

    ``filter_heights`` lists the heights; empty stands for 1 to ``max_filter_height``, or to T if that is 0.
    A user that is not in the store has row 0 of P.
    """

    title = "Caser"
    paper = "Tang and Wang, WSDM 2018"
    feedback = "unseen; feedback_input shows it"
    published_output = "an output unit per item"
    any_length = False  # its filters look at T columns
    embeds_users = True

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = hparams
        self.heights = list(hp.filter_heights) or list(range(1, _highest(hp) + 1))
        self.user_embedding = self.embedding("user_embedding", num_users + 1)
        self.horizontal = [
            tf.keras.layers.Conv1D(
                hp.num_horizontal, height, activation="relu", name=f"horizontal_{height}"
            )
            for height in self.heights
        ]
        self.vertical = self.add_weight(
            name="vertical_kernel",
            shape=[hp.max_seq_length, hp.num_vertical],
            initializer="glorot_uniform",
        )
        self.dense = tf.keras.layers.Dense(hp.hidden_size, activation="relu", name="dense")

    @classmethod
    def check(cls, hparams):
        """A filter may not be higher than the image."""
        high = [h for h in hparams.filter_heights if h > hparams.max_seq_length]
        if high:
            raise UserError(
                f"filter_heights: {high[0]} is more than max_seq_length {hparams.max_seq_length}. "
                "Give lower heights or a longer history."
            )
        if _highest(hparams) > hparams.max_seq_length:
            raise UserError(
                f"max_filter_height: {_highest(hparams)} is more than max_seq_length "
                f"{hparams.max_seq_length}. Give a lower height or a longer history."
            )

    def encode(self, history, training):
        """{"user": [B, 2 D]}: what the filters found, and the user's embedding."""
        seen = self.seen(history)
        mask = seen["history_mask"]  # [B, T]
        image = self.embed_history(seen)  # [B, T, D]
        length = tf.cast(tf.reduce_sum(mask, 1), tf.int32)  # [B]
        found = [
            self._highest(convolve(image), mask[:, height - 1 :])  # [B, F]
            for height, convolve in zip(self.heights, self.horizontal)
        ]
        newest_first = tf.reverse_sequence(image, length, seq_axis=1)  # [B, T, D]
        columns = tf.einsum("btd,tv->bvd", newest_first, self.vertical)  # [B, V, D]
        width = self.hp.num_vertical * self.hp.hidden_size
        found.append(tf.reshape(columns, [-1, width]))
        users = history.get("user")
        rows = tf.zeros_like(length) if users is None else users + 1
        embedded = tf.gather(self.user_embedding, rows)  # [B, D]
        return {"user": tf.concat([self.dense(tf.concat(found, 1)), embedded], 1)}

    @staticmethod
    def _highest(windows, ends):
        # A window's last record is real only if all of it is, and ReLU leaves nothing below 0.
        return tf.reduce_max(windows * ends[:, :, None], 1)


def _highest(hparams):
    return hparams.values().get("max_filter_height") or hparams.max_seq_length  # older runs lack it
