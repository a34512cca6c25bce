"""The installed package: a wheel in a fresh environment, used from folders that hold nothing."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement
from places import CHECKOUT
from test_requirements import FAMILIES, normalised, pins_of, satisfied

from dfar_tf.commands import command_names
from dfar_tf.version import __version__
from recommenders_utils.files import read_json
from recommenders_utils.synthetic.ratings import generate_ratings

PACKAGES = ("dfar_tf", "recommenders_utils")
SMALL = (
    *("--epochs=1", "--hidden_size=8", "--tower_layers=8", "--max_seq_length=4", "--model=sasrec"),
    *("--min_item_records=0", "--min_user_records=0", "--paper_column=none", "--device=cpu"),
    *("--batch_size=200", "--show_progress=false"),
)


def run(*command, cwd, status=0, **variables):
    """Standard output and error of a program that sees nothing of this checkout."""
    ours = ("PYTHONPATH", "DFAR_", "TF_CONFIG")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run(
        list(map(str, command)),
        cwd=str(cwd),
        env=dict(environment, **variables),
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since setuptools leaves its own folders, and takes what it left before."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in (*PACKAGES, "hparams"):
        shutil.copytree(
            str(CHECKOUT / name), str(source / name), ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(str(CHECKOUT / name), str(source))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    how = ["--no-deps", "--no-index", "--no-build-isolation", "-w", folder]
    run(*pip, "wheel", *how, source, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, wheel):
    """The bin folder of a new environment with the wheel, which borrows the packages of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "borrowed.pth").write_text("\n".join([*borrowed, ""]))
    # A folder of somebody else's, which is not ours though it is named so.
    (packages / "hparams").mkdir()
    (packages / "hparams" / "base.yaml").write_text("theirs: 1  # int: not ours\n")
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", "--no-index", "--ignore-installed", wheel, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode("utf-8").split("\n\n")[0].splitlines()
    return [line.split(": ", 1) for line in lines]


def test_the_wheel_holds_every_module_and_every_yaml(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = set()
    for package in PACKAGES:
        for path in (CHECKOUT / package).rglob("*"):
            if path.suffix in (".py", ".yaml", ".css", ".json"):
                expected.add(path.relative_to(CHECKOUT).as_posix())
    for path in (CHECKOUT / "hparams").rglob("*.yaml"):
        expected.add("dfar_tf/" + path.relative_to(CHECKOUT).as_posix())
    assert names == expected


def test_the_version_is_in_one_place(metadata):
    assert dict(metadata)["Version"] == __version__
    assert dict(metadata)["Requires-Python"]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_pins_satisfy_what_the_package_asks_for(metadata, family):
    pins = {}
    for name in (*FAMILIES[family], "spark.txt", "parquet.txt"):
        if name in ("spark.txt", "parquet.txt"):  # two versions of a package, for two Pythons
            lines = (CHECKOUT / "requirements" / name).read_text(encoding="utf-8").splitlines()
            asked = [Requirement(line) for line in lines if line and not line.startswith("#")]
        else:
            asked = [Requirement(f"{key}=={pin}") for key, pin in pins_of(name).items()]
        python = {"1.15": "3.7", "2.15": "3.11"}[family]
        for each in asked:
            if each.marker is None or each.marker.evaluate({"python_version": python}):
                (pin,) = each.specifier
                pins[normalised(each.name)] = pin.version
    needed = {}
    for key, value in metadata:
        if key == "Requires-Dist":
            each = Requirement(value)
            for extra in ("", "spark", "parquet", "test"):
                if each.marker is None or each.marker.evaluate(
                    {"python_version": python, "extra": extra}
                ):
                    needed.setdefault(extra, {})[normalised(each.name)] = each.specifier
    for specifiers in needed.values():
        for name, specifier in specifiers.items():
            assert specifier.contains(pins[name]), f"{name}{specifier}: {pins[name]} is pinned"
    assert {*satisfied.RUN_PACKAGES, "tensorflow"} <= set(needed[""])
    assert set(satisfied.TEST_PACKAGES) <= set(needed["test"]) and "pyspark" in needed["spark"]
    assert "pyarrow" in needed["parquet"]


@pytest.mark.parametrize("word", [(), ("help",), ("--help",)])
def test_dfar_alone_lists_the_commands(fresh, tmp_path, word):
    out, err = run(fresh / "dfar", *word, cwd=tmp_path)
    lines = [line.split(None, 1) for line in out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == command_names() and all(text for _, text in lines)
    assert out.startswith("usage: dfar COMMAND") and "run.sh" not in out and not err


def test_bad_input_has_the_same_status_as_in_a_checkout(fresh, tmp_path):
    out, err = run(fresh / "dfar", "amazom", cwd=tmp_path, status=2)
    assert not out and err.startswith("error: unknown command 'amazom'; did you mean amazon?")
    out, _ = run(fresh / "dfar", "load_released", "--help", cwd=tmp_path)
    assert "dfar load-released CKPT" in out and "run.sh" not in out
    assert list(tmp_path.iterdir()) == []


USE = """
import sys
import dfar_tf, recommenders_utils
from dfar_tf import load
from dfar_tf.layers import FeedbackAwareFactorizationHeadsAttention
from dfar_tf.paths import ADAPTERS, HPARAMS, IN_CHECKOUT, PROGRAM, in_checkout
from dfar_tf.settings import merge_hparams

print(dfar_tf.__file__, recommenders_utils.__file__, HPARAMS, ADAPTERS, sep="\\n")
print(IN_CHECKOUT, PROGRAM, in_checkout("runs"), merge_hparams("kuairand").name, sep="\\n")
run = load(sys.argv[1])
print(len(run.recommend([("i1", 1)], k=3)))
print(FeedbackAwareFactorizationHeadsAttention(num_heads=2, key_dim=4).num_heads)
"""


def test_a_small_training_from_an_empty_folder(fresh, tmp_path):
    folder, elsewhere = tmp_path / "empty", tmp_path / "elsewhere"
    for each in (folder, elsewhere):
        each.mkdir()
    data = tmp_path / "ratings.csv"
    generate_ratings(str(data), users=60, items=30, records=900, topics=6, seed=1)
    out, _ = run(fresh / "dfar", "amazon", f"--ratings={data}", *SMALL, cwd=folder)
    assert "auc" in out and sorted(path.name for path in folder.iterdir()) == ["data", "runs"]
    (made,) = (folder / "runs").iterdir()
    results = read_json(str(made / "results.json"))
    assert 0 < results["test"]["auc"] < 1
    assert read_json(str(made / "run.json"))["command"].startswith("dfar amazon ")
    # ... and used from another one, which nothing is written to.
    out, _ = run(fresh / "python", "-c", USE, made, cwd=elsewhere)
    *files, in_checkout, program, runs, name, recommended, heads = out.splitlines()
    packages = str(fresh.parent)
    assert all(file.startswith(packages) and pathlib.Path(file).exists() for file in files)
    assert (in_checkout, program, runs) == ("False", "dfar", str(elsewhere / "runs"))
    assert (name, recommended, heads) == ("KuaiRand, likes and hates", "3", "2")
    assert list(elsewhere.iterdir()) == []
