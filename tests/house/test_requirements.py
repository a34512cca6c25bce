"""The pins agree wherever they are repeated, and hold what the code imports."""

import ast
import importlib.util
import re
import sys

import pytest
import yaml
from places import CHECKOUT

REQUIREMENTS = CHECKOUT / "requirements"
SCRIPTS = {path.stem for path in REQUIREMENTS.glob("*.py")}
PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[(?P<extra>[a-z-]+)\])?==(?P<version>[0-9][0-9a-z.]*)"
    r"(; python_version < \"(?P<below>3\.\d+)\")?$"
)
TOOLS = {"pip", "setuptools", "wheel"}
FAMILIES = {
    "1.15": ["tf1.15.txt", "test-tf1.15.txt", "test-tf1.15-nodeps.txt"],
    "2.15": ["tf2.15.txt", "tf2.15-cuda.txt", "test-tf2.15.txt", "test-tf2.15-nodeps.txt"],
}
# What is imported under another name than it is installed by.
IMPORTED_AS = {
    "absl": "absl-py",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "official": "tf-models-official",
    "google": "protobuf",
}

spec = importlib.util.spec_from_file_location("satisfied", str(REQUIREMENTS / "satisfied.py"))
satisfied = importlib.util.module_from_spec(spec)
spec.loader.exec_module(satisfied)


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of_lines(lines):
    pins = {}
    for line in lines:
        match = PIN.match(line)
        assert match, f"not an exact pin: {line!r}"
        name = normalised(match.group("name"))
        assert name not in pins, f"{name} is pinned twice"
        pins[name] = match.group("version")
    return pins


def pins_of(file_name):
    lines = (REQUIREMENTS / file_name).read_text(encoding="utf-8").splitlines()
    lines = [line.strip() for line in lines]
    return pins_of_lines(line for line in lines if line and not line.startswith(("#", "-r ")))


@pytest.fixture(params=["environment.yml", "environment-gpu.yml"])
def conda_environment(request):
    return yaml.safe_load((CHECKOUT / request.param).read_text(encoding="utf-8"))


def split_conda(environment):
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    return plain, pins_of_lines(pip)


def test_conda_repeats_the_pins_of_the_requirements(conda_environment):
    _, pins = split_conda(conda_environment)
    expected = {name: pin for name, pin in pins_of("tf1.15.txt").items() if name not in TOOLS}
    assert pins == expected


def test_conda_has_the_papers_python_and_tensorflow(conda_environment):
    plain, pins = split_conda(conda_environment)
    assert {"python=3.7", "pip"} <= set(plain)
    assert pins["tensorflow"] == "1.15.0"
    assert int(pins["protobuf"].split(".")[0]) < 4
    assert int(pins["h5py"].split(".")[0]) < 3


def test_the_gpu_variant_adds_cuda_alone():
    files = ["environment.yml", "environment-gpu.yml"]
    texts = [(CHECKOUT / name).read_text(encoding="utf-8") for name in files]
    (plain, _), (with_cuda, _) = (split_conda(yaml.safe_load(text)) for text in texts)
    assert set(with_cuda) - set(plain) == {"cudatoolkit=10.0", "cudnn=7.6"}
    assert set(plain) <= set(with_cuda)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_files_of_one_environment_do_not_contradict_each_other(family):
    seen = {}
    for file_name in FAMILIES[family]:
        for name, version in pins_of(file_name).items():
            assert seen.setdefault(name, version) == version, f"{name} in {file_name}"
    assert seen["tensorflow"] == {"1.15": "1.15.0", "2.15": "2.15.1"}[family]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_check_of_an_environment_asks_for_pinned_packages(family):
    run, test = FAMILIES[family][0], f"test-tf{family}.txt"
    assert set(satisfied.RUN_PACKAGES) <= set(pins_of(run))
    assert set(satisfied.TEST_PACKAGES) <= set(pins_of(test))


def imported_names(folder):
    for path in sorted((CHECKOUT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            for name in names:
                yield path, name.split(".")[0]


def optional_names(file_name):
    """What only those have who asked for it; imported where it is needed, never at the top of a module."""
    lines = (REQUIREMENTS / file_name).read_text(encoding="utf-8").splitlines()
    return {normalised(line.split("==")[0]) for line in lines if line and not line.startswith("#")}


@pytest.mark.parametrize("folder", ["recommenders_utils", "dfar_tf", "tests"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_whatever_is_imported_is_pinned(folder, family):
    pins = (
        set(pins_of(FAMILIES[family][0]))
        | optional_names("spark.txt")
        | optional_names("parquet.txt")
    )
    if folder == "tests":
        pins |= set(pins_of(f"test-tf{family}.txt"))
        # Some oracles exist for one family alone; tests that import them skip without them.
        pins |= set(pins_of("test-tf1.15-nodeps.txt")) | set(pins_of("test-tf2.15-nodeps.txt"))
    ours = {path.stem for path in (CHECKOUT / "tests").rglob("*.py")}
    ours |= {"recommenders_utils", "dfar_tf", "tests", *SCRIPTS}
    for path, name in imported_names(folder):
        if name in ours or is_standard(name):
            continue
        package = normalised(IMPORTED_AS.get(name, name))
        assert package in pins, f"{path} imports {name}, which {family} does not pin"


def test_what_run_sh_starts_needs_no_package():
    for path, name in imported_names("requirements"):
        assert name in SCRIPTS or is_standard(name), f"{path} imports {name}"


def is_standard(name):
    """Whether a module is part of Python; Python 3.7 has no list of them."""
    if name in sys.builtin_module_names or name in getattr(sys, "stdlib_module_names", ()):
        return True
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None and "site-packages" not in found.origin


GOOD_1 = dict.fromkeys(satisfied.RUN_PACKAGES, "1.0")
GOOD_1.update({"tensorflow": "1.15.0", "protobuf": "3.20.3"})
GOOD_2 = dict(GOOD_1, tensorflow="2.15.0", protobuf="4.25.5")
WITHOUT_PANDAS = {name: version for name, version in GOOD_1.items() if name != "pandas"}


@pytest.mark.parametrize(
    "packages, python, wanted, kind, problem",
    [
        (GOOD_1, (3, 7), "", "run", None),
        (GOOD_1, (3, 7), "1.15", "run", None),
        (GOOD_2, (3, 9), "", "run", None),
        (GOOD_2, (3, 11), "2.15", "run", None),
        (dict(GOOD_2, hypothesis="6", pytest="8"), (3, 11), "2.15", "test", None),
        (GOOD_1, (3, 7), "2.15", "run", "needs TensorFlow 2.15 (it has TensorFlow 1.15.0"),
        (GOOD_1, (3, 8), "", "run", "on Python 3.8"),
        (GOOD_2, (3, 12), "", "run", "on Python 3.12"),
        (dict(GOOD_1, tensorflow="1.15.5"), (3, 7), "", "run", "it has TensorFlow 1.15.5"),
        (dict(GOOD_2, tensorflow="2.16.1"), (3, 11), "", "run", "it has TensorFlow 2.16.1"),
        ({}, (3, 11), "", "run", "needs TensorFlow 1.15.0 or 2.15 (it has none"),
        (dict(GOOD_1, protobuf="4.24.4"), (3, 7), "", "run", "protobuf 4.24.4"),
        (WITHOUT_PANDAS, (3, 7), "", "run", "lacks pandas"),
        (GOOD_2, (3, 11), "2.15", "test", "lacks hypothesis, pytest"),
    ],
)
def test_which_environments_satisfy(packages, python, wanted, kind, problem):
    version, answer = satisfied.missing(packages, python, wanted, kind)
    if problem is None:
        assert (version, answer) == (packages["tensorflow"], "")
    else:
        assert problem in answer


def test_packages_are_read_from_their_metadata(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for name in ["scikit_learn-1.0.2.dist-info", "PyYAML-6.0.1-py3.7.egg-info", "numpy"]:
        (first / name).mkdir(parents=True)
    for name in ["scikit_learn-9.9.dist-info", "tensorflow_cpu-2.15.1.dist-info"]:
        (second / name).mkdir(parents=True)
    found = satisfied.installed([str(first), str(tmp_path / "absent"), str(second)])
    assert found == {"scikit-learn": "1.0.2", "pyyaml": "6.0.1", "tensorflow-cpu": "2.15.1"}
