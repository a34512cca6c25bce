"""Where the tests find the checkout and the recorded data."""

import pathlib

SUPPORT = pathlib.Path(__file__).resolve().parent
CHECKOUT = SUPPORT.parent.parent
HPARAMS = CHECKOUT / "hparams"
DATA = SUPPORT / "data"
