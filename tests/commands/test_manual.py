"""What the program tells about itself: in a moment, on one screen, with nothing but a bare Python."""

import os
import subprocess
import sys
import time

import pytest
from places import CHECKOUT
from small import call

from dfar_tf import manual, settings
from dfar_tf.commands import command_names, get_command
from dfar_tf.models import about_model, get_model, model_names
from dfar_tf.version import __version__
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.hparams.schema import to_yaml

BARE = "import sys; sys.path.insert(0, {!r}); import dfar_tf.__main__ as m; s = m.run({!r})"
HEAVY = (
    "; assert not {'numpy', 'yaml', 'absl', 'pandas', 'tensorflow'} & set(sys.modules); sys.exit(s)"
)


def bare(*arguments):
    """Runs without site-packages; returns (status, output, errors, seconds)."""
    program = BARE.format(str(CHECKOUT), list(arguments)) + HEAVY
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-B", "-S", "-E", "-c", program],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr, time.perf_counter() - begun


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", [*command_names(), "test"])
def test_help_fits_one_screen(name):
    outcome = call(name, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert len(lines) <= 60
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("arguments", [["amazon", "--help"], ["table2", "-h"], ["--version"], []])
def test_questions_need_no_package_and_no_time(arguments):
    status, out, err, seconds = bare(*arguments)
    assert (status, err) == (0, "") and out
    assert seconds < 2
    assert [line for line in out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", command_names())
def test_help_has_the_commands_flags_then_its_usual_keys(name):
    module = get_command(name)
    out = call(name, "--help").out
    assert out.startswith(module.__doc__.splitlines()[0])
    parts = out.split("\nhyper-parameters, which are flags too:\n")
    for flag, (default, meaning) in module.FLAGS.items():
        shown = {None: "", False: "false"}.get(default, default)
        assert f"--{flag}={shown}" in parts[0]
        assert words(meaning) in words(parts[0])
    keys = getattr(module, "KEYS", manual.KEYS)
    assert len(keys) <= 10 and len(parts) == 1 + bool(keys)
    for key in keys:
        assert f"\n  --{'model' if key == 'model_type' else key}=" in "\n" + parts[1]
    assert "--help=all" in parts[-1]


def test_the_defaults_shown_are_those_merged():
    for dataset in ("amazon", "interactions", "kuairand"):
        merged, shown = settings.merge_hparams(dataset), manual.defaults(dataset)
        for key in merged.values():
            assert prepare_value(merged, key, shown[key]) == getattr(merged, key), key


def prepare_value(hparams, key, text):
    return getattr(hparams.replace(**{key: text}), key)


def test_help_all_has_every_key_with_type_and_meaning():
    base_path = settings.hparams_file("base")
    base = prepare_hparams(base_path).schema
    found = dict(manual.schemas())
    titles = iter(found)
    for title in titles:
        keys = found[title]
        expected = base
        if title.startswith("for model "):
            path = settings.hparams_file("model_" + title[len("for model ") : -1])
            expected = prepare_hparams(base_path, path).schema
            expected = {name: key for name, key in expected.items() if name not in base}
        assert {n: (k["kind"], k["meaning"]) for n, k in keys.items()} == {
            name: (key.kind, key.meaning) for name, key in expected.items()
        }
    out = call("amazon", "--help=all").out
    flat = words(out)
    for keys in found.values():
        for name, key in keys.items():
            assert f"--{name}=" in out and words(key["meaning"]) in flat
    assert f"--epochs={to_yaml(50)} (int >= 1)" in flat
    assert [line for line in out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("arguments", [["amazon", "-h"], ["help", "amazon"], ["amazon", "--help"]])
def test_help_may_be_asked_for_in_any_usual_way(arguments):
    assert call(*arguments).out == manual.help_of("amazon") + "\n"


def test_the_version():
    for word in ("--version", "-V", "version"):
        assert call(word).out == f"dfar-tf {__version__}\n"


@pytest.mark.parametrize("arguments", [["tabel2"], ["help", "tabel2"], ["tabel2", "--help"]])
def test_a_misspelt_command_is_told_at_once(arguments):
    status, out, err, seconds = bare(*arguments)
    assert (status, out) == (2, "") and seconds < 2
    assert err.startswith("error: unknown command 'tabel2'; did you mean table2")


def test_a_misspelt_model_is_told_without_tensorflow():
    program = (
        "import sys; from dfar_tf.__main__ import run; s = run(['amazon', '--model=dfra']);"
        "assert 'tensorflow' not in sys.modules; sys.exit(s)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=str(CHECKOUT), stderr=subprocess.PIPE
    )
    assert done.returncode == 2
    assert b"unknown model 'dfra'; did you mean dfar" in done.stderr


def test_the_models_are_listed_without_tensorflow():
    program = (
        "import sys; from dfar_tf.__main__ import run; s = run(['models']);"
        "assert 'tensorflow' not in sys.modules; sys.exit(s)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ, PYTHONPATH=str(CHECKOUT)),
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert len(lines) <= 60 and max(map(len, lines)) <= 80


def test_what_is_read_of_a_model_is_what_its_class_says():
    for name in model_names():
        model = get_model(name)
        assert about_model(name) == {
            "title": model.title,
            "paper": model.paper,
            "feedback": model.feedback,
        }


def test_the_papers_settings_are_those_that_are_taken():
    given = " ".join(f"--{key}={value}" for key, value in settings.PAPER_SETTINGS.items())
    assert manual.PAPER.endswith(f": {given}")
