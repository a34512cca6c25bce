"""Benchmark files: those of ours are read; a mistake gives one message that names file and key."""

import copy

import pytest
import yaml
from places import HPARAMS

from dfar_tf.experiments.book.benchmark import FOLDER, find_benchmark, read_benchmark
from dfar_tf.experiments.book.session import narrowed
from dfar_tf.experiments.book.shelf import Shelf, check_models
from dfar_tf.experiments.book.tuning import draws
from dfar_tf.experiments.book.works import Planner
from dfar_tf.models import check_model
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError

TINY = yaml.safe_load((HPARAMS / "benchmarks" / "tiny.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["book", "tiny"])
def test_ours_are_read(name):
    benchmark = read_benchmark(find_benchmark(name), "/logs")
    check_models(benchmark)
    assert benchmark.name == name
    assert all(log.source.startswith("/logs/") for log in benchmark.logs.values())


def test_the_book_is_what_was_agreed():
    book = read_benchmark(find_benchmark("book"))
    assert (book.tuning["draws"], book.tuning["finalists"]) == (8, 3)
    assert book.tuning["share"] == pytest.approx(1 / 3, abs=1e-3)
    assert (book.seeds["most"], book.seeds["best_others"], book.seeds["rest"]) == (5, 3, 3)
    assert book.values["learning_rate"] == [1e-4, 1e-3, 3e-3, 1e-2]
    assert book.values["dropout"] == [0, 0.2, 0.5] and book.values["embed_l2"] == [1e-6, 1e-5]
    order = [part.key for part in book.parts]
    assert order[0] == ("toys_released", "log_loss")
    assert [key for key in order if key[1] == "softmax"] == order[-2:]
    assert book.part(("toys_users10", "log_loss")).tuned_as == ("toys_released", "log_loss")
    assert "dfar" in book.parts[0].models and len(book.parts[0].models) == 10


def test_an_objective_may_have_seconds_of_its_own():
    book = read_benchmark(find_benchmark("book"))
    assert book.seconds_of("retrieval", "dfar", 1.0) > 10 * book.seconds_of("softmax", "dfar", 1.0)
    assert book.seconds_of("softmax", "pnfrec", 1.0) == 1.0  # the usual, where the file has none


def test_every_draw_of_the_book_can_be_trained(tmp_path):
    book = read_benchmark(find_benchmark("book"), str(tmp_path))
    shelf = Shelf(book, str(tmp_path), say=lambda _: None)
    planner, checked = Planner(book, shelf), set()
    for part in book.parts:
        for work in planner.of_part(part):
            if work.kind == "draw" and (part.objective, work.model, work.name) not in checked:
                check_model(shelf.hparams(work))
                checked.add((part.objective, work.model, work.name))
    assert len(checked) == 8 * (10 + 9 + 10)


def changed(place, value):
    content = copy.deepcopy(TINY)
    *path, last = place
    at = content
    for key in path:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return content


MISTAKES = {
    "unknown model": (("models",), ["gru4rec", "dfra"], ("models", "'dfra'", "dfar")),
    "models no list": (("models",), "dfar", ("models", "a list of names")),
    "unknown untrained": (("untrained",), ["dfar"], ("untrained", "'dfar'")),
    "unknown log": (("parts", 0, "log"), "toy", ("parts: 1: log", "'toy'", "tiny")),
    "log no name": (("parts", 0, "log"), ["tiny"], ("parts: 1: log", "unknown log")),
    "unknown objective": (
        ("parts", 0, "objective"),
        "logloss",
        ("objective", "did you mean log_loss"),
    ),
    "no parts": (("parts",), None, ("'parts' is missing",)),
    "unknown key": (("seed",), 3, ("'seed'", "did you mean seeds")),
    "type": (("tuning", "draws"), "many", ("tuning: draws", "int >= 0", "'many'")),
    "bounds": (("tuning", "share"), 1.5, ("tuning: share", "1.5")),
    "unknown value": (("tuning", "values", "lr"), [1], ("tuning: values", "'lr'")),
    "value of a type": (
        ("tuning", "values", "dropout"),
        ["x"],
        ("tuning: values", "dropout", "'x'"),
    ),
    "values of no objective": (("tuning", "objectives"), {"x": {}}, ("tuning: objectives", "'x'")),
    "values no list": (("tuning", "values", "dropout"), 0.5, ("dropout", "a list of values")),
    "unknown setting": (("objectives", "log_loss", "epoch"), 3, ("objectives: log_loss", "epochs")),
    "setting of a type": (("objectives", "log_loss", "epochs"), "x", ("log_loss", "epochs", "'x'")),
    "log without a file": (("logs", "tiny", "ratings"), None, ("logs: tiny", "ratings")),
    "log without data": (
        ("logs", "tiny", "data"),
        "toys",
        ("logs: tiny: data", "hparams/toys.yaml"),
    ),
    "paper": (("logs", "tiny", "paper"), "ml", ("logs: tiny: paper", "micro_video")),
    "extra": (("parts", 0, "extras"), ["table3"], ("extras", "'table3'", "ablations")),
    "settings of none": (("parts", 0, "settings_of"), "tiny", ("settings_of", "before this one")),
    "seconds": (("seconds", "dfar"), "fast", ("seconds: dfar", "'fast'")),
    "seconds of none": (("seconds", "dfarr"), 3, ("seconds", "'dfarr'", "did you mean dfar")),
    "seconds of no objective": (
        ("seconds", "objectives"),
        {"x": {}},
        ("seconds: objectives", "'x'"),
    ),
    "seconds of an objective": (
        ("seconds", "objectives"),
        {"log_loss": {"dfar": "fast"}},
        ("seconds: objectives: log_loss: dfar", "'fast'"),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_file_and_key(tmp_path, name):
    place, value, signs = MISTAKES[name]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(changed(place, value)), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_benchmark(str(path))
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text
    assert all(sign in text for sign in signs), text


def test_no_such_benchmark_names_those_there_are():
    with pytest.raises(UserError, match="did you mean book"):
        find_benchmark("boook")
    assert FOLDER.endswith("benchmarks")


def test_only_what_is_named():
    book = read_benchmark(find_benchmark("book"))
    some = narrowed(book, "toys_released,log_loss,dfar,gru4rec")
    assert [part.key for part in some.parts] == [("toys_released", "log_loss")]
    assert some.parts[0].models == ("gru4rec", "dfar")
    with pytest.raises(UserError, match="'dfra' is not in"):
        narrowed(book, "dfra")
    with pytest.raises(UserError, match="takes its settings from toys_released"):
        narrowed(book, "toys_users10")


def test_draws_are_seeded_and_of_the_models_own_keys():
    values = read_benchmark(find_benchmark("book")).values
    keys = {
        name: merge_hparams("amazon", model_type=name).values() for name in ("caser", "dfar", "din")
    }
    found = {name: draws(name, keys[name], values, 8, 1) for name in keys}
    again = {name: draws(name, keys[name], values, 8, 1) for name in keys}
    assert found == again and found["dfar"] != draws("dfar", keys["dfar"], values, 8, 2)
    assert all(len({repr(p) for p in points}) == 8 for points in found.values())
    own = {"learning_rate", "dropout", "embed_l2"}
    assert set(found["dfar"][0]) == own
    assert set(found["caser"][0]) == own | {"feedback_input", "filter_heights"}
    assert set(found["din"][0]) == own | {"feedback_input", "att_softmax"}
    # No more than there are, and all of them then.
    few = draws("dfar", keys["dfar"], {"dropout": [0, 0.5]}, 8, 1)
    assert sorted(point["dropout"] for point in few) == [0, 0.5]
