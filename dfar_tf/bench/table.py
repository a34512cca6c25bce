"""The step suite's table, and the released code's figures that it is compared with."""

import os

from recommenders_utils.backend import tf
from recommenders_utils.tables import format_table

# Recorded once from the released code on a log of this shape: TensorFlow 1.15.0, two CPU cores,
# batch 200, 9 negatives, T 20, D 32, H 2. Not measured by this command.
RELEASED = {
    "targets_per_second": 251,
    "prepare_seconds": 7.0,
    "peak_gib": 1.7,
    "test_seconds": 10.0,
}


def step_table(results):
    """The printed table of suite ``step``; ``results`` as ``run_bench`` returns them."""
    seconds, ab = results["seconds"], results["share_history"]
    rate, recorded = results["targets_per_second"], RELEASED

    def times(value):
        return f"{value:.1f} x"

    rows = [
        ["preparation, reading included", f"{results['prepare_seconds']:.2f} s",
         times(recorded["prepare_seconds"] / results["prepare_seconds"])],
        ["step: forward", f"{seconds['forward'] * 1e3:.1f} ms", ""],
        ["step: backward", f"{seconds['backward'] * 1e3:.1f} ms", ""],
        ["step: optimiser", f"{seconds['optimiser'] * 1e3:.1f} ms", ""],
        ["step, batches in memory", f"{seconds['step_from_memory'] * 1e3:.1f} ms", ""],
        ["step, input pipeline running", f"{seconds['step_with_input'] * 1e3:.1f} ms",
         f"{results['input_stall']:+.1%} of a step"],
        ["input: making a batch (beside the step)", f"{seconds['input'] * 1e3:.2f} ms",
         f"{results['input_share']:.1%} of a step"],
        ["training", f"{rate:,.0f} targets/s", times(rate / recorded["targets_per_second"])],
        ["test pass", f"{results['test_seconds']:.2f} s",
         times(recorded["test_seconds"] / results["test_seconds"])],
        ["peak memory, training", f"{results['peak_gib']:.2f} GiB",
         times(recorded["peak_gib"] / results["peak_gib"])],
        ["step, history encoded once", f"{ab['shared_seconds'] * 1e3:.1f} ms", ""],
        ["step, history encoded per candidate", f"{ab['repeated_seconds'] * 1e3:.1f} ms",
         times(ab["ratio"]) + " slower"],
        ["largest difference of their scores", f"{ab['largest_score_difference']:.1e}", ""],
    ]  # fmt: skip
    work = results["work"]
    ideal = work["executed"] / work["matrix_rate"]
    rows += [
        ["matrix rate of this machine", f"{work['matrix_rate'] / 1e9:.0f} GFLOP/s", ""],
        [f"products executed in a step, {work['executed'] / 1e9:.2f} GFLOP", f"{ideal * 1e3:.1f} ms",
         f"step {work['step_to_executed']:.1f} x that"],
    ]  # fmt: skip
    if "padded" in work:
        ideal = work["padded"] / work["matrix_rate"]
        rows.append(
            [f"products of the equations, padding included, {work['padded'] / 1e9:.2f} GFLOP",
             f"{ideal * 1e3:.1f} ms", f"step {work['step_to_padded']:.1f} x that"]
        )  # fmt: skip
    title = (
        f"TensorFlow {tf.__version__}, {os.cpu_count()} cores, SYNTHETIC log of Table 1's shape, "
        f"{results['targets_per_step']} targets a step\n"
        "released: ratio to figures recorded once from the released code (251 targets/s, 7 s, "
        "10 s, 1.7 GB on two cores under TensorFlow 1.15.0), not measured by this command"
    )
    return format_table(["what", "measured", "ratio to released"], rows, title, "lrr")
