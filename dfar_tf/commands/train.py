"""train a model on any log of users, items, times and feedback

``bash run.sh train --interactions=FILE [--adapter=NAME|PATH.yaml] [--split=last_day] [--model=dfar] ...``
FILE is a CSV or TSV, plain or gzipped, or Parquet; a glob in quotes or several files with commas
between are one log. An adapter says what each column means; without one, the
columns decide. docs/data.md lists the adapters and shows how to write one.
``--init_from=RUN`` begins with the weights, items and settings of a run on an earlier state of the log.
"""

FLAGS = {
    "init_from": (None, "folder of a finished run to begin from: known items and users as learnt"),
    "run_dir": (None, "folder of the run; a new one under runs/ if not given"),
    "resume": (False, "resume the run in --run_dir with its own settings; --epochs may be raised"),
}
DATA = "interactions"
KEYS = (
    "interactions",
    "adapter",
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
    """Forwards to ``run_experiment`` with the adapter's hyper-parameters."""
    from dfar_tf.runs.data import dataset_of
    from dfar_tf.runs.run import run_experiment

    if options.init_from and not options.resume:
        from dfar_tf.runs.growth import Origin

        origin = Origin(options.init_from)
        dataset_of({"adapter": origin.hparams.adapter, **options.given})  # for what it refuses
        hparams = origin.settings(options.given)
    else:
        hparams = options.hparams(None if options.resume else dataset_of(options.given))
    run_experiment(
        hparams,
        options.command,
        options.run_dir,
        options.resume,
        options.given,
        init_from=options.init_from,
    )
