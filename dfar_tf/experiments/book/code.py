"""Which code made a cell: a digest of the sources that can change its numbers, and the commit.

Counted are the model's module and the training, reading and scoring below it, as far as their imports
reach; not counted are comments, docstrings and layout, the commands, and what only prints or plots. What
prepares data is not counted either: its outcome is in the data's fingerprint.
"""

import ast
import functools
import hashlib
import io
import os
import subprocess
import tokenize

from dfar_tf.models import is_untrained
from dfar_tf.paths import PACKAGE

ROOTS = ("dfar_tf.runs.observed", "recommenders_utils.evaluation.catalogue")
TRAINED = ("dfar_tf.estimator.training", "dfar_tf.estimator.ranking", "dfar_tf.estimator.scorer")
UNTRAINED = ("recommenders_utils.untrained.scoring", "recommenders_utils.untrained.registry")
# Followed, if imported from a module that counts.
COUNTED = (
    *("dfar_tf.models", "dfar_tf.layers", "dfar_tf.estimator", "dfar_tf.losses"),
    *("dfar_tf.training_keys", "dfar_tf.runs.observed"),
    *("recommenders_utils.io", "recommenders_utils.evaluation", "recommenders_utils.untrained"),
    *("recommenders_utils.dataset.training", "recommenders_utils.dataset.negatives"),
    *("recommenders_utils.dataset.candidates", "recommenders_utils.dataset.sequences"),
    *("recommenders_utils.released", "recommenders_utils.backend"),
)
# Of those, what changes no number of a cell: several machines, messages, comparisons of cells.
NOT_COUNTED = (
    *("dfar_tf.estimator.cluster", "dfar_tf.estimator.messages", "dfar_tf.estimator.events"),
    *("dfar_tf.estimator.signals", "recommenders_utils.evaluation.significance"),
    *("recommenders_utils.evaluation.effects", "recommenders_utils.evaluation.orders"),
)
# Of those, what trains: an untrained model does not use it.
OF_TRAINING = ("dfar_tf.models", "dfar_tf.layers", "dfar_tf.estimator", "dfar_tf.losses")
_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING)


def code_digest(model, root=None):
    """12 hex digits that change when code changes that can change a number of a model's cells.

    Args:
      model: its name.
      root: folder that holds both packages; that of the running code if None.
    """
    return _digest(model, root or os.path.dirname(PACKAGE))


@functools.lru_cache(maxsize=None)
def _digest(model, root):
    digest = hashlib.sha256()
    for name in sorted(modules_of(model, root)):
        digest.update(f"{name}\0{_meaning(_text(name, root))}\0".encode())
    return digest.hexdigest()[:12]


def modules_of(model, root=None):
    """Dotted names of the modules whose code ``code_digest`` counts."""
    root = root or os.path.dirname(PACKAGE)
    own = (*TRAINED, f"dfar_tf.models.{model}")
    left_out = (*NOT_COUNTED, "recommenders_utils.untrained")
    if is_untrained(model):
        own, left_out = UNTRAINED, (*NOT_COUNTED, *OF_TRAINING)
    waiting, found = [*ROOTS, *own], set()
    while waiting:
        name = waiting.pop()
        if name not in found and _path(name, root):
            found.add(name)
            waiting += [each for each in _imports(_text(name, root)) if _counts(each, left_out)]
    return found


def _counts(name, left_out):
    def inside(names):
        return any(name == each or name.startswith(each + ".") for each in names)

    return inside(COUNTED) and not inside(left_out)


@functools.lru_cache(maxsize=None)
def _imports(text):
    """Names of the modules that a module imports, at its top or in a function."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _text(name, root):
    with open(_path(name, root), encoding="utf-8") as stream:
        return stream.read()


def _path(name, root):
    """Path of a module or of a package's ``__init__``; None if it is neither."""
    base = os.path.join(root, *name.split("."))
    for path in (base + ".py", os.path.join(base, "__init__.py")):
        if os.path.isfile(path):
            return path
    return None


@functools.lru_cache(maxsize=None)
def _meaning(text):
    """A module's tokens without comments, docstrings and layout, as one text."""
    kept, line = [], []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            if any(kind != tokenize.STRING for kind, _ in line):  # else a docstring
                kept.append(" ".join(word for _, word in line))
            line = []
        elif token.type in (tokenize.INDENT, tokenize.DEDENT):
            kept.append("{" if token.type == tokenize.INDENT else "}")
        elif token.type not in _LAYOUT:
            line.append((token.type, token.string))
    return "\n".join(kept)


def commit():
    """The commit of the running code, with ``+`` if files differ from it; None outside a repository."""
    root = os.path.dirname(PACKAGE)
    try:
        names = ["git", "-C", root, "rev-parse", "--short=12", "HEAD"]
        changed = ["git", "-C", root, "status", "--porcelain", "--untracked-files=no"]
        if not os.path.exists(os.path.join(root, ".git")):
            return None
        said = [_said(words) for words in (names, changed)]
    except (OSError, subprocess.CalledProcessError):
        return None
    return said[0] + ("+" if said[1] else "")


def _said(words):
    return subprocess.check_output(words, stderr=subprocess.DEVNULL).decode().strip()
