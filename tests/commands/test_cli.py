"""The command line: commands, flags, paths, and the order in which hyper-parameters are merged."""

import os
import pathlib
import subprocess
import sys

import pytest
from small import call

from dfar_tf import cli, manual, paths, settings
from dfar_tf.commands import command_names, get_command
from dfar_tf.runs import steps
from recommenders_utils.errors import UserError
from recommenders_utils.hparams import prepare_hparams

ROWS = "".join(
    f"u{user},i{(user + 3 * record) % 11},{1 + (user * (record + 1)) % 5},{1400000000 + 90000 * record}\n"
    for user in range(12)
    for record in range(6)
)
WHOLE = ("--min_item_records=0", "--min_user_records=0")


def options(*arguments):
    return cli.parse(get_command(arguments[0]), list(arguments))


def refused(*arguments):
    with pytest.raises(UserError) as caught:
        options(*arguments)
    return str(caught.value)


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(ROWS)
    return path


@pytest.mark.parametrize("name", command_names())
def test_a_commands_flags_and_hyper_parameters_are_apart(name):
    own = get_command(name).FLAGS
    assert not set(own) & (set(manual.schema()) | {"help", "model"})
    parsed = options(name)
    assert parsed.given == {}
    for flag, (default, _) in own.items():
        assert getattr(parsed, flag) == default


@pytest.mark.parametrize("words", [("metrics", "--help"), ()])
def test_a_readers_leaving_is_no_error(words):
    command = [sys.executable, "-m", "dfar_tf", *words]
    with subprocess.Popen(
        command, cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == cli.READER_LEFT


def test_no_command_lists_all_and_an_unknown_one_is_refused():
    names = ", ".join(sorted([*command_names(), "test"]))
    assert call().out.startswith("usage: bash run.sh COMMAND")
    for arguments, message in (
        (("amazom",), "error: unknown command 'amazom'; did you mean amazon?\n"),
        (("qqq",), f"error: unknown command 'qqq'; the names are {names}.\n"),
    ):
        outcome = call(*arguments)
        assert (outcome.status, outcome.out, outcome.err) == (2, "", message)


def test_commands_are_spelt_with_a_hyphen():
    assert "import-released" in command_names()
    assert get_command("import-released").__name__ == "dfar_tf.commands.import_released"


def test_an_unknown_flag_is_refused_with_the_nearest():
    hint = " amazon --help=all lists all flags."
    near = "Did you mean --epochs or --epoch_share?"
    assert refused("amazon", "--epochz=3") == "unknown flag 'epochz'. " + near + hint
    assert refused("amazon", "--qqqqqq=3") == "unknown flag 'qqqqqq'." + hint
    # A flag of another command is unknown here.
    assert (
        refused("prepare", "--resume")
        == "unknown flag 'resume'. prepare --help=all lists all flags."
    )


def test_words_without_dashes_are_refused():
    message = refused("amazon", "epochs=3")
    assert message == "unexpected word 'epochs=3'; flags are written --name=value."


def test_model_is_short_for_model_type():
    assert options("amazon", "--model=dfar").given == {"model_type": "dfar"}
    assert options("amazon", "--model_type=dfar").given == {"model_type": "dfar"}


def test_gpus_is_short_for_device():
    for given, device in (("0", "gpu:0"), ("0,1", "gpu:0,1"), ("02,1", "gpu:2,1")):
        assert options("amazon", f"--gpus={given}").given == {"device": device}
    assert options("table2", "--gpus=1").hparams("amazon").device == "gpu:1"


@pytest.mark.parametrize(
    "gpus", ["", "a", "0,", "0 1", "0;1", "-1", "0,0", "1,01", "gpu:0", "\u0662"]
)
def test_bad_numbers_of_gpus_are_refused(gpus):
    message = refused("amazon", f"--gpus={gpus}")
    assert message.startswith(f"--gpus={gpus}: expected different GPU numbers separated by commas")
    assert message.endswith("such as --gpus=0 or --gpus=0,1; for the CPU use --device=cpu.")


def test_gpus_and_device_are_not_both_given():
    message = refused("train", "--gpus=0,1", "--device=cpu")
    assert message == (
        "--gpus=0,1 and --device=cpu: give one of the two; --gpus=0,1 is short for --device=gpu:0,1."
    )


def test_flags_of_all_types():
    hparams = options(
        "amazon",
        "--position_embedding",
        "--noshare_history",
        "--show_progress=false",
        "--tower_layers=7,5",
        "--metrics=auc,mrr@5",
        "--learning_rate=2e-3",
        "--epochs",
        "3",
        "--ratings=null",
        "--pooling=mean",
    ).hparams("amazon")
    assert hparams.position_embedding is True
    assert hparams.share_history is False
    assert hparams.show_progress is False
    assert hparams.tower_layers == (7, 5)
    assert hparams.metrics == ("auc", "mrr@5")
    assert hparams.learning_rate == 0.002
    assert hparams.epochs == 3
    assert hparams.ratings is None
    assert hparams.pooling == "mean"


@pytest.mark.parametrize(
    "flag, signs",
    [
        ("--epochs=some", ("--epochs", "int", "'some'")),
        ("--epochs=0", ("--epochs", "0", "1")),
        ("--tower_layers=7,x", ("--tower_layers", "list of int", "'x'")),
        ("--dropout=-1", ("--dropout", ">= 0")),
        ("--split=first", ("--split", "leave_one_out, last_day, ratio")),
        ("--protocol=mine", ("--protocol", "released, paper")),
        ("--position_embedding=maybe", ("--position_embedding=maybe", "expected true or false")),
    ],
)
def test_a_bad_value_names_its_flag_and_what_was_expected(flag, signs):
    outcome = call("prepare", flag)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    for sign in signs:
        assert sign in outcome.err


def test_given_paths_are_the_callers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    given = options(
        "amazon", "--ratings=my log.csv", "--cache_dir=../cache", "--run_dir=~/runs/a", "--resume"
    )
    assert given.given["ratings"] == str(tmp_path / "my log.csv")
    assert given.given["cache_dir"] == str(tmp_path.parent / "cache")
    assert given.run_dir == "/home/somebody/runs/a"
    assert given.resume is True
    assert given.command == (
        "bash run.sh amazon '--ratings=my log.csv' --cache_dir=../cache '--run_dir=~/runs/a' --resume"
    )


def test_paths_are_shown_as_they_were_written(tmp_path, monkeypatch):
    here, other = tmp_path / "here", tmp_path / "out"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(paths, "_typed", {})
    absolute = str(other / "scores.csv")
    # Nobody wrote it: relative only where it is below the current folder.
    assert paths.shown(absolute) == absolute
    assert paths.shown(str(here / "a" / "b")) == os.path.join("a", "b")
    for text in (absolute, "../out/scores.csv", "../out/../out/scores.csv"):
        assert paths.taken(text) == absolute
        assert paths.shown(absolute) == text
    paths.taken("../runs")
    assert paths.shown(str(tmp_path / "runs" / "one" / "best")) == "../runs/one/best"


@pytest.mark.parametrize("given", ["--run_dir=cc", "--run_dir cc", "--run_dir=cc --resume", ""])
def test_the_command_that_resumes_names_the_folder_once(given, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    command = f"bash run.sh amazon --epochs=3 {given} '--name=a b'"
    again = "bash run.sh amazon --epochs=3 '--name=a b' --run_dir=cc --resume"
    assert paths.resuming(command, str(tmp_path / "cc")) == again


def test_the_program_is_found_from_another_folder(monkeypatch, tmp_path):
    for folder in (paths.ROOT, os.path.join(paths.ROOT, "docs"), str(tmp_path)):
        monkeypatch.chdir(folder)
        words = paths.program().split()
        assert words[0] == "bash" and os.path.samefile(words[1], os.path.join(paths.ROOT, "run.sh"))
    assert paths.PROGRAM == "bash run.sh"


def test_default_paths_are_the_checkouts(ratings, tmp_path, monkeypatch):
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in (checkout, elsewhere):
        folder.mkdir()
    monkeypatch.setattr(paths, "ROOT", str(checkout))
    monkeypatch.setattr(steps, "ROOT", str(checkout))
    monkeypatch.chdir(elsewhere)
    outcome = call("prepare", "--ratings=../log.csv", *WHOLE)
    assert outcome.status == 0, outcome.err
    (prepared,) = (checkout / "data" / "prepared").iterdir()
    assert (prepared / "meta.json").is_file()
    assert list(elsewhere.iterdir()) == []
    outcome = call("prepare", "--ratings=../log.csv", "--cache_dir=here", *WHOLE)
    assert outcome.status == 0, outcome.err
    assert [path.name for path in elsewhere.iterdir()] == ["here"]


def test_later_files_win_and_flags_win_over_all(tmp_path, monkeypatch):
    """base < data set < protocol < model < flags, each seen to win over the one before."""
    monkeypatch.setattr(settings, "HPARAMS", str(tmp_path))
    real = pathlib.Path(paths.HPARAMS)
    (tmp_path / "base.yaml").write_text((real / "base.yaml").read_text())
    keys = ("min_item_records", "min_user_records", "train_num_ngs", "test_num_ngs")
    levels = ("shop", "protocol_paper", "model_dfar")
    for level, name in enumerate(levels):
        lines = [f"  {key}: {100 * (level + 1)}" for key in keys[level:]]
        if name == "shop":
            lines.append("  protocol: paper")
        (tmp_path / (name + ".yaml")).write_text("\n".join(["data:", *lines, ""]))
    merged = settings.merge_hparams("shop", test_num_ngs="7")
    assert [merged.values()[key] for key in keys] == [100, 200, 300, 7]
    assert merged.max_seq_length == 20  # base's own
    assert merged.protocol == "paper"
    # Another protocol by flag takes the place of the data set's.
    (tmp_path / "protocol_released.yaml").write_text("data:\n  min_user_records: 33\n")
    other = settings.merge_hparams("shop", protocol="released")
    assert [other.values()[key] for key in keys] == [100, 33, 300, 300]


def test_the_protocol_sets_the_split_and_is_printed(ratings, tmp_path):
    shown = {}
    for protocol in ("released", "paper"):
        outcome = call(
            "prepare", f"--ratings={ratings}", f"--protocol={protocol}", f"--cache_dir={tmp_path}/c",
            *WHOLE,
        )  # fmt: skip
        assert outcome.status == 0, outcome.err
        shown[protocol] = outcome.out
    assert "instances by leave_one_out" in shown["released"]
    assert "instances by last_day" in shown["paper"]
    merged = settings.merge_hparams("amazon", protocol="paper", split="ratio")
    assert (merged.split, merged.protocol) == ("ratio", "paper")


def test_prepare_prints_table_1_beside_the_papers_if_asked(ratings, tmp_path):
    flags = (f"--ratings={ratings}", f"--cache_dir={tmp_path}/c", *WHOLE)
    assert "paper, Table 1" not in call("prepare", *flags).out
    outcome = call("prepare", *flags, "--paper_column=amazon")
    lines = [line.split() for line in outcome.out.splitlines()]
    (ours,) = (line for line in lines if line[:1] == ["log"])
    assert ours[1:3] == ["12", "11"]
    (papers,) = (line for line in lines if line[:3] == ["paper,", "Table", "1"])
    assert papers[3:] == ["6,919", "28,695", "99,753", "20,581", "17.39"]


def test_a_key_is_never_silently_dropped():
    """Flags of one model are refused, not ignored, where the model's file has no such key."""
    keys = set(manual.schema())
    merged = set(settings.merge_hparams("amazon").values())
    assert set(prepare_hparams(settings.hparams_file("base")).values()) <= merged <= keys
    for key in sorted(keys - merged):  # other models' own
        with pytest.raises(UserError, match=key):
            settings.merge_hparams("amazon", **{key: "1"})


def test_the_module_runs_from_another_folder(tmp_path):
    environment = dict(os.environ, PYTHONPATH=paths.ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "dfar_tf", "metrics", "--predictions=a b.csv"],
        cwd=str(tmp_path),
        env=environment,
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    missing = os.path.realpath(str(tmp_path / "a b.csv"))
    assert done.stderr.decode() == f"error: {missing}: no such file; give a run's predictions.csv\n"
