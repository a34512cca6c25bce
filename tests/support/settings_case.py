"""Hyper-parameters by attribute and by ``values()``, for code that needs no schema."""


class Settings:
    """``Settings(seed=3).seed`` and ``.values()``."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def values(self):
        return dict(self.__dict__)
