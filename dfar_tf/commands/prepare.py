"""prepare a ratings file, or any log, and print Table 1's row for it

``bash run.sh prepare [--ratings=FILE | --interactions=FILE [--adapter=NAME]]
[--min_item_records=N] [--split=last_day] ...``
"""

from dfar_tf.experiments.pipeline import prepare_data

FLAGS = {}


def run(options):
    """Forwards to ``prepare_data``."""
    from dfar_tf.experiments.logs import dataset_of

    dataset = dataset_of(options.given) if options.given.get("interactions") else "amazon"
    prepare_data(options.hparams(dataset), options.given)
