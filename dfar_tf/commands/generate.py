"""write a SYNTHETIC log shaped like one of the paper's

``bash run.sh generate --like=micro_video [--output=FILE] [--scale=0.01] [--draw_seed=N]``
"""

import os

from dfar_tf.paths import in_checkout, shown

FLAGS = {
    "like": ("micro_video", "data set to imitate: amazon or micro_video (Table 1 of the paper)"),
    "output": (None, "the file; data/SYNTHETIC-<like>.csv in the checkout if not given"),
    "scale": ("1", "share of the users and items to generate, above 0 and at most 1"),
    "draw_seed": ("2023", "seed of all draws"),
}
KEYS = ()


def run(options):
    """Forwards to ``write_file``."""
    from recommenders_utils.synthetic.files import write_file

    usual = in_checkout(os.path.join("data", f"SYNTHETIC-{options.like}.csv"))
    write_file(options.like, shown(options.output or usual), options.scale, options.draw_seed)
