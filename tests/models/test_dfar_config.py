"""DFAR's names, sizes, ablations and refusals."""

import dfar_case
import numpy as np
import pytest
from dfar_case import ITEMS, Case, batch
from graph import Bench

from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.models import get_model, make_model, model_names
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

# A checkpoint's interface: a name that changes here makes older checkpoints unreadable. D 8, H 2, K 4.
ATTENTION = {
    "query_kernel": [8, 2, 4],
    "key_kernel": [8, 2, 4],
    "value_kernel": [8, 2, 4],
    "output_kernel": [4, 4, 8],
}
AGGREGATION = {
    "dense_query/kernel": [8, 7],
    "dense_query/bias": [7],
    "dense_key/kernel": [8, 7],
    "mlp/dense_0/kernel": [7, 8],
    "mlp/dense_0/bias": [8],
}
TOWER = {
    "dense_instance/kernel": [16, 9],
    "dense_candidate/kernel": [16, 9],
    "dense_candidate/bias": [9],
    "dense_1/kernel": [9, 5],
    "dense_1/bias": [5],
    "logit/kernel": [5, 1],
    "logit/bias": [1],
    **{
        f"norm_{place}/{name}": [width]
        for place, width in (("instance", 16), ("candidate", 16), ("out", 5))
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    },
}
BLOCK = {  # what a Transformer block adds
    **{f"norm_{place}/{name}": [8] for place in ("in", "mid", "out") for name in ("gamma", "beta")},
    **{f"dense_{place}/kernel": [8, 8] for place in ("inner", "outer")},
    **{f"dense_{place}/bias": [8] for place in ("inner", "outer")},
}
DECOUPLERS = [f"decoupler_block_{side}/decoupler_{side}" for side in ("negative", "positive")]


def expected_variables(attention=ATTENTION):
    named = {"item_embedding": [ITEMS + 1, 8], "label_embedding": [2, 8]}
    groups = {"encoder_block/encoder": attention}
    groups.update({name: attention for name in DECOUPLERS})
    for side in ("negative", "positive"):
        groups.update({"aggregation_" + side: AGGREGATION, "tower_" + side: TOWER})
    for prefix, group in groups.items():
        named.update({f"{prefix}/{name}": shape for name, shape in group.items()})
    return named


def variables(**overrides):
    """{name: shape} of all variables of a graph in which the model was applied three times."""
    with Bench():
        case = Case(None, dfar_case.hparams(**overrides))
        case.outputs(training=True)
        case.outputs(training=False)
        case.outputs(training=True, share_history=False)
        found = {v.name: v.shape.as_list() for v in tf.global_variables()}
        assert found == {v.name: v.shape.as_list() for v in case.model.weights}
        assert all(name.endswith(":0") for name in found)
    return {name[:-2]: shape for name, shape in found.items()}


def test_names_and_shapes_are_these():
    assert variables() == expected_variables()


def test_options_add_their_variables_and_no_others():
    expected = dict(expected_variables(), position_embedding=[dfar_case.T, 8])
    blocks = ("encoder_block", "decoupler_block_negative", "decoupler_block_positive")
    expected.update({f"{b}/{name}": shape for b in blocks for name, shape in BLOCK.items()})
    assert variables(position_embedding=True, encoder_block="transformer") == expected


@pytest.mark.parametrize("ablation", ["fha", "mo"])
def test_attention_ablations_change_the_maps(ablation):
    """w/o FHA has H maps, so W_0 reads H * V = D rows; w/o MO keeps H * H."""
    rows = 2 if ablation == "fha" else 4
    attention = dict(ATTENTION, output_kernel=[rows, 4, 8])
    assert variables(ablation=ablation) == expected_variables(attention)


def heads_of(ablation):
    with Bench():
        model = make_model(dfar_case.hparams(ablation=ablation), ITEMS)
        names = type(model.encoder.attention).__name__, model.masked
        return (*names, *(type(d.attention).__name__ for d in model.decouplers.values()))


def test_ablations_leave_out_their_part_and_no_other():
    plain, masked = "FactorizationHeadsAttention", "FeedbackAwareFactorizationHeadsAttention"
    whole = (masked, True, plain, plain)
    assert [heads_of(a) for a in ("none", "idl", "ibl")] == [whole] * 3
    assert heads_of("mo") == (plain, False, plain, plain)
    assert heads_of("fha") == ("MultiHeadAttention", False) + ("MultiHeadAttention",) * 2


@pytest.mark.parametrize("ablation", ["idl", "ibl", "mo"])
def test_loss_ablations_and_what_they_leave_without_gradient(ablation):
    with Bench() as bench:
        hp = dfar_case.hparams(ablation=ablation, activation="tanh", encoder_block="residual")
        case = Case(bench, hp)
        outputs = case.outputs(training=True)
        terms = loss_terms(case.model, outputs, case.features)
        loss = tf.add_n([weight * value for weight, value in terms.values()])
        variables = case.model.trainable_weights
        gradients = tf.gradients(loss, variables)
        assert None not in gradients
        bench.randomize(case.model.weights)
        gradients = case.run([tf.norm(tf.convert_to_tensor(g)) for g in gradients], batch())
    weights = {name: weight for name, (weight, _) in terms.items()}
    expected = {"main": 1, "bpr": 0.1, "disentangle": 0.2}
    expected.update({"idl": {"disentangle": 0}, "ibl": {"bpr": 0}}.get(ablation, {}))
    assert weights == expected
    largest = {}
    for variable, gradient in zip(variables, gradients):
        part = variable.name.split("/")[0]
        largest[part] = max(gradient, largest.get(part, 0))
    # Without Eq. 21 nothing asks the negative tower for anything.
    untrained = {part for part, value in largest.items() if value < 1e-7}
    assert untrained == ({"tower_negative"} if ablation == "ibl" else set())


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(UserError, match=r"num_heads: 3 .* hidden_size 8"):
        make_model(dfar_case.hparams(num_heads=3), ITEMS)


def test_odd_heads_are_refused_where_the_label_mask_halves_them():
    odd = {"num_heads": 3, "hidden_size": 12}
    for ablation in ("none", "idl", "ibl"):
        with pytest.raises(UserError, match=r"num_heads: 3 is odd.*--ablation=mo"):
            make_model(dfar_case.hparams(ablation=ablation, **odd), ITEMS)
    for ablation in ("mo", "fha"):
        with Bench():
            assert make_model(dfar_case.hparams(ablation=ablation, **odd), ITEMS).masked is False


def test_models_are_found_by_name():
    assert "dfar" in model_names()
    assert not {"base", "baseline"} & set(model_names())
    assert get_model("dfar").__name__ == "DFAR"
    with pytest.raises(UserError, match=r"'dfra'.*did you mean dfar"):
        get_model("dfra")
    with pytest.raises(UserError, match=r"unknown model 'zzzzz'; the names are .*dfar"):
        get_model("zzzzz")


def test_initial_embeddings_follow_init_stddev():
    with Bench() as bench:
        model = make_model(dfar_case.hparams(init_stddev=0.25, hidden_size=32), 400)
        bench.initialize()
        table = bench.run(model.item_embedding)
    assert table.shape == (401, 32) and np.abs(table).max() <= 0.5
    assert 0.2 < table.std() < 0.25  # a normal cut at two deviations has 0.88 of its spread


@pytest.mark.parametrize(
    "options, message",
    [
        ({"train_targets": "positive"}, "train_targets: positive leaves the disliked ones out"),
        ({"share_history": False}, "share_history: false"),
    ],
)
def test_observed_bpr_labels_need_disliked_targets_with_their_feedback(options, message):
    hp = dfar_case.hparams(bpr_labels="feedback", **options)
    with pytest.raises(UserError, match=message):
        make_model(hp, ITEMS)
    make_model(hp.replace(bpr_labels="train"), ITEMS)


def test_the_losses_weights_are_the_papers_on_each_log():
    """Appendix A.4: 1e-3 on Amazon, 1e-2 on the micro-video log; a flag overrides either."""
    for dataset, weight in (("amazon", 1e-3), ("micro_video", 1e-2)):
        hp = merge_hparams(dataset, model_type="dfar")
        assert (hp.lambda_bpr, hp.lambda_d) == (weight, weight)
    assert merge_hparams("micro_video", model_type="dfar", lambda_d="0.5").lambda_d == 0.5
    assert "lambda_bpr" not in merge_hparams("micro_video", model_type="din")
