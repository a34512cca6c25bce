"""Pickles that would run code if a reader let them."""

import os
import pickle

from released_data_case import PICKLES, files, quiet  # noqa: F401 (a fixture)


class Hostile:
    """Makes a file when it is unpickled as usual."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def hostile(path, protocol=3):
    return pickle.dumps({"default_mid": 0, "a": Hostile(path)}, protocol=protocol)
