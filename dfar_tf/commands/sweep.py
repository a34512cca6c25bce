"""train a model at every point of a grid of hyper-parameters

``bash run.sh sweep --grid="num_heads=2,4,8;hidden_size=16,32,64" [--model=dfar] [--seeds=1] ...``
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/"),
    "grid": (None, "key=value,value;key=value,...: every combination is trained"),
    "seeds": ("1", "number of seeds, starting at --seed or 1"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}


def run(options):
    """Forwards to ``run_sweep``; returns 1 if a cell failed."""
    from dfar_tf.experiments.sweep import run_sweep

    return run_sweep(
        options.data, options.given, options.grid, options.seeds, options.command, options.output
    )
