"""The benchmark's suites by name."""

from dfar_tf.bench.attention import bench_attention
from dfar_tf.bench.batches import bench_batches
from dfar_tf.bench.options import bench_options
from dfar_tf.bench.ranking import bench_ranking
from dfar_tf.bench.retrieval import bench_retrieval
from dfar_tf.bench.scale import bench_scale
from dfar_tf.bench.steps import run_bench
from dfar_tf.experiments.cells import compared_models
from dfar_tf.runs.grid import positive_number
from recommenders_utils.errors import UserError

SUITES = {
    "step": run_bench,
    "options": bench_options,
    "attention": bench_attention,
    "scale": bench_scale,
    "batches": bench_batches,
    "ranking": bench_ranking,
    "retrieval": bench_retrieval,
}


OF_MODELS = ("ranking", "retrieval")  # suites that go through the models


def run_suites(suite, hparams, steps=None, output=None, command="", models=None, variants=None):
    """Runs one suite, or all of them one after the other.

    Args:
      suite: a name of ``SUITES``, or ``all``.
      hparams: the merged hyper-parameters.
      steps: measured steps; each suite's own number if None.
      output: folder of the results; ``results/`` in the checkout if None.
      command: the command line, for the record.
      models: names, comma-separated, for a suite that goes through the models; all of them if None.
      variants: keys, comma-separated, for the suite ``options``; all of them if None.

    Raises:
      UserError: an unknown suite, model or variant, either for another suite, or ``steps`` that is not a
        positive whole number.
    """
    if suite != "all" and suite not in SUITES:
        raise UserError(f"--suite: {suite!r} is none of {', '.join(SUITES)}, all.")
    if models and suite not in OF_MODELS:
        raise UserError(
            f"--models: suite {suite} measures one model. Give --model=NAME, or --suite=ranking or retrieval."
        )
    if variants and suite != "options":
        raise UserError(f"--variants: suite {suite} has none. Give --suite=options.")
    more = {} if steps is None else {"steps": positive_number(steps, "steps")}
    if models:
        more["models"] = compared_models(models)
    if variants:
        more["wanted"] = variants
    for name in SUITES if suite == "all" else [suite]:
        SUITES[name](hparams, output=output, command=command, **more)
