"""The benchmark's suites by name."""

from dfar_tf.bench.attention import bench_attention
from dfar_tf.bench.options import bench_options
from dfar_tf.bench.ranking import bench_ranking
from dfar_tf.bench.retrieval import bench_retrieval
from dfar_tf.bench.scale import bench_scale
from dfar_tf.bench.steps import run_bench
from dfar_tf.runs.grid import positive_number
from recommenders_utils.errors import UserError

SUITES = {
    "step": run_bench,
    "options": bench_options,
    "attention": bench_attention,
    "scale": bench_scale,
    "ranking": bench_ranking,
    "retrieval": bench_retrieval,
}


def run_suites(suite, hparams, steps=None, output=None, command=""):
    """Runs one suite, or all of them one after the other.

    Args:
      suite: a name of ``SUITES``, or ``all``.
      hparams: the merged hyper-parameters.
      steps: measured steps; each suite's own number if None.
      output: folder of the results; ``results/`` in the checkout if None.
      command: the command line, for the record.

    Raises:
      UserError: an unknown suite, or ``steps`` that is not a positive whole number.
    """
    if suite != "all" and suite not in SUITES:
        raise UserError(f"--suite: {suite!r} is none of {', '.join(SUITES)}, all.")
    more = {} if steps is None else {"steps": positive_number(steps, "steps")}
    for name in SUITES if suite == "all" else [suite]:
        SUITES[name](hparams, output=output, command=command, **more)
