"""list the models: paper, parameters, how each uses feedback

``bash run.sh models [--data=amazon] [--output=DIR]``; parameters at the default sizes, for Table 1's log.
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/ whose paper_column gives users and items"),
    "output": (None, "folder of models.csv, .md and .json; nothing is written if not given"),
}
KEYS = (
    "hidden_size",
    "max_seq_length",
    "num_heads",
)


def run(options):
    """Forwards to ``run_models``."""
    from dfar_tf.experiments.models import run_models

    run_models(options.data, options.given, options.command, options.output)
