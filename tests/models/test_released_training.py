"""dfar_released in training: the recorded steps of Adam and the recorded run of a hundred."""

import json

import numpy as np
import pytest
from graph import close
from released_case import (
    batch_of,
    load,
    off,
    ours_of,
    part,
    random_batch,
    random_values,
    recorded_case,
)

from recommenders_utils.backend import tf

FILES = ("dfar_h8_T6_H2.npz", "dfar_h8_T6_H2_bpr0.1_embl2_0.01.npz")
# Where the gradient is no more than rounding, Adam makes steps of it that no one can repeat.
REAL_GRADIENT = 1e-5


def values_of(case):
    return case.bench.run(case.variables)


@pytest.mark.parametrize("file", FILES)
def test_recorded_steps_of_adam(shared, file):
    arrays = load(shared / "golden" / file)
    meta = json.loads(str(arrays["meta/json"]))
    weights = {"bpr": meta["loss_l2"], "embed_l2": meta["embed_l2"]}
    batch = batch_of(part(arrays, "feed/"))
    gradients = ours_of(part(arrays, "grad/"))
    case = recorded_case()
    case.start(ours_of(part(arrays, "var/")))
    losses = [arrays["train/loss/total"], arrays["step2/loss_before"], arrays["step3/loss_before"]]
    for step, expected in enumerate(losses, 1):
        total, _ = case.run([case.total["train"], case.step], batch, **weights)
        assert off(total, expected) < 1e-5
        if step == 2:
            continue
        theirs, ours = ours_of(part(arrays, f"step{step}/")), values_of(case)
        assert set(theirs) == set(ours)
        for name, value in ours.items():
            real = np.abs(gradients.get(name, np.ones_like(value))) > REAL_GRADIENT
            close(value[real], theirs[name][real])
    assert np.abs(ours["tower_positive/dense_out_bias"] - 0.17989258) > 1e-4  # it moved


def test_recorded_slots_of_adam(shared):
    """The first step's moments: a tenth of the gradient and a thousandth of its square."""
    arrays = load(shared / "golden" / FILES[1])
    weights = {"bpr": 0.1, "embed_l2": 0.01}
    case = recorded_case()
    case.start(ours_of(part(arrays, "var/")))
    case.run(case.step, batch_of(part(arrays, "feed/")), **weights)
    recorded = part(arrays, "step1/")
    slots = case.bench.run(case.slots)
    for suffix, limit in (("/Adam", 1e-6), ("/Adam_1", 1e-6)):
        theirs = ours_of({n[: -len(suffix)]: v for n, v in recorded.items() if n.endswith(suffix)})
        assert len(theirs) == 99
        for name, value in theirs.items():
            if np.max(np.abs(value)) > limit:
                # A square doubles the relative difference.
                assert off(slots[name + suffix], value) < 2e-5, name


def test_recorded_run_of_a_hundred_steps(shared):
    """The loss of each step within 1e-3, and every variable after the last."""
    arrays = load(shared / "golden" / "trajectory_h8_T6_H2.npz")
    feed, final = part(arrays, "feed/"), ours_of(part(arrays, "final/"))
    case = recorded_case()
    case.start(ours_of(part(arrays, "var/")))
    ends = np.cumsum(arrays["rows_per_batch"])
    losses = []
    for begin, end in zip(ends - arrays["rows_per_batch"], ends):
        batch = batch_of({name: rows[begin:end] for name, rows in feed.items()})
        losses.append(case.run([case.total["train"], case.step], batch)[0])
    np.testing.assert_allclose(losses, arrays["loss_before_step"], rtol=1e-3)
    assert len(losses) == 100
    items = len(final["item_embedding"])
    ours = values_of(case)
    ours["item_embedding"] = ours["item_embedding"][:items]
    assert set(ours) == set(final)
    for name, value in ours.items():
        assert off(value, final[name]) < 1e-3, name


def test_a_step_of_rows_is_a_step_of_histories():
    """200 histories of 10 candidates train as the 2,000 released rows do: also through batch norm."""
    batch = random_batch()
    rows = {name: np.repeat(batch[name], 3, 0) for name in batch if name.startswith("history")}
    for name in ("candidates", "candidate_mask", "labels"):
        rows[name] = batch[name].reshape(-1, 1)
    case = recorded_case()
    values, after = random_values(case), []
    for fed in (batch, rows):
        case.start(values)
        gradients, _ = case.run([case.gradients, case.step], fed)
        after.append(values_of(case))
    for name, value in after[0].items():
        real = np.abs(gradients.get(name, np.ones_like(value))) > REAL_GRADIENT
        close(value[real], after[1][name][real])
        moved = np.abs(value - values[name])[real]
        assert not real.any() or name.startswith("tower_negative") or moved.max() > 5e-5, name


def test_the_moving_averages_take_a_twentieth_of_the_biased_batch_variance():
    case = recorded_case()
    values = random_values(case)
    case.start(values)
    batch = random_batch()
    state = case.run(case.trace, batch)
    shared = [state["mean"], state["positive_mean"]]
    interest = case.run(case.train["positive_interest"], batch)
    target = values["item_embedding"][batch["candidates"]]
    repeated = [np.broadcast_to(x[:, None], target.shape) for x in shared]
    rows = np.concatenate([target, *repeated, interest], -1).reshape(-1, 32)
    rows = rows @ values["tower_positive/dense_0_kernel"] + values["tower_positive/dense_0_bias"]
    case.run(case.step, batch)
    moved = values_of(case)
    for part_name, statistic in (("moving_mean", rows.mean(0)), ("moving_variance", rows.var(0))):
        name = f"tower_positive/norm_0/{part_name}"
        close(moved[name], 0.95 * values[name] + 0.05 * statistic)


def test_losses_of_training_fall():
    case = recorded_case()
    case.start(random_values(case))
    batch = random_batch()
    losses = [case.run([case.total["train"], case.step], batch)[0] for _ in range(30)]
    assert losses[-1] < losses[0] - 1e-3


def test_initial_weights_are_the_released_ones():
    """Truncated normal 0.01 for tables, target attention and towers; Glorot for the blocks' dense."""
    case = recorded_case()
    case.bench.run(case.fresh)
    for name, value in values_of(case).items():
        last = name.split("/")[-1]
        if last in ("gain", "gamma", "moving_variance"):
            assert (value == 1).all(), name
        elif last in ("bias", "beta", "moving_mean") or last.endswith("_bias"):
            assert (value == 0).all(), name
        elif last == "kernel":
            limit = np.sqrt(6 / sum(value.shape))
            assert 0.7 * limit < np.abs(value).max() <= limit, name
        else:
            assert np.abs(value).max() <= 0.02 and 0 < value.std() < 0.0125, name
    assert isinstance(case.model, tf.keras.layers.Layer)
