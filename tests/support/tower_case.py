"""The prediction tower of a model, in numpy, on its candidates."""

from dfar_in_numpy import normalized, relu, within


def tower_of_candidates(rows, w):
    """The tower without features of the instance: [n, Z] -> [n]."""
    hidden = normalized(rows, within(w, "norm_candidate"), "batch")
    hidden = relu(hidden @ w["dense_candidate/kernel"] + w["dense_candidate/bias"])
    hidden = relu(hidden @ w["dense_1/kernel"] + w["dense_1/bias"])
    hidden = normalized(hidden, within(w, "norm_out"), "batch")
    return (hidden @ w["logit/kernel"] + w["logit/bias"])[:, 0]
