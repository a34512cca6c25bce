"""measure speed and memory of training, attention, ranking

``bash run.sh bench [--suite=step|options|attention|scale|ranking|all] [--steps=N] [--model=dfar] ...``;
prints tables of ratios and writes ``bench.json`` and ``bench-*.csv``, ``.md``, ``.json``. Suites scale and
ranking take minutes.
"""

FLAGS = {
    "suite": ("step", "what to measure: step, options, attention, scale, ranking, or all"),
    "steps": (None, "measured steps of each kind; by default each suite's own number"),
    "output": (None, "folder for the results; results/ in the checkout if not given"),
}


def run(options):
    """Forwards to ``run_suites``."""
    from dfar_tf.bench.suites import run_suites

    run_suites(
        options.suite, options.hparams("amazon"), options.steps, options.output, options.command
    )
