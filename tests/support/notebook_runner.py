"""Runs a notebook's code cells in order with plain Python, without Jupyter.

``python notebook_runner.py FILE`` prints the outputs of each code cell as JSON; with ``--store`` it
writes them into the file.
"""

import ast
import contextlib
import io
import json
import sys


def read(path):
    """The notebook as a dict."""
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def code_cells(notebook):
    """The code cells in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text_of(cell):
    """All text of a code cell's stored outputs."""
    parts = (output.get("text") or output["data"]["text/plain"] for output in cell["outputs"])
    return "".join("".join(part) + "\n" for part in parts)


def run_cells(notebook):
    """Executes the code cells in one namespace.

    Returns:
      list of each code cell's outputs in the notebook format: what it printed, then the value of its last
      expression.
    """
    namespace, made = {"__name__": "__main__"}, []
    for number, cell in enumerate(code_cells(notebook), 1):
        tree = ast.parse("".join(cell["source"]), f"cell {number}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        printed, value = io.StringIO(), None
        with contextlib.redirect_stdout(printed):
            exec(compile(tree, f"cell {number}", "exec"), namespace)
            if last is not None:
                value = eval(
                    compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace
                )
        outputs = []
        if printed.getvalue():
            text = printed.getvalue().splitlines(True)
            outputs.append({"output_type": "stream", "name": "stdout", "text": text})
        if value is not None:
            data = {"text/plain": repr(value).splitlines(True)}
            outputs.append(
                {
                    "output_type": "execute_result",
                    "execution_count": number,
                    "data": data,
                    "metadata": {},
                }
            )
        made.append(outputs)
    return made


def store(path):
    """Executes a notebook and writes the outputs into it."""
    notebook = read(path)
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), run_cells(notebook)), 1):
        cell.update(execution_count=number, outputs=outputs)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if "--store" in sys.argv:
        store(sys.argv[1])
    else:
        json.dump(run_cells(read(sys.argv[1])), sys.stdout)
