"""GRU4Rec: a recurrent network over the history (Hidasi et al., ICLR 2016).

Letters: B batch, T history, C candidates, D width.

NOTE Deviations from the paper: the tower of this harness scores a candidate in place of an output unit an
item; training is by instance, not session-parallel; the losses are ``train.loss``, of which ``bpr`` is the
paper's. The reset gate is applied before the recurrent product, as the paper writes it
(``reset_after=False``), under either TensorFlow. Keras' update gate z keeps the old state, the paper's is
1 - z and lets the new one in: the same function with the sign of W_z, U_z and b_z turned.
"""

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.baselines.recurrent import make_gru
from dfar_tf.models.baseline import BaselineModel


class GRU4Rec(BaselineModel):
    """A GRU, the state at the last real step, and the tower.

    ::

        z_t = sigmoid(W_z e_t + U_z h_{t-1} + b_z)
        r_t = sigmoid(W_r e_t + U_r h_{t-1} + b_r)
        h'_t = tanh(W e_t + U (r_t * h_{t-1}) + b)
        h_t = z_t h_{t-1} + (1 - z_t) h'_t
        logit = tower(h_n || E_v),        n the history's length

    A history without a record (``feedback_input: positive_only``) has the state 0.
    """

    title = "GRU4REC"
    paper = "Hidasi et al., ICLR 2016"
    feedback = "unseen; feedback_input shows it"
    published_output = "an output unit per item"
    trained_positions = ("last", "all")

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        width = hparams.hidden_size
        self.layers = [make_gru(width, f"gru_{i}") for i in range(hparams.num_layers)]

    def position_states(self, history, training):
        """[B, T, D]: the state after each step."""
        states = draws.dropout(self.embed_history(history), self.hp.dropout, training)  # [B, T, D]
        for layer in self.layers:
            states = layer(states)
        return states
