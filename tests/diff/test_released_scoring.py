"""load-released scores any released instance file."""

import csv

import numpy as np
import pytest
from graph import close
from released_case import released_hparams
from released_checkpoint_case import (
    ITEMS,
    LENGTH,
    SIZES,
    released_rows,
    released_variables,
    write,
)

from dfar_tf import cli
from dfar_tf.diff import checkpoint as released
from dfar_tf.estimator.scoring import score_batches
from recommenders_utils.released.rows import released_file_batches
from recommenders_utils.released.vocabulary import write_vocabulary


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write(tmp_path_factory.mktemp("released"), released_variables())


def lines_of_instances(number=7, seed=4):
    """Instance lines as the release writes them: targets with three negatives, histories 1 to T + 2."""
    state, lines = np.random.RandomState(seed), []
    for k in range(number):
        length = 1 + k % (LENGTH + 2)
        labels, items = state.randint(0, 2, length), state.randint(0, ITEMS + 4, length)
        history = [",".join(map(str, labels)), ",".join(f"i{item}" for item in items)]
        history += [",".join(["c"] * length), ",".join(map(str, range(length)))]
        for negative, item in enumerate(state.permutation(ITEMS + 4)[:4]):
            lines.append(
                "\t".join([str(int(not negative)), f"u{k}", f"i{item}", "c", "99", *history])
            )
    return lines


@pytest.fixture
def instance_file(tmp_path):
    (tmp_path / "test_dataA").write_text("\n".join(lines_of_instances()) + "\n")
    names = ["0", *(f"i{k}" for k in range(ITEMS - 1))]
    write_vocabulary(str(tmp_path / "item_vocab_cd.pkl"), "item", names)
    return tmp_path / "test_dataA"


def test_any_instance_file_is_scored(checkpoint, instance_file, tmp_path, capsys):
    """Line by line the same as rows with a history of their own; unknown items and long histories too."""
    output = tmp_path / "scores.csv"
    words = ["load-released", checkpoint, f"--file={instance_file}", f"--predictions={output}"]
    assert cli.main(words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "28 lines, figures as released" in printed
    with open(str(output)) as stream:
        written = list(csv.DictReader(stream))
    lines = instance_file.read_text().splitlines()
    items = {"0": 1, **{f"i{k}": k + 2 for k in range(ITEMS - 1)}}
    hparams = released_hparams(**SIZES)
    values = released.translate(released.read_variables(checkpoint), hparams, ITEMS, checkpoint)
    batches = [released_rows(lines, items, LENGTH)]
    (expected,) = score_batches(batches, values, hparams, ITEMS)
    close([float(row["score"]) for row in written], expected[:, 0], 1e-6)
    assert [row["label"] for row in written] == [line[0] for line in lines]
    assert [row["user"] for row in written] == [line.split("\t")[1] for line in lines]
    assert [int(row["instance"]) for row in written] == [k // 4 for k in range(28)]


def test_batches_of_a_file_are_the_same_whatever_their_size(instance_file):
    def flat(size):
        batches = released_file_batches(str(instance_file), ["i3", "i1"], LENGTH, size)
        return [np.concatenate([batch[key] for batch, _ in batches]) for key in ("candidates",)]

    whole = list(released_file_batches(str(instance_file), ["i3", "i1"], LENGTH))
    assert [batch["candidates"].shape for batch, _ in whole] == [(7, 4)]
    np.testing.assert_array_equal(flat(3), flat(500))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda file: file.write_text(""), "test_dataA: the file is empty"),
        (lambda file: file.write_text("1\tu\ti\n"), "test_dataA:1: 3 tab-separated columns"),
        (
            lambda file: file.write_text("1\tu\ti\tc\t9\t1,2\ta,b\tc,c\t1,2\n"),
            "test_dataA:1: label '2' in the label history",
        ),
        (
            lambda file: file.write_text("1\tu\ti\tc\t9\t1,0\ta,b,c\tc,c\t1,2\n"),
            "test_dataA:1: label, item, category and time history have [2, 3, 2, 2] entries",
        ),
        (lambda file: file.unlink(), "test_dataA: no such file"),
        (lambda file: (file.parent / "item_vocab_cd.pkl").unlink(), "no item_vocab_cd.pkl beside"),
        (
            lambda file: write_vocabulary(
                str(file.parent / "item_vocab_cd.pkl"), "item", list("abcdefghijklmn")
            ),
            "item_vocab_cd.pkl: 14 entries, but the checkpoint's item table has 11",
        ),
    ],
)
def test_a_bad_instance_file_is_refused(
    checkpoint, instance_file, tmp_path, capsys, spoil, message
):
    spoil(instance_file)
    output = tmp_path / "scores.csv"
    words = ["load-released", checkpoint, f"--file={instance_file}", f"--predictions={output}"]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not output.exists()
    assert cli.main(words[:3]) == 2
    assert "--file and --predictions go together" in capsys.readouterr().err
