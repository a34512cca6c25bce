"""What is left out because it is padding changes no result."""

import dfar_case
import numpy as np
import pytest
from every_model import each_model, small_hparams
from graph import Bench, close, random_values
from hypothesis import given, settings
from hypothesis import strategies as st

from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.estimator.scoring import assign, short_name
from dfar_tf.layers.packing import encode_by_length, front, take
from dfar_tf.models import get_model
from recommenders_utils.backend import tf

B, N = 5, 7


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=5))
def test_front_moves_the_marked_together_in_order(rows):
    mask = np.array(rows, np.float32)
    values = np.arange(mask.size * 2, dtype=np.float32).reshape(*mask.shape, 2)
    with tf.Graph().as_default(), tf.Session() as session:
        index, packed = front(tf.constant(mask))
        index, packed, taken = session.run([index, packed, take(tf.constant(values), index)])
    assert index.shape[1] == max(1, int(mask.sum(1).max()))
    for row, marks in enumerate(mask):
        count = int(marks.sum())
        assert packed[row].tolist() == [1.0] * count + [0.0] * (index.shape[1] - count)
        assert index[row, :count].tolist() == np.flatnonzero(marks).tolist()
        assert np.array_equal(taken[row, :count], values[row, marks > 0])


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_rows_keep_their_order_and_see_their_own_length(parts):
    lengths = np.array([4, 0, 6, 1, 4])
    mask = (np.arange(N) < lengths[:, None]).astype(np.float32)
    items = (np.arange(B * N).reshape(B, N) * mask).astype(np.int32)
    longest = []

    def encode(history):
        assert set(history) == {"history_items", "history_mask", "user"}
        longest.append(tf.shape(history["history_mask"])[1])
        sequence = tf.cast(history["history_items"], tf.float32)[:, :, None]
        return {"sequence": sequence, "sum": tf.reduce_sum(sequence, 1), "user": history["user"]}

    with tf.Graph().as_default(), tf.Session() as session:
        history = {"history_items": items, "history_mask": mask, "user": np.arange(B)}
        given_ = {
            k: tf.placeholder_with_default(v, v.shape[:1] + (None,) * (v.ndim - 1))
            for k, v in history.items()
        }
        state, widths = session.run([encode_by_length(encode, given_, parts), longest])
    assert np.array_equal(state["user"], np.arange(B))
    assert np.array_equal(state["sum"][:, 0], items.sum(1))
    assert np.array_equal(state["sequence"][:, :, 0], items[:, :6])
    assert max(widths) == 6 and (parts == 1 or min(widths) < 6)


@pytest.mark.parametrize("name", each_model())
def test_parts_by_length_give_every_model_the_same_numbers(name):
    found = []
    arrays = dfar_case.batch()
    for parts in (0, 2):
        with Bench() as bench:
            case = dfar_case.Case(bench, small_hparams(name, {}).replace(length_parts=parts))
            outputs = case.outputs(True)
            loss = tf.add_n(
                [w * v for w, v in loss_terms(case.model, outputs, case.features).values()]
            )
            variables = {short_name(v): v for v in case.model.trainable_weights}
            gradients = tf.gradients(loss, list(variables.values()))
            gradients = {k: g for k, g in zip(variables, gradients) if g is not None}
            fetched = {
                "scores": tf.sigmoid(case.outputs(False)["logits"]),
                "gradients": {k: tf.convert_to_tensor(g) for k, g in gradients.items()},
            }
            assign(bench.session, random_values(case.model.weights, 3, 0.4))
            found.append(case.run(fetched, arrays))
    whole, parted = found
    close(parted["scores"], whole["scores"], 1e-5)
    if name not in ("sine", "dien"):  # draw negatives at random in training, by the history's shape
        assert parted["gradients"].keys() == whole["gradients"].keys()
        for key, gradient in whole["gradients"].items():
            close(parted["gradients"][key], gradient, 1e-5)
    assert get_model(name).any_length or name in ("caser", "dfar_released")
