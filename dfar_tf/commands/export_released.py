"""write prepared data as the released code's files

``bash run.sh export-released --prepared=DIR|--ratings=FILE --output=DIR``; with
``--candidate_sampling=released --candidate_seed=N`` the negatives are also the released code's, as
after ``random.seed(N)``.
"""

from recommenders_utils.errors import UserError

FLAGS = {"output": (None, "folder for the files")}
KEYS = (
    "ratings",
    "prepared",
    "candidate_sampling",
    "candidate_seed",
    "min_item_records",
    "min_user_records",
)


def run(options):
    """Forwards to ``prepare_data`` and ``export_released``."""
    from dfar_tf.runs.steps import prepare_data
    from recommenders_utils.released.export import export_released

    if not options.output:
        raise UserError(f"--output is needed: {FLAGS['output'][1]}.")
    store, _ = prepare_data(options.hparams("amazon"), options.given)
    export_released(store, options.output)
