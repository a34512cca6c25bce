"""Which feedback a recommendation is based on: the head pairs' attention in one history."""

import numpy as np

FEEDBACK = ("negative", "positive")


def head_groups(run, arrays):
    """The shares of the encoder's attention between feedbacks in one history.

    As in Figure 4 the weights counted are those on pairs (query record, key record) whose feedback the
    head pair stands for (Eq. 11).

    Args:
      run: ``dfar_tf.serving.api.Run``.
      arrays: of one history, as ``Scorer.encode`` takes them.

    Returns:
      dict of "query > key", as in "negative > positive", to a dict of ``attention`` and ``pairs``: the share
      of the attention, and of the pairs of records (the base rate). None where the model's heads stand for
      no feedback (ablations fha and mo) or the history has no known item.
    """
    if not run.scorer.has_heads:
        return None
    weights = run.scorer.head_attention(arrays)[0].astype(np.float64)  # [H, H, T, T]
    mask, labels = arrays["history_mask"][0], arrays["history_labels"][0]
    liked = labels >= run.vocabulary.threshold
    is_of = np.stack([~liked * mask, liked * mask])  # [2, T]
    half = len(weights) // 2
    by_group = weights.reshape(2, half, 2, half, *weights.shape[2:]).sum((1, 3))  # [2, 2, T, T]
    attention = np.einsum("ijqk,iq,jk->ij", by_group, is_of, is_of)
    pairs = np.einsum("iq,jk->ij", is_of, is_of)
    if not attention.sum():
        return None
    return {
        f"{FEEDBACK[i]} > {FEEDBACK[j]}": {
            "attention": float(attention[i, j] / attention.sum()),
            "pairs": float(pairs[i, j] / pairs.sum()),
        }
        for i, j in np.ndindex(2, 2)
    }
