"""train a model on ShortVideo, kin of the paper's private log

``bash run.sh short-video --interactions=FILE [--protocol=noon] [--model=dfar] [--epochs=N] ...``
FILE is interaction.csv of ShortVideo (WWW 2025); `data short-video` says how to get it.
"""

FLAGS = {
    "run_dir": (None, "folder of the run; a new one under runs/ if not given"),
    "resume": (False, "resume the run in --run_dir"),
}
DATA = "short_video"
KEYS = (
    "interactions",
    "protocol",
    "min_item_records",
    "min_user_records",
    "model_type",
    "epochs",
    "learning_rate",
    "batch_size",
    "seed",
    "device",
)


def run(options):
    """Forwards to ``run_experiment`` with ``hparams/short_video.yaml``."""
    from dfar_tf.runs.data import require_log
    from dfar_tf.runs.run import run_experiment

    hparams = options.hparams("short_video")
    if not options.resume:
        hparams = hparams.replace(**require_log(options.given, "short_video", "short-video"))
    run_experiment(hparams, options.command, options.run_dir, options.resume, options.given)
