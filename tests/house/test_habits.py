"""What is written for tools and contributors is true of the project."""

import re

import pytest
import yaml
from places import CHECKOUT
from test_requirements import pins_of


def text_of(name):
    return (CHECKOUT / name).read_text(encoding="utf-8")


def test_pre_commit_runs_the_pinned_ruff():
    (repository,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"].endswith("/ruff-pre-commit")
    assert repository["rev"] == "v" + pins_of("test-tf2.15.txt")["ruff"]
    assert {hook["id"] for hook in repository["hooks"]} == {"ruff-check", "ruff-format"}


def test_pull_requests_are_tested_on_both_tensorflows():
    workflow = yaml.safe_load(text_of(".github/workflows/test.yml"))
    assert "pull_request" in workflow[True]  # YAML 1.1 reads `on` as a truth
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["include"] == [
        {"tensorflow": "1.15", "python": "3.7"},
        {"tensorflow": "2.15", "python": "3.11"},
    ]
    assert job["env"]["DFAR_TF"] == "${{ matrix.tensorflow }}"
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash run.sh test"]


def test_the_citation_is_the_readmes():
    paper = yaml.safe_load(text_of("CITATION.cff"))["preferred-citation"]
    readme = dict(re.findall(r"(\w+) += \{([^}]+)\}", text_of("README.md")))
    names = [", ".join([each["family-names"], each["given-names"]]) for each in paper["authors"]]
    assert re.split(r"\s+and\s+", readme["author"]) == names
    assert (paper["title"], paper["doi"]) == (readme["title"], readme["doi"])
    assert (str(paper["year"]), paper["collection-title"]) == (readme["year"], readme["booktitle"])


def test_files_that_contributing_names_are_there():
    text = text_of("CONTRIBUTING.md")
    named = re.findall(
        r"`((?:dfar_tf|recommenders_utils|hparams|tests|docs|requirements)/[\w./*]+)`", text
    )
    named = [name for name in named if "mine" not in name]
    assert len(named) > 10
    for name in named:
        assert list(CHECKOUT.glob(name.rstrip("/"))), f"CONTRIBUTING.md names {name}"


@pytest.mark.parametrize(
    "words",
    [
        "more users are nowhere",
        "1 epochs",
        "no KuaiRand log there",
        "what this is of",
        "is no record of a history",
        "is there already. Give",
    ],
)
def test_sentences_that_nobody_understood_are_gone(words):
    texts = [path.read_text(encoding="utf-8") for path in CHECKOUT.glob("*_*/**/*.py")]
    assert len(texts) > 200 and not any(words in text for text in texts)
