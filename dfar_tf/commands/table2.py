"""the paper's Table 2: train every model and compare them

``bash run.sh table2 [--data=amazon] [--seeds=3] [--models=din,dfar] [--loss=softmax] [--tune]
...``. Trained cells are kept under ``runs/cells/`` and not trained again; after Ctrl-C, the same
command resumes.
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/"),
    "seeds": ("3", "number of seeds, starting at --seed or 1"),
    "models": (
        None,
        "models, comma-separated, untrained ones too; all of Table 2 and SINE if not given",
    ),
    "tune": (False, "first select each model's settings on validation, within --budget"),
    "budget": (
        "learning_rate=0.0001,0.001,0.003;embed_l2=0.000001,0.0001",
        "settings that --tune tries for each model: every combination, with the first seed",
    ),
    "output": (None, "folder of the CSV, Markdown and JSON; results/ if not given"),
}


def run(options):
    """Forwards to ``run_table2``; returns 1 if a cell failed."""
    from dfar_tf.experiments.table2 import run_table2

    return run_table2(
        options.data,
        options.given,
        options.models,
        options.seeds,
        options.tune,
        options.budget,
        options.command,
        options.output,
    )
