"""Which cells come when: draws, finalists, the choice, more seeds; made-up trainings, no model."""

import contextlib
import copy
import os
import shutil
import threading
import time
import types

import pytest
import yaml
from places import HPARAMS

from dfar_tf.experiments.book import session
from dfar_tf.experiments.book import shelf as shelf_module
from dfar_tf.experiments.book.benchmark import read_benchmark
from dfar_tf.experiments.book.rows import entries_of, whole
from dfar_tf.experiments.book.session import (
    narrowed,
    next_free,
    next_work,
    open_works,
    say_plan,
    train,
)
from dfar_tf.experiments.book.shelf import Shelf
from dfar_tf.experiments.book.works import Planner
from dfar_tf.runs.grid import Outcome
from recommenders_utils.files import read_json, write_json

CONTENT = yaml.safe_load((HPARAMS / "benchmarks" / "tiny.yaml").read_text(encoding="utf-8"))


class Trainer:
    """Stands in for ``run_cell``: validation by epoch is ``score(hparams)``; notes what it was asked."""

    def __init__(self, score):
        self.score, self.asked, self.stop_after = score, [], None

    def __call__(self, cell, path, given=(), command="", finished=False):
        hparams = cell.hparams
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked.append((cell.name.split(": ")[1], hparams.epochs, finished))
        if self.score(hparams) is None:
            return Outcome(path, None, "the loss is nan")
        os.makedirs(path, exist_ok=True)
        value = self.score(hparams)
        epochs = [{"validation": {"auc": value + 0.01 * e}} for e in range(hparams.epochs)]
        results = {
            "epochs": epochs,
            "seconds": {"all": 1.0},
            "best_epoch": 1,
            "valid": {"auc": value},
        }
        if hparams.ranking == "full":
            results["ranking"] = {}
        write_json(os.path.join(path, "results.json"), results)  # whole, as a run writes it
        return Outcome(path, results)


def made(tmp_path, monkeypatch, score, **changes):
    """(planner, trainer) of a benchmark with four draws, two finalists and more seeds."""
    content = {**CONTENT, "models": ["gru4rec", "caser", "din", "dfar"], "untrained": ["random"]}
    content["tuning"] = {
        **{"draws": 4, "share": 0.5, "finalists": 2, "seed": 1},
        "values": {"learning_rate": [0.001, 0.003, 0.01], "dropout": [0.0, 0.2]},
    }
    content["seeds"] = {"first": 1, "most": 3, "best_others": 1, "rest": 2}
    content.update(changes)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    (tmp_path / "SYNTHETIC_tiny.csv").write_text("")
    benchmark = read_benchmark(str(path), str(tmp_path))
    store = types.SimpleNamespace(meta={"fingerprint": "f"})
    monkeypatch.setattr(shelf_module, "prepare_data", lambda *_: (store, None))
    trainer = Trainer(score)
    monkeypatch.setattr(shelf_module, "run_cell", trainer)
    shelf = Shelf(
        benchmark, str(tmp_path / "cells"), command="bash run.sh benchmark", say=lambda _: None
    )
    return Planner(benchmark, shelf), trainer


def by_rate(hparams):
    """Caser is the best other; every model is best with 3e-3 and dropout .2."""
    base = {"gru4rec": 0.6, "caser": 0.7, "din": 0.5, "dfar": 0.65}.get(hparams.model_type, 0.5)
    if hparams.model_type == "random":
        return 0.5
    return base + (0.02 if hparams.learning_rate == 0.003 else 0) + hparams.dropout / 10


def of(trainer, kind):
    return [asked for asked in trainer.asked if kind in asked[0]]


def test_a_benchmark_from_the_first_draw_to_the_last_seed(tmp_path, monkeypatch):
    planner, trainer = made(tmp_path, monkeypatch, by_rate)
    part = planner.benchmark.parts[0]
    assert planner.chosen(part, "dfar") is None and planner.best_others(part) is None
    lines = []
    train(planner, say=lines.append)
    assert next_work(planner) is None
    draws, last = of(trainer, "draw"), of(trainer, "finalist")
    # Equal for all: four draws for half the epochs, two of them to the end.
    for model in ("gru4rec", "caser", "din", "dfar"):
        assert [epochs for name, epochs, _ in draws if model in name] == [1] * 4
        assert [epochs for name, epochs, _ in last if model in name] == [2] * 2
        points = [work.values for work in planner.draws(part, model)]
        best = max(points, key=lambda p: (p["learning_rate"] == 0.003) * 0.02 + p["dropout"] / 10)
        assert planner.chosen(part, model) == best
    assert planner.best_others(part) == ["caser"]
    seeds = {model: len(own) for model, own in planner.seeds(part).items()}
    assert seeds == {"gru4rec": 2, "caser": 3, "din": 2, "dfar": 3}
    # The first seed of the choice is a finalist's run: scored again, not trained.
    tuned = [
        asked for asked in trainer.asked if "draw" not in asked[0] and "finalist" not in asked[0]
    ]
    rescored = [name for name, _, finished in tuned if finished]
    assert sorted(rescored) == [f"{m}, seed 1" for m in ("caser", "dfar", "din", "gru4rec")]
    assert len(tuned) == 1 + 4 + 4 + 2  # untrained, rescored, second seeds, third seeds
    # The line tells progress and the time left.
    assert "12 trained, " in lines[11] and "left; tiny, log_loss: " in lines[11]
    assert "0 to go, about 0 min left" in lines[-1]
    # Cheapest first: the untrained, then the model with the fewest seconds.
    assert trainer.asked[0][0] == "random, seed 1" and trainer.asked[1][0].startswith(
        "gru4rec, draw 1"
    )


def test_the_best_others_are_of_the_file_also_if_only_some_are_named(tmp_path, monkeypatch):
    planner, trainer = made(tmp_path, monkeypatch, by_rate)
    some = Planner(narrowed(planner.benchmark, "din,dfar"), planner.shelf)
    (part,) = some.benchmark.parts
    train(some, say=lambda _: None)
    # DIN is the best that is named, and not known to be the best of all.
    assert some.best_others(part) is None and some.seeds(part)["din"] == [1, 2]
    train(planner, say=lambda _: None)
    assert some.best_others(part) == ["caser"]
    asked = len(trainer.asked)
    train(some, say=lambda _: None)
    assert len(trainer.asked) == asked


def test_a_cells_seconds_count_all_its_sittings(tmp_path, monkeypatch):
    """Those of a draw, which a finalist goes on from, and those that a killed process left behind."""
    planner, _ = made(tmp_path, monkeypatch, by_rate)
    shelf, work = planner.shelf, next_work(planner)
    untrained = shelf.train(work).record["seconds"]
    assert untrained < 100
    part = planner.benchmark.parts[0]
    draw = planner.draws(part, "dfar")[0]
    path = shelf.path(draw)
    epoch = {"step": 3, "seconds": 1000, "validation_seconds": 10}
    write_json(os.path.join(path, "checkpoints", "training_state.json"), {"epochs": [epoch]})
    assert 1010 <= shelf.train(draw).record["seconds"] < 1100
    record = {**read_json(os.path.join(path, "benchmark.json")), "seconds": 2000}
    write_json(os.path.join(path, "benchmark.json"), record)
    to_the_end = draw._replace(kind="finalist", share=1.0)
    assert shelf.path(to_the_end) == path
    assert 2000 <= shelf.train(to_the_end).record["seconds"] < 2100


def test_a_killed_benchmark_trains_only_what_is_missing(tmp_path, monkeypatch):
    planner, trainer = made(tmp_path, monkeypatch, by_rate)
    trainer.stop_after = 9
    with pytest.raises(KeyboardInterrupt, match=r"9 trained.*To resume: bash run\.sh benchmark"):
        train(planner, say=lambda _: None)
    first = list(trainer.asked)
    again, other = made(tmp_path, monkeypatch, by_rate)
    train(again, say=lambda _: None)
    assert len(first) == 9 and not set(first) & set(other.asked)
    assert len(first) + len(other.asked) == 1 + 4 * 6 + 4 + 4 + 2
    third, nothing = made(tmp_path, monkeypatch, by_rate)
    train(third, say=lambda _: None)
    assert nothing.asked == []


def test_two_at_once_train_each_cell_once(tmp_path, monkeypatch):
    """Draws and finalists of one tell the other what comes next; both end when nothing is left."""
    planner, trainer = made(tmp_path, monkeypatch, by_rate)
    monkeypatch.setattr(session, "WAIT", 0.01)
    once = threading.Lock()
    training, together = set(), []

    def slow(cell, path, *rest):
        with once:
            training.add(path)
            together.append(len(training))
        time.sleep(0.02)
        with once:
            training.remove(path)
            return trainer(cell, path, *rest)

    monkeypatch.setattr(shelf_module, "run_cell", slow)
    second = Planner(
        planner.benchmark, Shelf(planner.benchmark, planner.shelf.folder, say=lambda _: None)
    )
    lines = [[], []]
    threads = [
        threading.Thread(target=train, args=(each, None, said.append))
        for each, said in zip((planner, second), lines)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(trainer.asked) == len(set(trainer.asked)) == 1 + 4 * 6 + 4 + 4 + 2
    assert max(together) == 2
    trained = [[line for line in said if "waiting" not in line] for said in lines]
    assert all(trained) and sum(map(len, trained)) == len(trainer.asked)
    assert next_work(planner) is None and next_work(second) is None


def test_what_another_process_trains_is_left_to_it(tmp_path, monkeypatch):
    planner, _ = made(tmp_path, monkeypatch, by_rate)
    other = Shelf(planner.benchmark, planner.shelf.folder, say=lambda _: None)
    first, second = list(open_works(planner))[:2]
    with other.claimed(first) as theirs, next_free(planner) as found:
        assert theirs and found == second
        assert planner.shelf.trained_elsewhere() == other.trained_elsewhere() == 1
        with planner.shelf.claimed(first) as ours:
            assert not ours
    assert planner.shelf.trained_elsewhere() == 0
    with next_free(planner) as found:
        assert found == first


def test_where_all_that_is_known_is_trained_elsewhere_it_waits(tmp_path, monkeypatch):
    planner, trainer = made(tmp_path, monkeypatch, by_rate)
    folder, benchmark = planner.shelf.folder, planner.benchmark
    waits, lines, elsewhere = [], [], contextlib.ExitStack()
    for work in open_works(planner):
        other = Shelf(benchmark, folder, say=lambda _: None)
        assert elsewhere.enter_context(other.claimed(work))

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            elsewhere.close()

    monkeypatch.setattr(session.time, "sleep", sleep)
    train(planner, say=lines.append)
    assert waits == [session.WAIT] * 3 and len(trainer.asked) == 1 + 4 * 6 + 4 + 4 + 2
    waiting = "other processes train all that is known, waiting"
    assert [waiting in line for line in lines] == [True] + [False] * len(trainer.asked)
    assert next_work(planner) is None


def test_other_code_makes_other_cells(tmp_path, monkeypatch):
    planner, trainer = made(tmp_path, monkeypatch, by_rate, models=["gru4rec", "dfar"])
    train(planner, say=lambda _: None)
    before = len(trainer.asked)
    work = planner.draws(planner.benchmark.parts[0], "dfar")[0]
    folder = planner.shelf.path(work)
    monkeypatch.setattr(shelf_module, "code_digest", lambda model: "0" * 12)
    again, other = made(tmp_path, monkeypatch, by_rate, models=["gru4rec", "dfar"])
    again.shelf.any_code = True
    assert next_work(again) is None and other.asked == []
    # A key that is newer than the cells counts with its default; another value is another cell.
    path = os.path.join(folder, shelf_module.RECORD)
    record = read_json(path)
    for settings, there in (({}, True), ({"batch_size": 7}, False)):
        kept = {key: value for key, value in record["settings"].items() if key != "batch_size"}
        write_json(path, {**record, "settings": {**kept, **settings}})
        assert (again.shelf.path(work) == folder) == there
    write_json(path, record)
    again.shelf.any_code = False
    train(again, say=lambda _: None)
    assert len(other.asked) == before


def test_a_draw_that_fails_is_none_of_the_best_and_not_tried_again(tmp_path, monkeypatch):
    def diverges(hparams):
        return None if hparams.learning_rate == 0.003 else by_rate(hparams)

    planner, _ = made(tmp_path, monkeypatch, diverges)
    lines = []
    train(planner, say=lines.append)
    part = planner.benchmark.parts[0]
    failed = [w for w in planner.draws(part, "dfar") if planner.shelf.look(w).status == "failed"]
    assert failed and all(work.values["learning_rate"] == 0.003 for work in failed)
    assert planner.chosen(part, "dfar")["learning_rate"] != 0.003
    assert any("FAILED: the loss is nan" in line for line in lines)
    again, nothing = made(tmp_path, monkeypatch, by_rate)
    train(again, say=lambda _: None)
    assert nothing.asked == []
    again.shelf.retry()
    assert next_work(again).values["learning_rate"] == 0.003


def test_the_choice_is_by_the_draws_own_epochs_then_by_the_finalists(tmp_path, monkeypatch):
    """A draw's score counts the epochs it was trained for as a draw, also after it became a finalist."""
    planner, _ = made(tmp_path, monkeypatch, by_rate)
    train(planner, say=lambda _: None)
    part = planner.benchmark.parts[0]
    best = planner.finalists(part, "dfar")[0]
    draw = next(work for work in planner.draws(part, "dfar") if work.values == best.values)
    assert planner.shelf.score(best) == pytest.approx(planner.shelf.score(draw) + 0.01)


def test_settings_of_another_log_and_the_extras(tmp_path, monkeypatch):
    logs = {**CONTENT["logs"], "second": copy.deepcopy(CONTENT["logs"]["tiny"])}
    parts = [
        {"log": "tiny", "objective": "log_loss", "extras": ["ablations", "weights", "published"]},
        {"log": "second", "objective": "log_loss", "settings_of": "tiny"},
    ]
    planner, _ = made(tmp_path, monkeypatch, by_rate, logs=logs, parts=parts)
    first, second = planner.benchmark.parts
    unknown = [work for work in planner.of_part(first) if work.kind == "ablation"]
    assert unknown and all(work.values is None for work in unknown)
    train(planner, say=lambda _: None)
    assert planner.draws(second, "dfar") == []
    assert planner.chosen(second, "dfar") == planner.chosen(first, "dfar")
    works = planner.of_part(first)
    kinds = {
        kind: [w for w in works if w.kind == kind] for kind in ("ablation", "weight", "published")
    }
    assert len(kinds["ablation"]) == 4 * 3 and len(kinds["weight"]) == 8 * 3
    assert {w.values["ablation"] for w in kinds["ablation"]} == {"fha", "mo", "idl", "ibl"}
    chosen = planner.chosen(first, "dfar")
    assert all(w.values["dropout"] == chosen["dropout"] for w in kinds["weight"])
    assert {w.values["learning_rate"] for w in kinds["published"]} == {"0.0001"}
    # The default weight's cell is the complete model's.
    same = next(w for w in kinds["weight"] if w.name == "lambda_d 0.001" and w.seed == 1)
    assert planner.shelf.path(same) == planner.shelf.path(planner.tuned(first, "dfar", 1))


def test_a_plan_counts_and_trains_nothing(tmp_path, monkeypatch):
    planner, trainer = made(tmp_path, monkeypatch, by_rate)
    lines = []
    say_plan(planner, lines.append)
    text = "\n".join(lines)
    assert trainer.asked == [] and not (tmp_path / "cells").exists()
    rows = [line.split() for line in text.splitlines() if line.startswith("tiny, log_loss")]
    cells = {row[2]: int(row[3]) for row in rows}
    assert cells == {"untrained": 1, "draw": 16, "finalist": 8, "tuned": 9}
    assert "34 cells, 0 done; about" in text


def test_what_lacks_a_seed_is_shown_and_not_compared(tmp_path, monkeypatch):
    planner, _ = made(tmp_path, monkeypatch, by_rate)
    train(planner, say=lambda _: None)
    (part,) = planner.benchmark.parts
    entries = entries_of(planner, part)
    assert whole(planner, part, entries) == entries
    tuned = [work for work in planner.of_part(part) if work.kind == "tuned"]
    (last,) = [work for work in tuned if (work.model, work.seed) == ("dfar", 2)]
    shutil.rmtree(planner.shelf.path(last))
    again = Planner(planner.benchmark, Shelf(planner.benchmark, planner.shelf.folder))
    left = entries_of(again, part)
    assert len(left["tuned", "dfar", ""].results) == len(entries["tuned", "dfar", ""].results) - 1
    assert set(left) - set(whole(again, part, left)) == {("tuned", "dfar", "")}


def test_a_log_that_is_not_there_leaves_its_cells_missing(tmp_path, monkeypatch):
    planner, trainer = made(tmp_path, monkeypatch, by_rate)
    os.unlink(str(tmp_path / "SYNTHETIC_tiny.csv"))
    said = []
    planner.shelf.say = said.append
    train(planner, say=said.append)
    assert trainer.asked == [] and "SYNTHETIC_tiny.csv is not there" in said[0]


def test_attentions_are_measured_when_training_pauses_and_nothing_else_trains(
    tmp_path, monkeypatch
):
    planner, _ = made(tmp_path, monkeypatch, by_rate, complexity=True)
    folder, measured, told = planner.shelf.folder, [], []
    monkeypatch.setattr(session, "train", lambda planner, minutes, say: None)
    monkeypatch.setattr(session, "write_book", lambda planner, output, say: told.append(output))
    monkeypatch.setattr(
        session,
        "run_complexity",
        lambda hparams, steps, command, output, say: measured.append(output),
    )
    asked = {"name": str(tmp_path / "mine.yaml"), "data_dir": str(tmp_path), "cells": folder}
    book = str(tmp_path / "book")
    other = Shelf(planner.benchmark, folder, say=lambda _: None)
    with other.claimed(next(iter(open_works(planner)))):
        session.run_benchmark(**asked, output=book)
    assert measured == [] and told == [book]
    session.run_benchmark(**asked, output=book, only_report=True)
    assert measured == []
    session.run_benchmark(**asked, output=book, minutes=1)
    assert measured == [book] and told == [book] * 3
    monkeypatch.setattr(session, "complexity_rows", lambda output, earlier: ["a row"])
    session.run_benchmark(**asked, output=book)
    assert measured == [book]
