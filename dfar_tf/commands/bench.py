"""measure speed and memory: step time by part, targets a second, history shared against repeated

``bash run.sh bench [--steps=N] [--model=dfar] ...``; prints a table and writes ``bench.json``.
"""

from dfar_tf.experiments.bench import run_bench

FLAGS = {
    "steps": ("60", "measured steps of each kind"),
    "output": (None, "folder for bench.json; results/ in the checkout if not given"),
}


def run(options):
    """Forwards to ``run_bench``."""
    run_bench(options.hparams("amazon"), options.steps, options.output, options.command)
