"""prepare Amazon Toys & Games, train and evaluate a model, print its table

``bash run.sh amazon [--ratings=FILE] [--model=dfar] [--epochs=N] [--learning_rate=X] [--seed=N] ...``
"""

from dfar_tf.runs.run import run_experiment

FLAGS = {
    "run_dir": (None, "folder of the run; a new one under runs/ if not given"),
    "resume": (False, "resume the run in --run_dir with its own settings; --epochs may be raised"),
}


def run(options):
    """Forwards to ``run_experiment`` with ``hparams/amazon.yaml``."""
    run_experiment(
        options.hparams("amazon"), options.command, options.run_dir, options.resume, options.given
    )
