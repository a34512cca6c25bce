"""read the released code's instance files, candidates included, into prepared arrays

``bash run.sh import-released --released=DIR --output=DIR [--name=NAME]``; then train on them with
``bash run.sh amazon --prepared=DIR``.
"""

from recommenders_utils.dataset.released import import_released
from recommenders_utils.errors import UserError

FLAGS = {
    "released": (None, "folder with train_dataA, valid_dataA and test_dataA (plain or .gz)"),
    "output": (None, "folder for the prepared arrays"),
}


def run(options):
    """Forwards to ``import_released`` and saves."""
    for flag in ("released", "output"):
        if not getattr(options, flag):
            raise UserError(f"--{flag} is needed: {FLAGS[flag][1]}.")
    name = options.given.get("name", "released files")
    import_released(options.released, name).save(options.output)
    print(f"prepared arrays: {options.output}")
