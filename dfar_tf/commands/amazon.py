"""train and evaluate on Amazon Toys & Games or a ratings file

``bash run.sh amazon [--ratings=FILE] [--model=dfar] [--epochs=N] [--learning_rate=X] [--seed=N] ...``
"""

FLAGS = {
    "run_dir": (None, "folder of the run; a new one under runs/ if not given"),
    "resume": (False, "resume the run in --run_dir with its own settings; --epochs may be raised"),
}


def run(options):
    """Forwards to ``run_experiment`` with ``hparams/amazon.yaml``."""
    from dfar_tf.runs.run import run_experiment

    run_experiment(
        options.hparams("amazon"), options.command, options.run_dir, options.resume, options.given
    )
