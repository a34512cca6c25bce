"""The released files written and read: by hand, against the recording, and what is refused."""

import gzip
import os
import pickle
import random
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from released_by_hand import released_files
from released_data_case import PICKLES, files, prepared, quiet, tiny_log, write_log  # noqa: F401 (a fixture)

from dfar_tf.cli import main
from dfar_tf.settings import merge_hparams
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.released.candidates import seed_of
from recommenders_utils.released.export import export_released
from recommenders_utils.released.instances import import_released
from recommenders_utils.released.vocabulary import count, number, vocabularies


def contents(folder):
    found = {}
    for name in os.listdir(str(folder)):
        with open(os.path.join(str(folder), name), "rb") as stream:
            found[name] = stream.read()
    return found


def expected_contents(rows, num_negatives=4, seed=3, min_item=2, min_user=3):
    texts, tables = released_files(rows, min_item, min_user, num_negatives, seed)
    found = {name: text.encode("utf-8") for name, text in texts.items()}
    for kind, table in tables.items():
        found[f"{kind}_vocab_cd.pkl"] = pickle.dumps(table, protocol=3)
    return found


def test_export_is_the_released_preparation_by_hand(tmp_path):
    store = prepared(tmp_path)
    names = export_released(store, str(tmp_path / "out"), quiet)
    found, expected = contents(tmp_path / "out"), expected_contents(tiny_log())
    assert sorted(names) == sorted(found) == sorted(expected)
    for name, content in expected.items():
        assert found[name] == content, name
    # The oracle reaches every case: disliked ends, both kinds of candidates, merged names.
    assert found["test_data_neg"] and found["test_dataA"] and found["train_data_pos"] == b""
    assert re.search(rb"^0\t", found["valid_dataA.before_neg_sampling"], re.M)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 14), st.integers(6, 16), st.integers(0, 50))
def test_export_of_any_log(tmp_path_factory, seed, users, items, draw_seed):
    rows = tiny_log(seed, users, items)
    try:
        expected = expected_contents(rows, 2, draw_seed)
    except (IndexError, ValueError):
        assume(False)
    folder = tmp_path_factory.mktemp("any")
    try:
        store = prepared(folder, rows, candidate_seed=draw_seed, valid_num_ngs=2, test_num_ngs=2)
    except UserError:
        assume(False)
    export_released(store, str(folder / "out"), quiet)
    assert contents(folder / "out") == expected


def test_import_gives_back_what_was_written(tmp_path):
    store = prepared(tmp_path)
    export_released(store, str(tmp_path / "out"), quiet)
    theirs = import_released(str(tmp_path / "out"), say=quiet)
    theirs.save(str(tmp_path / "saved"))
    loaded = SequenceStore.load(str(tmp_path / "saved"))
    names = export_released(loaded, str(tmp_path / "again"), quiet)
    written, again = contents(tmp_path / "out"), contents(tmp_path / "again")
    assert sorted(names) == sorted(again)
    # What lies between the ratings and the lines is not in the lines.
    assert set(written) - set(again) == {
        "amazon_review_recommendersA.csv",
        "preprocessed_output",
        "instance_outputA",
        "train_data_pos",
    }
    assert all(again[name] == written[name] for name in again)
    assert loaded.statistics() == store.statistics()
    assert vocabularies(loaded) == vocabularies(store)


def test_import_without_the_disliked_last_records(tmp_path):
    store = prepared(tmp_path)
    out = tmp_path / "out"
    export_released(store, str(out), quiet)
    (out / "test_data_neg").unlink()
    theirs = import_released(str(out), say=quiet)
    unknown = theirs.extras["unknown_last"]
    disliked = set(store.user_ids[store.extras["disliked_users"]])
    assert len(unknown) and set(theirs.user_ids[unknown]) == disliked
    assert len(theirs.items) == len(store.items) - len(unknown)
    # All but the unknown targets can be counted; the pickles say the rest.
    counted, kept = count(theirs), vocabularies(theirs)
    for kind in ("user", "category"):
        assert number(counted[kind]) == kept[kind] == vocabularies(store)[kind]
    missing = sum(count(store)["item"].values()) - sum(counted["item"].values())
    assert missing == len(unknown)
    for name in PICKLES:
        (out / name).unlink()
    theirs = import_released(str(out), say=quiet)
    with pytest.raises(UserError, match=r"no line for \d+ disliked last records; import them toge"):
        export_released(theirs, str(tmp_path / "again"), quiet)
    assert not (tmp_path / "again").exists() and not list(tmp_path.glob(".tmp*"))


def test_other_draws_and_splits_are_written_too(tmp_path):
    store = prepared(tmp_path, candidate_sampling="popularity")
    lines = []
    names = export_released(store, str(tmp_path / "out"), lines.append)
    assert "test_data_neg" not in names and "no test_data_neg" in lines[-1]
    found, expected = contents(tmp_path / "out"), expected_contents(tiny_log())
    for name in found:
        drawn = name.startswith(("valid_dataA", "test_dataA")) and "before" not in name
        assert (found[name] == expected[name]) or drawn, name
    store = prepared(tmp_path, split="ratio", split_ratio=[0.6, 0.2, 0.2])
    names = export_released(store, str(tmp_path / "ratio"), quiet)
    assert "preprocessed_output" not in names and "train_dataA" in names
    again = import_released(str(tmp_path / "ratio"), say=quiet)
    for split in ("train", "valid", "test"):
        assert len(again.splits[split]) == len(store.splits[split])


def test_seed_of_a_recorded_draw(tmp_path):
    store = prepared(tmp_path, candidate_seed=211)
    part = store.splits["valid"]
    order = [u for u in store.extras["user_order"] if u in part.users]
    rows = {user: row for user, row in zip(part.users, part.candidates) if row[1]}
    first = next(rows[user] for user in order if user in rows)
    assert seed_of(store, first) == 211
    assert seed_of(store, first, limit=200) is None


def test_too_few_items_to_draw_from(tmp_path):
    with pytest.raises(UserError, match="40 candidates besides the target cannot be drawn"):
        prepared(tmp_path, test_num_ngs=40)


def fields(folder, name, line):
    with open(os.path.join(folder, name), encoding="utf-8") as stream:
        return stream.read().split("\n")[line - 1].split("\t")


BAD_LINES = {
    "too few columns": (5, lambda f: f[:7], r"7 tab-separated columns, expected 9: label, user"),
    "unequal histories": (5, lambda f: [*f[:5], f[5] + ",1", *f[6:]], r"have \[\d+, .* entries"),
    "an unknown user": (1, lambda f: [f[0], "nobody", *f[2:]], "user 'nobody' is not in .*user_vo"),
    "an unknown item": (
        1,
        lambda f: [*f[:2], "nothing", *f[3:]],
        "target item 'nothing' is not in .*item_vocab_cd.pkl",
    ),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_stops_the_command_before_it_writes(files, tmp_path, kind, capsys):
    line, spoil, message = BAD_LINES[kind]
    # Unknown names in the only line of a user, so that no other line contradicts it first.
    folder = files()
    name = "train_dataA" if line == 5 else "valid_dataA"
    before = fields(folder, name, line)
    if line == 1:
        _keep_only_first_user(folder, before[1])
    files(name, line, "\t".join(before), "\t".join(spoil(before)))
    arguments = ["import-released", f"--released={folder}", f"--output={tmp_path / 'made'}"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and re.search(rf"{name}:\d+: ", error)
    assert not (tmp_path / "made").exists() and not list(tmp_path.glob(".tmp*"))


def _keep_only_first_user(folder, user):
    """Leaves of a user only its first validation line and all lines of the others."""
    for name in ("train_dataA", "test_dataA", "test_data_neg", "valid_dataA"):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as stream:
            lines = stream.readlines()
        own = [k for k, line in enumerate(lines) if line.split("\t")[1] == user]
        drop = set(own[1:] if name == "valid_dataA" else own)
        with open(path, "w", encoding="utf-8") as stream:
            stream.writelines(line for k, line in enumerate(lines) if k not in drop)
    for k in range(1, 6):
        os.remove(os.path.join(folder, f"test_dataA_group{k}"))


def test_groups_must_be_parts_of_the_test_file(files):
    folder = files()
    name = next(
        f"test_dataA_group{k}" for k in range(1, 6) if fields(folder, f"test_dataA_group{k}", 1)[0]
    )
    before = fields(folder, name, 2)
    files(name, 2, "\t".join(before[:3]), "\t".join([*before[:2], "elsewhere"]))
    with pytest.raises(
        UserError, match=rf"{name}:2: not the next line of test_dataA.*expected that of"
    ):
        import_released(folder, say=quiet)
    with open(os.path.join(folder, name), "w", encoding="utf-8"):
        pass
    with pytest.raises(UserError, match=rf"{name}:1: the line of .*test_dataA:\d+ is missing"):
        import_released(folder, say=quiet)


def test_vocabularies_come_together(files):
    folder = files()
    os.remove(os.path.join(folder, "user_vocab_cd.pkl"))
    with pytest.raises(UserError, match=r"found without user_vocab_cd\.pkl; expected all three"):
        import_released(folder, say=quiet)


def test_other_categories_are_not_written_again(files, tmp_path):
    folder = files()
    for name in os.listdir(folder):
        if not name.startswith(("train_dataA", "valid_dataA", "test_data")) or "before" in name:
            os.remove(os.path.join(folder, name))
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as stream:
            text = stream.read().replace("default_cat", "toys")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    store = import_released(folder, say=quiet)
    export_released(store, str(tmp_path / "again"), quiet)
    again = contents(tmp_path / "again")
    assert all(again[name] == content for name, content in contents(folder).items())
    assert "toys" in vocabularies(store)["category"]
    with open(os.path.join(folder, "test_dataA"), encoding="utf-8") as stream:
        text = stream.read().replace("\ttoys\t", "\tgames\t")
    with open(os.path.join(folder, "test_dataA"), "w", encoding="utf-8") as stream:
        stream.write(text)
    store = import_released(folder, say=quiet)
    with pytest.raises(UserError, match="several categories, which are not kept"):
        export_released(store, str(tmp_path / "third"), quiet)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    store = prepared(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match=r"mine: holds something other .*letter.txt"):
        export_released(store, str(mine), quiet)
    with pytest.raises(UserError, match="is a file, expected a folder"):
        export_released(store, str(mine / "letter.txt"), quiet)
    assert os.listdir(str(mine)) == ["letter.txt"]
    export_released(store, str(tmp_path / "out"), quiet)
    export_released(store, str(tmp_path / "out"), quiet)  # an earlier export is replaced
    arguments = ["import-released", f"--released={tmp_path / 'out'}", f"--output={mine}"]
    assert main(arguments) == 2 and os.listdir(str(mine)) == ["letter.txt"]


def test_commands_there_and_back(tmp_path, capsys):
    path = write_log(tiny_log(), tmp_path / "ratings.csv")
    flags = ["min_item_records=2", "min_user_records=3", "valid_num_ngs=4", "test_num_ngs=4"]
    flags += ["candidate_sampling=released", "candidate_seed=3", f"cache_dir={tmp_path / 'cache'}"]
    out, made = tmp_path / "a folder", tmp_path / "made"
    command = [
        "export-released",
        f"--ratings={path}",
        f"--output={out}",
        *(f"--{f}" for f in flags),
    ]
    assert main(command) == 0
    assert contents(out) == expected_contents(tiny_log())
    assert main(["import-released", f"--released={out}", f"--output={made}", "--name=tiny"]) == 0
    again = tmp_path / "again"
    assert main(["export-released", f"--prepared={made}", f"--output={again}"]) == 0
    assert contents(again)["valid_dataA"] == contents(out)["valid_dataA"]
    assert main(["export-released", f"--prepared={made}"]) == 2
    assert "--output is needed" in capsys.readouterr().err


def test_recorded_preparation_byte_for_byte(shared, tmp_path):
    """Every text file and vocabulary of the recorded preparation, draws included."""
    recorded = shared / "golden" / "preproc"
    data = merge_hparams(
        candidate_sampling="released", candidate_seed=0, cache_dir=str(tmp_path)
    ).data
    store = prepare(str(recorded / "ratings_Toys_and_Games.csv"), data, say=quiet)
    export_released(store, str(tmp_path / "out"), quiet)
    found, seen = contents(tmp_path / "out"), set()
    for path in recorded.iterdir():
        name = path.name.replace(".after_neg_sampling_seed0", "")
        if name.endswith((".json", ".npz")) or name.startswith("ratings"):
            continue
        assert found[name] == path.read_bytes(), name
        seen.add(name)
    assert seen == set(found)


def test_recorded_run_byte_for_byte(shared, tmp_path):
    """The whole run's files from its ratings; its negatives follow from seed 1."""
    recorded = shared / "released_run_toys"
    data = merge_hparams(
        candidate_sampling="released", candidate_seed=1, cache_dir=str(tmp_path)
    ).data
    store = prepare(str(shared / "data" / "amazon_toys_5core.tsv.gz"), data, say=quiet)
    export_released(store, str(tmp_path / "out"), quiet)
    found = contents(tmp_path / "out")
    for split in ("train", "valid", "test"):
        content = (recorded / f"{split}_dataA.gz").read_bytes()
        assert found[f"{split}_dataA"] == gzip.decompress(content)
    for name in PICKLES:
        assert found[name] == (recorded / name).read_bytes()


def test_every_python_draws_the_same():
    """What the released rows rest on: random's choice, shuffle and randint from one seed."""
    stream = random.Random(0)
    assert [stream.choice(range(97)) for _ in range(6)] == [49, 53, 5, 33, 65, 62]
    rows = list(range(9))
    stream.shuffle(rows)
    assert rows == [8, 0, 5, 1, 7, 2, 3, 4, 6] and stream.randint(0, 96) == 36
