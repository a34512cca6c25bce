"""prepare a ratings file and print Table 1's row for it

``bash run.sh prepare [--ratings=FILE] [--min_item_records=N] [--split=last_day] ...``
"""

from dfar_tf.experiments.pipeline import prepare_data

FLAGS = {}


def run(options):
    """Forwards to ``prepare_data``."""
    prepare_data(options.hparams("amazon"), options.given)
