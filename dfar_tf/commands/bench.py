"""measure speed and memory of training, attention and ranking

``bash run.sh bench [--suite=NAME] [--steps=N] ...``, NAME one of step, options, attention, scale, batches,
ranking, retrieval and all; prints tables of ratios and writes ``bench.json`` and ``bench-*.csv``, ``.md``,
``.json``. Suites scale, batches, ranking and retrieval take minutes.
"""

FLAGS = {
    "suite": (
        "step",
        "what to measure: step, options, attention, scale, batches, ranking, retrieval, or all",
    ),
    "models": (
        None,
        "models of the suites ranking and retrieval, comma-separated; all if not given",
    ),
    "variants": (
        None,
        "variants of the suite options beside the defaults, comma-separated, such as "
        "mixed_precision,xla_all_positions; all if not given",
    ),
    "steps": (None, "measured steps of each kind; by default each suite's own number"),
    "output": (None, "folder for the results; results/ in the checkout if not given"),
}


def run(options):
    """Forwards to ``run_suites``."""
    from dfar_tf.bench.suites import run_suites

    run_suites(
        options.suite,
        options.hparams("amazon"),
        options.steps,
        options.output,
        options.command,
        options.models,
        options.variants,
    )
