"""Records the models' parameters at the default sizes; run it when a model or a default changes.

python tests/support/data/record_parameters.py
"""

from dfar_tf.experiments.models import RECORDED, count_parameters, sizes_digest
from dfar_tf.models import model_names
from dfar_tf.runs.paper import paper_table1
from dfar_tf.settings import merge_hparams
from recommenders_utils.files import write_json


def counted():
    """``{sizes' digest: parameters}`` of each model, for both logs of the paper's Table 1."""
    found = {}
    for dataset in ("amazon", "micro_video"):
        shape = paper_table1(dataset)
        sizes = shape["items"], shape["users"]
        for name in model_names():
            hparams = merge_hparams(dataset, model_type=name)
            found[sizes_digest(hparams, *sizes)] = count_parameters(hparams, *sizes)
    return found


if __name__ == "__main__":
    write_json(RECORDED, counted())
