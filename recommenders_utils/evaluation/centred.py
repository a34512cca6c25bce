"""AUC without the instances' offsets, which a softmax over an instance's candidates leaves free."""

import numpy as np
import pandas as pd

from recommenders_utils.evaluation.metrics import cal_metric


def centred_auc(frame: pd.DataFrame) -> float:
    """AUC of logits from each of which the mean of its instance is taken away.

        z'_ij = z_ij - mean_j z_ij,    z = log(p / (1 - p))

    A softmax over the candidates j of an instance i is the same for z and z + c_i, so that training by it
    does not decide c_i. AUC compares candidates of different instances and depends on c_i; this does not.

    Args:
      frame: columns instance, label (0 or 1) and score (a probability p, the sigmoid of a logit; what is
        nearer to 0 or 1 than 6e-8, as float32 tells scores from 1, counts as that near).

    Returns:
      The AUC over all rows, NaN where every label is the same.

    Raises:
      UserError: a label other than 0 and 1; a score that is not finite.
    """
    limit = np.finfo(np.float32).eps / 2
    score = frame["score"].to_numpy(np.float64).clip(limit, 1 - limit)
    logit = pd.Series(np.log(score) - np.log1p(-score), index=frame.index)
    centred = logit - logit.groupby(frame["instance"]).transform("mean")
    return cal_metric(frame["label"].to_numpy(), centred.to_numpy(), ["auc"])["auc"]
