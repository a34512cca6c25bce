"""The codes of the items' features, from the store into the model's variable."""

import numpy as np

from recommenders_utils.backend import tf
from recommenders_utils.dataset.features import CODES, KNOWN

VARIABLE = "item_codes"


def feature_hooks(store):
    """``[ItemCodesHook]`` if a store has features, else ``[]``."""
    return [ItemCodesHook(item_codes(store))] if CODES in store.extras else []


def item_codes(store):
    """int64 [I + 1, 1 + F]: whether each item is known, and its codes; row 0 is padding's."""
    table = np.concatenate([store.extras[KNOWN][:, None], store.extras[CODES]], 1)
    return np.concatenate([np.zeros_like(table[:1]), table]).astype(np.int64)


class ItemCodesHook(tf.estimator.SessionRunHook):
    """Gives the model the codes whenever a session begins; its checkpoints have them from then on.

    Args:
      codes: as of ``item_codes``.
    """

    def __init__(self, codes):
        self.codes = codes

    def begin(self):
        """Finds the variable."""
        (self.variable,) = (v for v in tf.global_variables() if v.op.name.endswith(VARIABLE))

    def after_create_session(self, session, coord):
        """Sets it, on each device that has a copy."""
        for copy in getattr(self.variable, "values", None) or [self.variable]:
            copy.load(self.codes, session)
