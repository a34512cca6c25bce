"""train a model on KuaiRand's likes and hates

``bash run.sh kuairand [--interactions=FILE] [--model=dfar] [--epochs=N] ...``
FILE is a log of KuaiRand (with is_like and is_hate), or an extract with one column ``label``.
"""

FLAGS = {
    "run_dir": (None, "folder of the run; a new one under runs/ if not given"),
    "resume": (False, "resume the run in --run_dir"),
}
DATA = "kuairand"
KEYS = (
    "interactions",
    "min_item_records",
    "min_user_records",
    "model_type",
    "epochs",
    "learning_rate",
    "batch_size",
    "hidden_size",
    "seed",
    "device",
)


def run(options):
    """Forwards to ``run_experiment`` with ``hparams/kuairand.yaml`` and the log found."""
    from dfar_tf.runs.data import find_kuairand
    from dfar_tf.runs.run import run_experiment

    hparams = options.hparams("kuairand")
    if not options.resume:
        hparams = hparams.replace(**find_kuairand(options.given))
    run_experiment(hparams, options.command, options.run_dir, options.resume, options.given)
