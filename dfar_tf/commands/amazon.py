"""train and evaluate on Amazon Toys & Games or a ratings file

``bash run.sh amazon [--ratings=FILE | --category=Beauty] [--model=dfar] [--epochs=N] [--seed=N] ...``
"""

FLAGS = {
    "category": (None, "another category of Amazon's ratings of 2014, such as Beauty"),
    "run_dir": (None, "folder of the run; a new one under runs/ if not given"),
    "resume": (False, "resume the run in --run_dir with its own settings; --epochs may be raised"),
}


def run(options):
    """Forwards to ``run_experiment`` with ``hparams/amazon.yaml``."""
    from dfar_tf.runs.data_sets import ratings_of
    from dfar_tf.runs.run import run_experiment

    hparams = options.hparams("amazon")
    if options.category and not options.resume:
        hparams = hparams.replace(**ratings_of(options.category, options.given))
    run_experiment(hparams, options.command, options.run_dir, options.resume, options.given)
