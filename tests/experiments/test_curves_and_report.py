"""Learning curves of runs, and the page of all results, in a browser where there is one."""

import base64
import csv
import html
import html.parser
import json
import re
import shutil
import struct
import subprocess

import pandas as pd
import pytest
from small import call, learnt_run, other_run, results_in

from dfar_tf.experiments.page import marks_of, page
from dfar_tf.experiments.report import read_sections


def rows_of(folder, beginning):
    (name,) = (n for n in results_in(folder, ".csv") if n.startswith(beginning))
    text = (folder / name).read_text().splitlines()
    return list(csv.DictReader(line for line in text if not line.startswith("#")))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder with curves, a figure and a table in it."""
    folder = tmp_path_factory.mktemp("results")
    learnt, other = learnt_run(tmp_path_factory), other_run(tmp_path_factory)
    both = f"{learnt.folder},{other.folder}"
    outcome = call("curves", f"--run_dir={both}", f"--output={folder}")
    assert outcome.status == 0, outcome.err
    outcome = call("figure4", f"--run_dir={learnt.folder}", f"--output={folder}")
    assert outcome.status == 0, outcome.err
    assert call("models", f"--output={folder}").status == 0
    return folder


def test_curves_are_the_epochs_of_the_runs(results, tmp_path_factory):
    rows = rows_of(results, "curves-")
    epochs = json.loads((learnt_run(tmp_path_factory).folder / "results.json").read_text())[
        "epochs"
    ]
    assert len(rows) == len(epochs) + 1
    for row, epoch in zip(rows, epochs):
        assert float(row["loss"]) == epoch["train_loss"]
        assert float(row["AUC"]) == epoch["validation"]["auc"]
        assert float(row["loss: disentangle"]) == epoch["train_terms"]["disentangle"]


def test_the_terms_of_an_epoch_add_up_to_its_loss(tmp_path_factory):
    run = json.loads((learnt_run(tmp_path_factory).folder / "results.json").read_text())
    weights = {"main": 1, "bpr": 1e-3, "disentangle": 1e-3, "embed_l2": 1e-6}
    for epoch in run["epochs"]:
        assert set(epoch["train_terms"]) == set(weights)
        total = sum(weights[name] * value for name, value in epoch["train_terms"].items())
        assert total == pytest.approx(epoch["train_loss"], rel=1e-4)


class Page(html.parser.HTMLParser):
    """What a page holds, and whether its tags close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.links, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.images += [attributes["src"]] if tag == "img" else []
        self.links += [attributes["href"]] if tag == "a" else []
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_and_loads_nothing(results, tmp_path):
    path = tmp_path / "report.html"
    outcome = call("report", f"--results={results}", f"--runs={tmp_path}", f"--output={path}")
    assert outcome.status == 0, outcome.err
    text = path.read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.open == [] and len(parsed.images) == 2
    assert all(src.startswith("data:image/png;base64,") for src in parsed.images)
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    words = " ".join(parsed.words)
    assert "SYNTHETIC data" in words and "bash run.sh figure4" in words
    assert 'name="viewport"' in text
    assert len(parsed.links) == 3 and text.count("</a> <a") == 2


def test_what_is_written_into_the_page_is_escaped():
    record = {"headers": ["<b>"], "rows": [["<script>"], [None], [0.5]]}
    record.update(command='a "&" b', notes=["<i>"])
    text = page([{"name": 'x"><script>', "record": record, "image": None}], "<u>")
    assert "<script>" not in text and "<b>" not in text and "<i>" not in text and "<u>" not in text
    assert "<td>-</td>" in text and "<td>0.5000</td>" in text


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    """(text of a page with the runs, the learnt run's results)."""
    learnt, other = learnt_run(tmp_path_factory), other_run(tmp_path_factory)
    runs = tmp_path_factory.mktemp("runs of the report")
    for name, run in (("first", learnt), ("second", other)):
        shutil.copytree(str(run.folder), str(runs / name))
    (runs / "damaged").mkdir()
    (runs / "damaged" / "results.json").write_text("{")
    path = runs / "report.html"
    outcome = call("report", f"--results={results}", f"--runs={runs}", f"--output={path}")
    assert outcome.status == 0, outcome.err
    assert "damaged: left out" in outcome.out and "4 results, 2 training runs" in outcome.out
    return path, json.loads((learnt.folder / "results.json").read_text())


def test_the_page_begins_with_how_good_what_is_on_which_log(report):
    path, learnt = report
    text = path.read_text(encoding="utf-8")
    summary = text[text.index('id="summary"') : text.index('id="runs"')]
    assert "<h3>DFAR on SYNTHETIC_small</h3>" in summary and "SYNTHETIC data" in summary
    assert f'<p class="big">{learnt["test"]["ndcg@10"]:.4f}</p>' in summary
    best = max(found["test"]["ndcg@10"] for found in learnt["untrained"].values())
    assert f"{learnt['test']['ndcg@10'] - best:+.4f}: " in summary
    # The paper's figure of DFAR on Amazon; this log is another one.
    assert "not comparable: the paper's 0.6" in summary and "on another log" in summary


def test_the_page_has_the_training_runs_and_readable_titles(report):
    path, learnt = report
    text = path.read_text(encoding="utf-8")
    runs = text[text.index('id="runs"') : text.index("</section>", text.index('id="runs"'))]
    assert "<td>first</td>" in runs and "<td>second</td>" in runs
    assert f"<td>{learnt['seconds']['all']:,.2f}</td>" in runs
    assert runs.count('class="best"') == runs.count('class="second"') == 4
    titles = re.findall("<h2>(.*?)</h2>", text)
    assert titles == [
        *("Summary", "Training runs", "Figure 4: attention between feedbacks"),
        *("Slices of the test targets", "Learning curves", "The models"),
    ]


def test_the_page_has_the_slices_of_the_newest_runs(report):
    path, _ = report
    text = path.read_text(encoding="utf-8")
    section = text[text.index('<section id="slices') :]
    section = section[: section.index("</section>")]
    image = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', section).group(1))
    width, height = struct.unpack(">II", image[16:24])
    assert image.startswith(b"\x89PNG") and width > height > 100
    stored = pd.read_csv(str(path.parent / "first" / "slices.csv"))
    drawn = stored[stored["metric"] == "ndcg@10"].dropna(subset=["value"])
    assert len(drawn) and set(stored["slice"]) == {
        "history length",
        "target popularity",
        "target age",
    }
    for value in drawn["value"]:
        assert f"<td>{value:.4f}</td>" in section
    assert section.count("<td>first</td>") == section.count("<td>second</td>") > len(drawn)


def test_best_and_second_are_marked_among_the_trained():
    headers = ["model", "part", "AUC", "AUC sd", "log loss", "full_NDCG@10"]
    rows = [
        ["a", "trained", 0.5, 0.9, 0.3, None],
        ["b", "trained", 0.7, 0.1, 0.1, None],
        ["c", "trained", 0.6, 0.2, 0.2, 0.1],
        ["d", "untrained", 0.9, 0.2, 0.0, 0.2],
    ]
    marks = marks_of(headers, rows, [row[1] for row in rows])
    assert marks == {(1, 2): "best", (2, 2): "second", (1, 4): "best", (2, 4): "second"}
    assert marks_of(headers, rows[:1]) == {}


def test_no_results_and_damaged_ones_are_refused(tmp_path):
    for arguments, message in (
        ([f"--results={tmp_path / 'none'}"], "no such folder"),
        ([f"--results={tmp_path}"], "no results in it"),
    ):
        outcome = call("report", *arguments)
        assert outcome.status == 2 and message in outcome.err
    (tmp_path / "bench.json").write_text('{"results": {}}')
    assert list(read_sections(str(tmp_path))) == []
    (tmp_path / "table2.json").write_text("{")
    outcome = call("report", f"--results={tmp_path}")
    assert outcome.status == 2 and "table2.json: not JSON" in outcome.err
    outcome = call("curves", f"--run_dir={tmp_path}")
    assert outcome.status == 2 and "it holds no run with a finished epoch" in outcome.err
    assert call("curves").status == 2


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_renders_it(report, tmp_path, width):
    """Headless Chromium: every image has a size, nothing is wider than a phone, the console is silent."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        pytest.skip("no Chromium to render the page with")
    path, _ = report
    # The window of a headless browser is not narrower than 500 pixels; a frame may be.
    script = (
        "<script>window.addEventListener('load', () => { const i = [...document.images];"
        "document.body.setAttribute('data-seen', JSON.stringify({"
        "images: i.filter(x => x.complete && x.naturalWidth > 0).length, all: i.length,"
        "wide: document.documentElement.scrollWidth > window.innerWidth})); });</script>"
    )
    text = path.read_text(encoding="utf-8").replace("</head>", script + "</head>")
    # Many more links than fit a line.
    nav = re.search("<nav>(.*)</nav>", text).group(1)
    inner = html.escape(text.replace(nav, " ".join([nav] * 8)), quote=True)
    collect = (
        "<script>window.addEventListener('load', () => setTimeout(() => document.body.setAttribute("
        "'data-seen', document.querySelector('iframe').contentDocument.body.dataset.seen), 100))</script>"
    )
    probed = tmp_path / "probed.html"
    frame = f'<iframe srcdoc="{inner}" width="{width}" height="900"></iframe>'
    probed.write_text(f"<meta charset=utf-8>{collect}<body>{frame}</body>", encoding="utf-8")
    command = [
        *(
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--v=0",
        ),
        *(
            "--window-size=1400,1000",
            "--virtual-time-budget=5000",
            "--dump-dom",
            f"file://{probed}",
        ),
    ]
    done = subprocess.run(command, capture_output=True, timeout=300)
    dom = done.stdout.decode("utf-8", "replace")
    seen = json.loads(re.search(r'data-seen="([^"]*)"', dom).group(1).replace("&quot;", '"'))
    assert seen == {"images": 3, "all": 3, "wide": False}
    assert "CONSOLE" not in done.stderr.decode("utf-8", "replace")
