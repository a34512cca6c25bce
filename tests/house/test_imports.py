"""Imports point down and never go in circles; those inside functions count too."""

import ast
import collections

import pytest
from places import CHECKOUT

PACKAGES = ("dfar_tf", "recommenders_utils")
# The chapters of dfar_tf, each level above the next. A module may import what is below its level, and
# its own chapter; chapters of one level may import each other, as long as there is no circle.
LEVELS = (
    ("__main__",),
    ("cli",),
    ("manual",),
    ("commands",),
    ("bench", "diff", "doctor", "experiments", "serving"),
    ("runs",),
    ("estimator",),
    ("settings", "objectives"),
    ("models",),
    ("layers", "frames"),
    ("losses", "paths", "terminal", "training_keys", "version"),
)
LEVEL = {chapter: level for level, chapters in enumerate(LEVELS) for chapter in chapters}


def modules_of(root):
    """``{dotted name: path}`` of both packages; a package's name stands for its ``__init__``."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def names_imported(path, name):
    """Yields ``(module, what is taken from it or None)`` for each import of a module called ``name``."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                yield base, alias.name
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                yield node.args[0].value, None


def graph_of(root):
    """``{module: modules of ours that it imports}``."""
    modules = modules_of(root)
    graph = collections.OrderedDict()
    for name, path in modules.items():
        graph[name] = set()
        for base, taken in names_imported(path, name):
            target = (
                base if taken is None or f"{base}.{taken}" not in modules else f"{base}.{taken}"
            )
            if target in modules and target != name:
                graph[name].add(target)
    return graph


def circle_in(graph):
    """A list of modules of which each imports the next and the last the first, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :]
        if name not in done:
            path.append(name)
            for target in sorted(graph[name]):
                found = visit(target)
                if found:
                    return found
            done.add(path.pop())
        return None

    return next(filter(None, map(visit, graph)), None)


def chapter_of(name):
    return name.split(".")[1]


def upward(graph):
    """Imports of dfar_tf that do not point down, as text."""
    wrong = []
    for name, targets in graph.items():
        for target in targets:
            if not (name.startswith("dfar_tf.") and target.startswith("dfar_tf")):
                continue
            here, there = chapter_of(name), chapter_of(target) if "." in target else None
            if here == there:
                continue
            is_up = there is None or LEVEL[here] > LEVEL[there] or LEVEL[there] < 2
            if is_up and (here, there) != ("__main__", "cli"):
                wrong.append(f"{name} imports {target}")
    return sorted(wrong)


@pytest.fixture(scope="module")
def graph():
    return graph_of(CHECKOUT)


def test_every_module_has_its_place(graph):
    chapters = {chapter_of(name) for name in graph if name.startswith("dfar_tf.")}
    assert chapters == set(LEVEL)
    # The finder sees what there is: at the top, inside a function, and a module taken from a package.
    assert "dfar_tf.cli" in graph["dfar_tf.__main__"]
    assert "dfar_tf.serving.api" in graph["dfar_tf"]
    assert "recommenders_utils.backend" in graph["dfar_tf.models.base"]


def test_imports_do_not_go_in_circles(graph):
    assert circle_in(graph) is None


def test_imports_of_dfar_tf_point_down(graph):
    assert upward(graph) == []


def test_only_main_imports_the_command_line(graph):
    assert [name for name, targets in graph.items() if "dfar_tf.cli" in targets] == [
        "dfar_tf.__main__"
    ]


def test_recommenders_utils_knows_nothing_of_dfar_tf(graph):
    for name, targets in graph.items():
        if name.startswith("recommenders_utils"):
            assert not [target for target in targets if target.startswith("dfar_tf")], name


def test_tensorflow_is_imported_in_one_module():
    importing = {
        name
        for name, path in modules_of(CHECKOUT).items()
        for base, _ in names_imported(path, name)
        if base.split(".")[0] in ("tensorflow", "keras", "tf_keras")
    }
    assert importing == {"recommenders_utils.backend"}


@pytest.mark.parametrize(
    "files, circle, wrong",
    [
        ({"runs/a": "import dfar_tf.layers.b", "layers/b": ""}, None, []),
        ({"layers/b": "from dfar_tf.runs import a", "runs/a": ""}, None, ["layers.b", "runs.a"]),
        (
            {"layers/b": "def f():\n    from ..runs import a", "runs/a": ""},
            None,
            ["layers.b", "runs.a"],
        ),
        ({"runs/a": "from .b import x", "runs/b": "def f():\n import dfar_tf.runs.a"}, 2, []),
        (
            {"bench/a": "from dfar_tf import diff", "diff/__init__": "from dfar_tf.bench import a"},
            2,
            [],
        ),
        ({"bench/a": "from dfar_tf.cli import main", "cli": ""}, None, ["bench.a", "cli"]),
        ({"runs/a": "from dfar_tf import load", "__init__": ""}, None, ["runs.a", ""]),
    ],
)
def test_what_is_wrong_is_found(tmp_path, files, circle, wrong):
    for name, text in files.items():
        path = tmp_path / "dfar_tf" / (name + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    graph = graph_of(tmp_path)
    assert len(circle_in(graph) or []) == (circle or 0)
    expected = [" imports ".join(f"dfar_tf.{name}".rstrip(".") for name in wrong)] if wrong else []
    assert upward(graph) == expected
