"""The example notebook: its structure, its stored outputs, and all of its code in a fresh process."""

import json
import os
import re
import subprocess
import sys

import notebook_runner as notebooks
import pytest
from places import CHECKOUT, SUPPORT

PATH = CHECKOUT / "examples" / "kuairand.ipynb"
OUTPUTS = {
    "stream": {"output_type", "name", "text"},
    "execute_result": {"output_type", "execution_count", "data", "metadata"},
}


@pytest.fixture(scope="module")
def stored():
    return notebooks.read(str(PATH))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Each code cell's text, made by a process that has run nothing else, in an empty folder."""
    folder = tmp_path_factory.mktemp("notebook")
    environ = dict(
        os.environ, PYTHONPATH=str(CHECKOUT), TMPDIR=str(folder), CUDA_VISIBLE_DEVICES=""
    )
    command = [sys.executable, str(SUPPORT / "notebook_runner.py"), str(PATH)]
    done = subprocess.run(command, cwd=str(folder), env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return [notebooks.text_of({"outputs": made}) for made in json.loads(done.stdout.decode())]


def test_structure(stored):
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 4)
    assert stored["metadata"]["kernelspec"] == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for cell in stored["cells"]:
        more = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "metadata", "source"} | more
        assert cell["cell_type"] in ("code", "markdown") and cell["metadata"] == {}
        lines = cell["source"]
        assert lines and all(line.endswith("\n") for line in lines[:-1])
        assert not lines[-1].endswith("\n")
    for number, cell in enumerate(notebooks.code_cells(stored), 1):
        assert cell["execution_count"] == number
        for output in cell["outputs"]:
            assert set(output) == OUTPUTS[output["output_type"]]


def test_a_fresh_process_prints_what_is_stored_but_for_the_numbers(stored, outputs):
    kept = [notebooks.text_of(cell) for cell in notebooks.code_cells(stored)]
    assert list(map(without_numbers, outputs)) == list(map(without_numbers, kept))
    assert [text == "" for text in kept].count(True) == 1  # the cell that closes the run


def without_numbers(text):
    return re.sub(r"\s+", " ", re.sub(r"-?\d+(?:,\d{3})*(?:\.\d+)?", "#", text))


def test_numbers_are_said_to_be_synthetic(stored, outputs):
    assert "SYNTHETIC" in "".join(stored["cells"][0]["source"])
    kept = [notebooks.text_of(cell) for cell in notebooks.code_cells(stored)]
    for text in [*kept, *outputs]:
        assert "SYNTHETIC" in text or not re.search("[0-9]", text)


def test_the_model_learns_what_is_planted(stored, outputs):
    kept = [notebooks.text_of(cell) for cell in notebooks.code_cells(stored)]
    for texts in (kept, outputs):
        (auc,) = re.findall(r"^auc +[\d.]+ +([\d.]+)$", "".join(texts), re.M)
        assert float(auc) > 0.65


def test_flipped_labels_change_the_list(outputs):
    (text,) = [text for text in outputs if "liked disliked" in without_numbers(text)]
    pairs = re.findall(r"(v\d+) +(v\d+)", text)
    assert len(pairs) == 5 and {a for a, _ in pairs} != {b for _, b in pairs}
