"""Writes a SYNTHETIC log file and says what is in it."""

import os
import time

from dfar_tf.paths import in_checkout, shown
from recommenders_utils.errors import UserError
from recommenders_utils.synthetic.files import generate_like


def run_generate(like, output=None, scale="1", draw_seed="2023", log=print):
    """Writes the file and prints its shape.

    Args:
      like: whose shape, see ``generate_like``.
      output: the file; ``data/SYNTHETIC-<like>.csv`` if None. Its name has to begin with SYNTHETIC.
      scale: text of a number above 0 and at most 1.
      draw_seed: text of a whole number.
      log: takes lines to print.

    Returns:
      Path of the file.

    Raises:
      UserError: a bad value.
    """
    output = output or in_checkout(os.path.join("data", f"SYNTHETIC-{like}.csv"))
    name = os.path.basename(output)
    if not name.startswith("SYNTHETIC"):
        raise UserError(
            f"--output: {name!r} does not begin with SYNTHETIC, by which a generated file is known "
            f"wherever its numbers appear; call it SYNTHETIC-{name}"
        )
    try:
        scale, seed = float(scale), int(draw_seed)
    except ValueError:
        raise UserError(
            f"--scale={scale} --draw_seed={draw_seed}: expected a number above 0 and at most 1, and "
            "a whole number"
        ) from None
    if not 0 <= seed < 2**32:
        raise UserError(f"--draw_seed: {seed}, expected a whole number from 0 to 4294967295")
    started = time.time()
    log(f"generating a SYNTHETIC log in the shape of {like}")
    shape = generate_like(like, output, seed, scale)
    size = os.path.getsize(output) / 2**20
    log(
        f"written: {shown(output)}: SYNTHETIC, {shape['users']:,} users, {shape['items']:,} items, "
        f"{shape['records']:,} records, {shape['positive_share']:.1%} positive; {size:,.0f} MiB in "
        f"{time.time() - started:.0f} s"
    )
    return output
