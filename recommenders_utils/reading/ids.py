"""Numbers raw ids by first appearance while a log is read part by part."""

import numpy as np
import pandas as pd


class GrowingVocabulary:
    """Raw ids in order of first appearance, over all parts so far.

    Attributes:
      ids: dict of raw id (str) -> code, in the order of the codes.
    """

    def __init__(self):
        self.ids = {}

    def __len__(self):
        return len(self.ids)

    def codes(self, column):
        """Numbers a part's ids.

        Args:
          column: [n] pandas Categorical Series, which the parser makes without a string a row, or any
            array of strings.

        Returns:
          int32 [n] codes, from 0; ids not seen before get the next ones.
        """
        if hasattr(column, "cat"):
            codes, found = pd.factorize(column.cat.codes.to_numpy())
            ids = column.cat.categories.to_numpy()[found]
        else:
            codes, ids = pd.factorize(np.asarray(column, object))
        known = self.ids
        # A part has far fewer ids than rows.
        numbers = [known.setdefault(each, len(known)) for each in ids]
        return np.array(numbers, np.int32)[codes]

    def array(self):
        """Unicode [I], the raw ids by code."""
        return np.array(list(self.ids), dtype=str)
