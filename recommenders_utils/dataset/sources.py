"""Which ratings file a run uses: the first of five places that has one.

1. ``--ratings``: the file that the user named.
2. ``data/ratings_Toys_and_Games.csv`` below the checkout (plain or .gz).
3. ``$DFAR_DATA``: a file, or a folder that holds a file of that name.
4. A download from the publisher into ``data/`` (see `download`).
5. Only where the publisher's machine cannot be reached (or ``DFAR_OFFLINE=1`` says not to try): a
   SYNTHETIC stand-in of Table 1's shape (see `synthetic`).

A named file that is missing is an error and is never skipped. So is a publisher that answers but
does not deliver the file (HTTP error, wrong length or digest, a connection that keeps dropping).
Only a machine that is *offline* gets the stand-in, with a message.
"""

import collections
import os
from typing import Any, Callable, Mapping, Optional, Tuple

from recommenders_utils.dataset.download import OfflineError, download
from recommenders_utils.dataset.known import AMAZON, AMAZON_FOLDER, amazon_file, amazon_title
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.files import read_json, write_json
from recommenders_utils.synthetic import ratings as synthetic

CATEGORY = "Toys_and_Games"  # the paper's
FILE_NAME = amazon_file(CATEGORY)
STAND_IN_NAME = "SYNTHETIC_ratings_amazon_shape.csv"
STAND_IN_SEED = 2023
# The publisher's own address of the 2014 Amazon ratings (J. McAuley's group).
PUBLISHER_URL = AMAZON_FOLDER + FILE_NAME
STAND_IN_TITLE = "SYNTHETIC stand-in of Table 1's Amazon shape"


class Source(collections.namedtuple("Source", ["path", "name", "synthetic", "overrides", "how"])):
    """A ratings file and what is known about it.

    Attributes:
      path: the file.
      name: of the data set, for headings; begins with SYNTHETIC where ``synthetic`` is true.
      synthetic: whether the ratings were generated.
      overrides: data hparams this file needs (of the stand-in: no item filter), else {}.
      how: one line saying where the file came from.
    """

    __slots__ = ()


def find_ratings(
    ratings: Optional[str] = None,
    root: str = ".",
    say: Callable[[str], None] = print,
    allow_download: bool = True,
    url: Optional[str] = None,
    sha256: Optional[str] = None,
    environ: Optional[Mapping[str, str]] = None,
    category: str = CATEGORY,
    **download_options: Any,
) -> Source:
    """Finds, fetches or generates the ratings file; the module's text gives the order.

    Args:
      ratings: the path that the user gave, or None.
      root: the checkout, the folder that holds ``data/``.
      say: called with lines of text for the user.
      allow_download: False uses the stand-in without trying the publisher.
      url: address to download from; by default ``$DFAR_RATINGS_URL``, else the publisher's.
      sha256: digest the download must have, or None.
      environ: environment variables (by default the process's): DFAR_DATA, DFAR_RATINGS_URL,
        DFAR_OFFLINE (1 is as ``allow_download=False``).
      category: of Amazon's ratings of 2014; another than the paper's is found or fetched, but has no
        stand-in, and ``DFAR_DATA`` counts only if it is a folder.
      **download_options: passed to `download`.

    Returns:
      Source.

    Raises:
      UserError: if a named file is missing, or the download fails for another reason than being
        offline; in a category without a stand-in, also if it is that.
    """
    environ = os.environ if environ is None else environ
    folder = os.path.join(root, "data")
    file, title = amazon_file(category), amazon_title(category)
    local = os.path.join(folder, file)
    if ratings:
        return _given(ratings, "--ratings")
    for path in (local, local + ".gz"):
        if os.path.isfile(path):
            return _checked(path, title, f"found at data/{os.path.basename(path)}")
    place = environ.get("DFAR_DATA")
    if place and (category == CATEGORY or os.path.isdir(place)):
        return _from_environment(place, file)
    url = url or environ.get("DFAR_RATINGS_URL") or AMAZON_FOLDER + file
    offline = _flag(environ, "DFAR_OFFLINE")
    if offline or not allow_download:
        reason = "DFAR_OFFLINE is set" if offline else "downloads are switched off"
    else:
        try:
            download(url, local, say=say, sha256=sha256, **download_options)
            return _checked(local, title, f"downloaded from {url}")
        except OfflineError as error:
            reason = f"this machine seems offline: {error}"
        except UserError as error:
            raise UserError(
                f"{error}. Or give another file with --ratings=FILE, or set DFAR_OFFLINE=1 for a "
                "SYNTHETIC stand-in"
            ) from error
    if category != CATEGORY:
        raise UserError(
            f"{local}: no ratings of {title}: {reason}. There is no stand-in for this category; put "
            f"the file there (from {AMAZON_FOLDER + file}), or give --ratings=FILE"
        )
    return _stand_in(os.path.join(folder, STAND_IN_NAME), local, reason, say)


def name_of(path: str) -> Tuple[str, bool]:
    """What to call the data of a file, and whether its name says that they are generated.

    Returns:
      (the file's name without its endings, whether it begins with SYNTHETIC).
    """
    name = os.path.basename(path)
    for ending in (".gz", ".csv", ".tsv", ".txt", ".inter", ".dat", ".parquet", ".pq"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name, os.path.basename(path).upper().startswith("SYNTHETIC")


def _given(path, what):
    name, _ = name_of(path)
    for category in AMAZON:
        if name == os.path.splitext(amazon_file(category))[0]:
            name = amazon_title(category)
    return _checked(path, name, f"given with {what}")


def _from_environment(place, file):
    if os.path.isdir(place):
        for path in (os.path.join(place, file), os.path.join(place, file + ".gz")):
            if os.path.isfile(path):
                return _given(path, "DFAR_DATA")
        raise UserError(
            f"DFAR_DATA={place}: expected {file} (or {file}.gz) in that folder; put it "
            "there, or point DFAR_DATA at a ratings file, or unset it"
        )
    return _given(place, "DFAR_DATA")


def _checked(path, name, how):
    """The Source of a real file, or of a stand-in that is named explicitly."""
    if not os.path.isfile(path):
        what = "is a folder, not a file" if os.path.isdir(path) else "does not exist"
        raise UserError(
            f"ratings file {shortened(path, 400)} ({how}) {what}: expected a CSV or TSV file of user, item, "
            "rating and time"
        )
    if not os.access(path, os.R_OK):
        raise UserError(f"ratings file {path} ({how}) cannot be read: check its permissions")
    if os.path.basename(path).upper().startswith("SYNTHETIC"):
        # A generated file stays marked, however it is given.
        amazon = os.path.basename(path) == STAND_IN_NAME
        overrides = synthetic.stand_in_overrides() if amazon else {}
        title = STAND_IN_TITLE if amazon else name
        return Source(path, title, True, overrides, how)
    return Source(path, name, False, {}, how)


def _stand_in(path, wanted, reason, say):
    """Generates the stand-in, or reuses the stored one if this generator version made it."""
    about = {
        "what": f"{STAND_IN_TITLE}; no real ratings",
        "generator_version": synthetic.GENERATOR_VERSION,
        "seed": STAND_IN_SEED,
        "shape": synthetic.AMAZON_SHAPE,
    }
    note = os.path.splitext(path)[0] + ".json"
    try:
        stored = dict(read_json(note))
        size = stored.pop("bytes")
        reused = stored == about and os.path.getsize(path) == size
    except (OSError, ValueError, KeyError, TypeError):
        reused = False
    if not reused:
        try:
            synthetic.generate_ratings(path, seed=STAND_IN_SEED, **synthetic.AMAZON_SHAPE)
            write_json(note, dict(about, bytes=os.path.getsize(path)))
        except OSError as error:
            raise UserError(
                f"cannot write {path}: {error.strerror or error}; free space or fix the permissions"
            ) from error
    banner = "=" * 78
    for line in (
        banner,
        f"SYNTHETIC DATA: {reason}",
        f"{'Reusing' if reused else 'Generated'} {path}.",
        "Its size is that of the paper's Table 1 (Amazon); its ratings are made up, and no result",
        "from it says anything about the paper's. For real results put the file at",
        f"{wanted}, or give --ratings=FILE.",
        banner,
    ):
        say(line)
    how = "generated: " + ("stored from an earlier run" if reused else "new")
    return Source(path, STAND_IN_TITLE, True, synthetic.stand_in_overrides(), how)


def _flag(environ, name):
    value = environ.get(name, "").strip().lower()
    if value in ("", "0", "false", "no"):
        return False
    if value in ("1", "true", "yes"):
        return True
    raise UserError(f"{name}={environ[name]}: expected 1 or 0")
