"""What README, docs and the notebook point at exists: files, headings, commands, flags."""

import re

import pytest
from notebook_runner import read
from places import CHECKOUT, HPARAMS

from dfar_tf.commands import command_names, get_command
from dfar_tf.runs.folder import FREE_KEYS
from recommenders_utils.hparams import prepare_hparams

PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("examples/*")])
NAMES = [str(page.relative_to(CHECKOUT)) for page in PAGES]
FOLDERS = "dfar_tf|recommenders_utils|tests|docs|hparams|examples|requirements"
OF_ALL = {
    "model",
    "gpus",
    "paper_settings",
    "help",
    "version",
}  # flags that are neither a command's own nor hyper-parameters


def text_of(page):
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = read(str(page))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def anchors(page):
    """GitHub's names of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text_of(page), flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_readme_is_short():
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_named_exist(page):
    for named in re.findall(rf"`((?:{FOLDERS})/[^`\s<]*)`", text_of(page)):
        if "mine" not in named:  # the reader's own model
            assert list(CHECKOUT.glob(named)), named


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_flags_exist(page):
    known = OF_ALL | set(prepare_hparams(str(HPARAMS / "base.yaml")).values())
    for path in HPARAMS.glob("model_*.yaml"):
        known |= set(prepare_hparams(str(HPARAMS / "base.yaml"), str(path)).values())
    own = {name: set(getattr(get_command(name), "FLAGS", {})) for name in command_names()}
    text = re.sub(r"#.*", "", text_of(page))  # comments name flags of other commands
    for command, rest in re.findall(r"\brun\.sh ([a-z][\w-]*)([^\n`]*)", text):
        if command in ("test", "help"):
            continue
        assert command in own, command
        for flag in re.findall(r"--(\w+)", rest):
            assert flag in known | own[command], (command, flag)
    for flag in re.findall(r"`--(\w+)[=`]", text):
        assert flag in known.union(*own.values()) or page.name == "CONTRIBUTING.md", flag


def test_the_serving_page_names_every_key_that_may_differ():
    text = (CHECKOUT / "docs" / "serving.md").read_text(encoding="utf-8")
    named = re.search(r"what may differ is.*?All models", text, flags=re.S).group()
    assert set(re.findall(r"`(\w+)`", named)) == set(FREE_KEYS)
