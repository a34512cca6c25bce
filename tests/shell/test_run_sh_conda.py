"""run.sh: an active conda environment, and the environments conda makes."""

import pytest


def activate(box, version, behaviour):
    box.python(version, box.folder / "active env/bin/python", behaviour)
    box.environment["CONDA_PREFIX"] = str(box.folder / "active env")


def test_an_active_conda_environment_that_has_everything_is_used(box):
    activate(box, "3.7.9", "works")
    box.conda()
    box.python("3.7.16")
    assert box.run("amazon")[2] == ""
    assert box.used() == "active env"
    assert box.environments() == [] and not box.calls("conda")


def test_an_active_conda_environment_that_lacks_something_is_not(box):
    activate(box, "3.7.9", "lacks")
    box.conda()
    _, _, err = box.run("amazon")
    assert "active conda environment" in err and "it lacks pandas" in err
    assert box.used() == "conda-1.15"
    assert box.run("amazon")[2] == ""  # said once


@pytest.mark.parametrize(
    "tool, expected",
    [
        ("conda", "env create -p {prefix} -f {file}"),
        ("mamba", "env create -p {prefix} -f {file}"),
        ("micromamba", "create -y -p {prefix} -f {file}"),
    ],
)
def test_conda_makes_the_papers_environment(box, tool, expected):
    box.conda(tool)
    box.python("3.11.7")
    for _ in range(2):
        assert box.run("amazon")[0] == 0
        assert box.used() == "conda-1.15"
    prefix, file = box.checkout / ".envs/conda-1.15", box.checkout / "environment.yml"
    made = [call for call in box.calls("conda") if call != "conda --version"]
    assert made == ["conda " + expected.format(prefix=prefix, file=file)]
    assert not box.calls("venv") and not box.calls("pip")


def test_conda_is_found_where_its_shell_function_says(box):
    box.environment["CONDA_EXE"] = str(box.conda(folder=box.home / "miniconda3/bin"))
    assert box.run("amazon")[0] == 0
    assert box.used() == "conda-1.15"


def test_changed_environment_yml_makes_it_again(box):
    box.conda()
    box.run("amazon")
    path = box.checkout / "environment.yml"
    path.write_text(path.read_text() + "      - another==1.0\n")
    box.forget()
    assert "Making the environment" in box.run("amazon")[2]
    assert len([call for call in box.calls("conda") if "create" in call]) == 1


def test_conda_with_an_old_gpu_gets_cuda(box):
    box.conda()
    box.gpu("7.5")
    assert box.run("amazon", LD_LIBRARY_PATH="/mine")[0] == 0
    assert box.used() == "conda-1.15-gpu"
    library = box.checkout / ".envs/conda-1.15-gpu/lib"
    assert box.ran()[0]["LD_LIBRARY_PATH"] == f"{library}:/mine"
    assert any("environment-gpu.yml" in call for call in box.calls("conda"))


@pytest.mark.parametrize(
    "capability, file",
    [(None, "tf2.15.txt"), ("8.6", "tf2.15-cuda.txt"), ("7.0", "tf2.15-cuda.txt")],
)
def test_conda_gives_tensorflow_2_its_python_and_pip_the_rest(box, capability, file):
    box.conda(version="3.11.5")
    if capability:
        box.gpu(capability)
    assert box.run("amazon", DFAR_TF="2.15")[0] == 0
    assert box.used() == "conda-2.15" + ("-cuda" if capability else "")
    assert any("-c conda-forge python=3.11 pip" in call for call in box.calls("conda create"))
    assert box.calls("pip")[-1].endswith(f"-r {box.checkout}/requirements/{file}")


@pytest.mark.parametrize("behaviour", ["refuses", "fails"])
def test_a_conda_that_cannot_is_passed_over(box, behaviour):
    box.conda(behaviour=behaviour)
    box.python("3.7.16")
    status, _, err = box.run("amazon")
    assert status == 0 and box.used() == "tf1.15-py3.7"
    if behaviour == "fails":
        assert "could not make .envs/conda-1.15" in err and "PackagesNotFoundError" in err
    assert box.run("amazon")[2] == ""  # and not tried at each run


def test_a_failing_conda_without_a_python_is_an_error(box):
    box.conda(behaviour="fails")
    status, _, err = box.run("amazon")
    assert status == 3 and "found no Python" in err and "could not make .envs/python" in err
    assert "PackagesNotFoundError" in err and not (box.checkout / ".envs/python/bin").exists()


def test_a_failing_conda_with_another_python_is_an_error(box):
    box.conda(behaviour="fails")
    box.python("3.12.1")
    status, _, err = box.run("amazon")
    assert status == 3 and "found no Python" in err and "could not make .envs/conda-1.15" in err


def test_a_conda_without_a_python_gets_one_to_start_with(box):
    box.conda("micromamba")
    for _ in range(2):
        assert box.run("amazon")[0] == 0
        assert box.used() == "conda-1.15"
    made = [call.split(" -p ")[1] for call in box.calls("conda create")]
    envs = box.checkout / ".envs"
    assert made == [
        f"{envs}/python -c conda-forge python=3.11",
        f"{envs}/conda-1.15 -f {box.checkout}/environment.yml",
    ]


@pytest.mark.parametrize("place", ["bin/python", "condabin/../bin/python"])
def test_condas_own_python_starts_the_rest(box, place):
    conda = box.home / "miniconda3" / place.split("/")[0] / "conda"
    box.environment["CONDA_EXE"] = str(box.conda(folder=conda.parent))
    box.python("3.12.1", box.home / "miniconda3/bin/python")
    assert box.run("amazon")[0] == 0
    assert box.used() == "conda-1.15" and not (box.checkout / ".envs/python").exists()
