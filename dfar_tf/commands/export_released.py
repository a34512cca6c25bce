"""write prepared data as the released code's text files and vocabularies

``bash run.sh export-released --prepared=DIR|--ratings=FILE --output=DIR``; with
``--candidate_sampling=released --candidate_seed=N`` the negatives are also the released code's, as
after ``random.seed(N)``.
"""

from dfar_tf.runs.steps import prepare_data
from recommenders_utils.errors import UserError
from recommenders_utils.released.export import export_released

FLAGS = {"output": (None, "folder for the files")}


def run(options):
    """Forwards to ``prepare_data`` and ``export_released``."""
    if not options.output:
        raise UserError(f"--output is needed: {FLAGS['output'][1]}.")
    store, _ = prepare_data(options.hparams("amazon"), options.given)
    export_released(store, options.output)
