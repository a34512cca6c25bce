"""The doctor: what it finds on machines that are sound, poor and broken."""

import json
import os
import stat
import sys

import pytest
from small import call

from dfar_tf.doctor import examination as doctor
from dfar_tf.doctor import gpu as doctor_gpu
from dfar_tf.doctor import python as doctor_python
from dfar_tf.doctor.report import BROKEN, GOOD, PROBLEM, Finding
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.dataset.preparation import prepare

ROWS = "".join(
    f"u{user},i{(user + 3 * record) % 11},{1 + (user * (record + 1)) % 5},{1400000000 + 90000 * record}\n"
    for user in range(12)
    for record in range(6)
)
WHOLE = {"min_item_records": 0, "min_user_records": 0}


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Runs the doctor on a checkout in ``tmp_path``; returns (status, {name: found}, text)."""
    for name in ("DFAR_DATA", "DFAR_OFFLINE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def run(**flags):
        lines, path = [], tmp_path / "found.json"
        hparams = merge_hparams(**flags)
        status = doctor.run_doctor(hparams, str(path), str(tmp_path), lines.append)
        written = json.loads(path.read_text())
        found = {f["name"]: f for section in written["found"].values() for f in section}
        states = [f["state"] for section in written["found"].values() for f in section]
        assert (written["broken"], written["problems"]) == (
            states.count(BROKEN),
            states.count(PROBLEM),
        )
        assert status == (1 if written["broken"] else 0)
        for f in found.values():
            assert f["suggestion"] or f["state"] == GOOD
        return status, found, "\n".join(lines)

    return run


def script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_sound_machine(look, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ratings_Toys_and_Games.csv").write_text(ROWS)
    (folder / "notes.csv").write_text("one,two\nthree,four\n")
    (folder / "kuairand_like_hate.tsv").write_text("user_id\tvideo_id\tlabel\ttime_ms\n")
    data = merge_hparams(cache_dir=str(folder / "prepared"), **WHOLE).data
    prepare(str(folder / "ratings_Toys_and_Games.csv"), data, "toys", say=lambda line: None)
    status, found, text = look()
    assert status == 0
    assert found["Python"]["found"].startswith("{}.{}.{}".format(*sys.version_info))
    assert found["TensorFlow"]["found"].startswith(tf.__version__)
    assert "numpy " in found["packages"]["found"] and "pandas " in found["packages"]["found"]
    assert "CUDA 1" in found["TensorFlow built for"]["found"]
    assert "CPU:0" in found["TensorFlow's devices"]["found"]
    assert "GiB" in found["memory"]["found"] and "usable" in found["cores"]["found"]
    assert "free in" in found["disk for prepared data"]["found"]
    assert "column 1, column 2" in found["data/ratings_Toys_and_Games.csv"]["found"]
    assert found["ratings of `amazon`"]["found"] == "data/ratings_Toys_and_Games.csv"
    assert found["data/notes.csv"]["state"] == PROBLEM
    assert "run.sh kuairand" in found["data/kuairand_like_hate.tsv"]["found"]
    assert ": sound; 12 users, 11 items, 72 records" in found["prepared data"]["found"]
    assert "Device: " in found["--device=auto"]["found"]
    assert "Everything needed is there" in text
    damaged = next((folder / "prepared").iterdir()) / "items.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    status, found, text = look()
    assert status == 0 and found["prepared data"]["state"] == PROBLEM
    assert "items.npy differs from its checksum" in found["prepared data"]["found"]
    assert "-> delete" in text


def test_a_device_that_is_not_there_is_broken(look):
    status, found, text = look(device="gpu:9")
    assert status == 1
    assert "requests GPU 9" in found["--device=gpu:9"]["found"]
    assert "Broken, and needed: --device=gpu:9." in text


def test_a_cache_that_cannot_be_written_is_a_problem_with_a_cure(look, tmp_path):
    (tmp_path / "file").write_text("")
    status, found, _ = look(cache_dir=str(tmp_path / "file" / "cache"))
    assert status == 0  # another --cache_dir suffices
    assert found["disk for prepared data"]["state"] == PROBLEM
    assert "--cache_dir" in found["disk for prepared data"]["suggestion"]


def test_a_gpu_that_tensorflow_cannot_use(look, tmp_path, monkeypatch):
    script(tmp_path / "bin" / "nvidia-smi", 'echo "Some GPU, 1000 MiB, 1.2, 9.0"\n')
    monkeypatch.setattr(tf.config.experimental, "list_physical_devices", lambda kind=None: [])
    monkeypatch.setattr(doctor_gpu, "find_library", lambda name: None)
    status, found, text = look()
    assert status == 0
    expected = "Some GPU, 1000 MiB, driver 1.2, compute capability 9.0"
    assert found["GPU 0"]["found"] == expected
    assert found["--device=auto"]["state"] == PROBLEM
    advice = "DFAR_TF=2.15" if tf.__version__.startswith("1.") else "tf2.15-cuda.txt"
    assert advice in found["--device=auto"]["suggestion"]
    assert "libcuda.so.1" in found["libraries not found"]["found"]
    assert "problem(s) above has a suggestion" in text


def test_no_driver(tmp_path):
    missing = doctor_gpu.find_gpus(str(tmp_path / "nvidia-smi"))
    script(tmp_path / "failing" / "nvidia-smi", "exit 9\n")
    failing = doctor_gpu.find_gpus(str(tmp_path / "failing" / "nvidia-smi"))
    assert missing.names == failing.names == []
    assert missing.advice("1.15.0").startswith("install CUDA 10.0")


def test_libraries_of_pips_packages_are_found(tmp_path, monkeypatch):
    assert doctor_gpu.find_library("libno-such.so.1") is None
    place = tmp_path / "nvidia" / "nothing" / "lib"
    place.mkdir(parents=True)
    (place / "libno-such.so.1").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert doctor_gpu.find_library("libno-such.so.1") == "found in the package nvidia/nothing"


def test_a_broken_package_is_named_and_mended(look, tmp_path, monkeypatch):
    (tmp_path / "damaged_package.py").write_text("raise RuntimeError('half installed')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = doctor_python.find_packages(str(tmp_path), ("numpy", "damaged_package"))
    assert found[-1] == Finding(
        "damaged_package", "cannot be imported: half installed", BROKEN, doctor_python.AGAIN
    )
    monkeypatch.setattr(doctor, "find_packages", lambda root: found)
    status, by_name, _ = look()
    assert status == 1 and "not checked" in by_name["logs"]["found"]


def test_a_processor_without_avx(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu sse4_2\n")
    module, found = doctor_python.load_tensorflow(str(tmp_path / "cpuinfo"))
    assert module is None and found.state == BROKEN and "AVX" in found.found
    assert doctor_gpu.find_cuda(None, True)[0].state == GOOD


def test_tensorflow_that_cannot_be_imported(look, monkeypatch):
    broken = Finding("TensorFlow", "cannot be imported: no", BROKEN, doctor_python.AGAIN)
    monkeypatch.setattr(doctor, "load_tensorflow", lambda: (None, broken))
    status, _, text = look()
    assert status == 1
    assert "Broken, and needed: TensorFlow, --device=auto." in text


def test_what_the_environment_says(look, tmp_path, monkeypatch):
    monkeypatch.setenv("DFAR_TF", "2.15")
    monkeypatch.setenv("DFAR_DATA", str(tmp_path / "none"))
    _, found, _ = look()
    assert "requested by DFAR_TF=2.15" in found["environment"]["found"]
    assert "does not exist" in found["ratings of `amazon`"]["found"]
    monkeypatch.delenv("DFAR_DATA")
    monkeypatch.setenv("DFAR_OFFLINE", "1")
    assert "SYNTHETIC" in look()[1]["ratings of `amazon`"]["found"]


def test_the_command(tmp_path):
    path = tmp_path / "out" / "found.json"
    outcome = call("doctor", f"--output={path}", f"--cache_dir={tmp_path}", "--device=cpu")
    assert outcome.status == 0, outcome.out
    assert outcome.out.startswith("Python and packages\n  Python ")
    assert json.loads(path.read_text())["broken"] == 0
    assert os.listdir(str(tmp_path)) == ["out"]


@pytest.mark.parametrize("name, flag", [("runs", "--run_dir"), ("prepared data", "--cache_dir")])
def test_a_read_only_checkout_is_not_broken(name, flag, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.os, "access", lambda path, how: False)
    found = doctor._disk(name, str(tmp_path))
    assert found.state == doctor.PROBLEM and flag in found.suggestion
    assert doctor._disk("temporary files", str(tmp_path)).state == doctor.BROKEN
