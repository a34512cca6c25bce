"""The code is as ruff and mypy want it; both are among the test packages of TensorFlow 2.15."""

import ast
import importlib.util
import subprocess
import sys

import pytest
from places import CHECKOUT


def run(module, *arguments):
    """Exit status and output of a tool, with this checkout as the current folder."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed in this environment")
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=str(CHECKOUT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check", "--diff"]])
def test_ruff_is_content(arguments):
    status, output = run("ruff", *arguments, "--no-cache", ".")
    assert status == 0, output


def test_mypy_is_content_with_the_hints(tmp_path):
    status, output = run("mypy", f"--cache-dir={tmp_path}")
    assert status == 0, output
    # It sees our hints: a wrong call is found.
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from recommenders_utils.errors import shortened\nshortened(3)\n")
    status, output = run("mypy", f"--cache-dir={tmp_path}", str(wrong))
    assert status == 1 and '"shortened" has incompatible type "int"; expected "str"' in output


def public_functions(body):
    """The functions of a module that others call, methods of its classes included."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def test_public_functions_of_recommenders_utils_have_hints():
    root, seen = CHECKOUT / "recommenders_utils", 0
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        for node in public_functions(ast.parse(path.read_text(encoding="utf-8")).body):
            given = [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            given = [each for each in given if each and each.arg not in ("self", "cls")]
            bare = [each.arg for each in given if each.annotation is None]
            assert node.returns is not None and not bare, (
                f"{name}: {node.name}: {bare or 'returns'}"
            )
            seen += 1
    assert seen > 50
