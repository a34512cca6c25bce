"""read the released code's instance files

``bash run.sh import-released --released=DIR --output=DIR [--name=NAME]``; then train on them with
``bash run.sh amazon --prepared=DIR``. Length groups, test_data_neg and vocabularies are read if there.
"""

import os

from recommenders_utils.errors import UserError

FLAGS = {
    "released": (None, "folder with train_dataA, valid_dataA and test_dataA (plain or .gz)"),
    "output": (None, "folder for the prepared arrays"),
}
KEYS = ("name",)


def run(options):
    """Forwards to ``import_released`` and saves."""
    from recommenders_utils.released.instances import import_released

    for flag in ("released", "output"):
        if not getattr(options, flag):
            raise UserError(f"--{flag} is needed: {FLAGS[flag][1]}.")
    output = options.output
    if os.path.isdir(output) and os.listdir(output) and not _is_prepared(output):
        raise UserError(f"{output}: holds something other than prepared arrays; give a new folder.")
    name = options.given.get("name", "released files")
    import_released(options.released, name).save(output)
    print(f"prepared arrays: {output}")


def _is_prepared(folder):
    return os.path.isfile(os.path.join(folder, "meta.json"))
