"""Figures that say what they show and do not make noise look like an effect."""

import numpy as np
import pytest

from dfar_tf.experiments import curves, figure4, plotting


@pytest.fixture(autouse=True)
def closed():
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def bars(axis):
    """x positions of each series' points."""
    return [list(container[0].get_xdata()) for container in axis.containers]


def test_panels_have_names_a_chance_line_and_bars_side_by_side():
    values = [(0.71, 0.02), (0.72, 0.02), (None, None)]
    panels = {"test AUC": {"a": values, "b": values, "c": values}}
    chance = {"test AUC": 0.5}
    figure = plotting.line_panels(panels, ["x", "y", "z"], x_label="length", chance=chance)
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("length", "test AUC")
    places = np.array(bars(axis))
    assert places.shape == (3, 2)
    assert (np.diff(places, axis=0) > 0.1).all() and (abs(places - [0, 1]) < 0.5).all()
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["chance", "a", "b", "c"]
    low, high = axis.get_ylim()
    assert low < 0.5 < 0.74 < high


@pytest.mark.parametrize("error", [0.0, 0.003, 0.1])
def test_noise_does_not_fill_the_axis(error):
    axis = plotting.new_figure()[1][0][0]
    values = [0.7000, 0.7001, 0.6999]
    plotting.honest_limits(axis, values, [error, None, error])
    low, high = axis.get_ylim()
    assert high - low >= max(0.05, 6 * error)
    assert low < min(values) - error and high > max(values) + error
    plotting.honest_limits(axis, [None], [None])  # nothing to show


def test_what_is_never_negative_gets_no_axis_below_0():
    axis = plotting.new_figure()[1][0][0]
    plotting.honest_limits(axis, [0.001, 0.007], [0.001, None])
    low, high = axis.get_ylim()
    assert low == 0 and high >= 0.05
    plotting.honest_limits(axis, [-0.01, 0.01])
    assert axis.get_ylim()[0] < -0.01


@pytest.mark.parametrize("words, degrees", [("x", 0), ("more than two years old", 30)])
def test_crowded_labels_are_tilted(words, degrees):
    figure = plotting.line_panels({"m": {"a": [(0.1, None)] * 3}}, [f"{words}\n17"] * 3)
    assert [text.get_rotation() for text in figure.axes[0].get_xticklabels()] == [degrees] * 3


def test_chance():
    assert plotting.chance_of("auc", None) == plotting.chance_of("gauc", 10) == 0.5
    assert plotting.chance_of("ndcg@10", None) is None
    ranks = np.arange(1, 11)
    assert plotting.chance_of("mrr@10", 10) == pytest.approx(np.mean(1 / ranks))
    assert plotting.chance_of("mrr@2", 4) == pytest.approx((1 + 0.5) / 4)
    assert plotting.chance_of("ndcg@10", 10) == pytest.approx(np.mean(1 / np.log2(ranks + 1)))
    assert plotting.chance_of("hit@5", 10) == 0.5
    assert plotting.chance_of("logloss", 10) is None


def test_a_title_has_data_and_seeds():
    about = {"data": "Toys", "seeds": [1, 2]}
    title = "Figure 5, test, 2 seed(s), on Toys; loss log_loss\nprotocol"
    assert plotting.figure_title(title, about) == "Figure 5, Toys, seeds 1, 2"
    assert plotting.figure_title("Learning curves", {"data": "X", "seeds": [7]}) == (
        "Learning curves, X, seed 7"
    )


def test_curves_have_whole_epochs_and_both_names():
    epochs = [
        {"epoch": n, "train_loss": 0.3, "train_terms": {}, "validation": {"auc": 0.7}}
        for n in (1, 2, 3)
    ]
    figure = curves._draw([{"name": "a run", "epochs": epochs}], [], ["auc"])
    figure.canvas.draw()
    for axis, name in zip(figure.axes, ("loss", "validation AUC")):
        assert (axis.get_xlabel(), axis.get_ylabel()) == ("epoch", name)
        assert all(float(tick).is_integer() for tick in axis.get_xticks())
    assert figure.axes[1].get_ylim()[0] < 0.5


def test_the_maps_of_figure_4_share_one_scale_and_a_ratio():
    attention = np.array([[0.1, 0.2], [0.3, 0.4]])
    pairs = np.array([[0.0, 0.1], [0.3, 0.6]])
    found = {"attention": attention, "pairs": pairs, "transitions": pairs}
    figure = figure4.draw_shares([found])
    *shares, ratio = figure.axes
    assert {axis.images[0].get_clim() for axis in shares} == {(0, 0.6)}
    assert len(shares) == 3
    shown = [text.get_text() for text in ratio.texts]
    assert shown == ["nan", "2.00", "1.00", "0.67"]
    low, high = ratio.images[0].get_clim()
    assert low == -high
    assert all(axis.get_xlabel() and axis.get_ylabel() and axis.get_title() for axis in figure.axes)
