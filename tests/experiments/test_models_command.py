"""The command models: every model in one table, its parameters counted as training counts them."""

import csv

import pytest
from dfar_case import ITEMS, USERS, model_hparams
from small import call

from dfar_tf.experiments.models import RECORDED, count_parameters, sizes_digest
from dfar_tf.models import get_model, model_names, untrained_names
from dfar_tf.runs.paper import paper_table1
from dfar_tf.settings import merge_hparams
from recommenders_utils.files import read_json


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    outcome = call("models", "--hidden_size=8", "--max_seq_length=5", f"--output={folder}")
    assert outcome.status == 0, outcome.err
    text = (folder / "models.csv").read_text(encoding="utf-8").splitlines()
    return outcome.out, list(csv.DictReader(line for line in text if not line.startswith("#")))


def test_every_model_is_listed(listed):
    out, rows = listed
    assert [row["model"] for row in rows] == model_names() and len(rows) >= 11
    for row in rows:
        model = get_model(row["model"])
        assert (row["title"], row["paper"], row["feedback"]) == (
            model.title,
            model.paper,
            model.feedback,
        )
        assert row["settings"] == f"hparams/model_{row['model']}.yaml"
        assert f"{int(row['parameters']):,}" in out
    assert "6,919 users and 28,695 items" in " ".join(out.split())


def test_untrained_models_have_a_part_of_their_own(listed):
    out, rows = listed
    part = out[out.index("untrained: fitted by counting") : out.index("settings: hparams/")]
    lines = [line for line in part.splitlines()[1:] if line and not line.startswith(" ")]
    assert [line.split()[0] for line in lines] == untrained_names()
    assert not {row["model"] for row in rows} & set(untrained_names())
    assert "Sarwar et al., WWW 2001" in part


def test_parameters_by_hand():
    """SINE of width 4, one block, K 2: tables, attention, norms, network, vectors, fusion."""
    hp = model_hparams("sine", hidden_size=4, max_seq_length=6, num_blocks=1)
    tables = (ITEMS + 1) * 4 + 6 * 4
    block = 4 * 4 * 4 + 2 * (4 + 4) + 2 * (4 * 4 + 4)
    assert count_parameters(hp, ITEMS, USERS) == tables + block + 2 * 4 + 4 + 8


def test_users_count_where_they_are_embedded():
    hp = model_hparams("caser")
    more = count_parameters(hp, ITEMS, USERS + 10) - count_parameters(hp, ITEMS, USERS)
    assert more == 10 * hp.hidden_size


def test_a_data_set_without_a_paper_column_is_refused(monkeypatch):
    outcome = call("models", "--data=protocol_paper")
    assert outcome.status == 2 and "paper_column is none" in outcome.err


def test_the_recorded_parameters_are_those_of_the_graphs():
    recorded, shape = read_json(RECORDED), paper_table1("amazon")
    for name in model_names():
        hparams = merge_hparams("amazon", model_type=name)
        sizes = shape["items"], shape["users"]
        found = recorded[sizes_digest(hparams, *sizes)]
        assert found == count_parameters(hparams, *sizes), (
            "run tests/support/data/record_parameters.py"
        )
