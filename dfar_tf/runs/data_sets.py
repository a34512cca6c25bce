"""Data sets by name: the list of them, one fetched, and a category of Amazon's 2014 ratings."""

import textwrap

from dfar_tf.paths import ROOT, in_checkout, shown, typed
from recommenders_utils.dataset.fetch import fetch
from recommenders_utils.dataset.known import KNOWN, amazon_category, known
from recommenders_utils.dataset.sources import find_ratings
from recommenders_utils.errors import UserError
from recommenders_utils.tables import WIDTH

INDENTED = dict(initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def show_data_sets(say=print):
    """Prints what is known of each data set; Amazon's categories, which differ in size only, as one."""
    for name, entry in KNOWN.items():
        if name.startswith("amazon-") and name != "amazon-beauty":
            continue
        say(f"{name}: {entry.title}")
        say(f"  licence: {entry.licence or 'not stated by its publisher'}; size: {entry.size}")
        if entry.url:
            checksum = entry.checksum or "none given by its publisher"
            say(f"  checksum: {checksum}")
            say(f"  {entry.url}")
            say(f"  fetch it with `{typed('data ' + name)}`; described at {entry.page}")
        else:
            say(f"  {entry.page}: {entry.how}")
        say(f"  use: {typed(entry.use)}")
        if name == "amazon-beauty":
            others = sorted(key for key in KNOWN if key.startswith("amazon-") and key != name)
            text = f"and the ratings of other categories: {', '.join(others)}"
            say(textwrap.fill(text, WIDTH, **INDENTED))
        say("")


def fetch_data_set(name, output=None, say=print, **options):
    """Fetches a data set and says which command reads it.

    Args:
      name: as listed.
      output: folder of the files; ``data/`` if None.
      say: called with each line to print.
      **options: passed to ``fetch``.

    Returns:
      Paths of its logs.

    Raises:
      UserError: an unknown data set; see ``fetch``.
    """
    entry = known(name)
    folder = output or in_checkout("data")
    paths = fetch(name, entry, folder, say, **options)
    use = entry.use.replace("FILE", shown(paths[0]))
    if output and "--" not in use:
        use += f" --interactions={shown(paths[0])}"
    say(f"licence: {entry.licence or 'not stated by its publisher'}. Use: {typed(use)}")
    return paths


def ratings_of(category, given, root=ROOT, say=print, **options):
    """``{"ratings": path}`` of a category of Amazon's ratings of 2014: a file in ``data/``, or fetched.

    Args:
      category: such as Beauty, in any case.
      given: hyper-parameters given as flags.
      root: the checkout.
      say: called with each line to print.
      **options: passed to ``find_ratings``.

    Raises:
      UserError: an unknown category; ratings are given as well; see ``find_ratings``.
    """
    category = amazon_category(category)
    for key in ("ratings", "prepared"):
        if given.get(key):
            raise UserError(f"--category={category} and --{key}: give only one of the two.")
    return {"ratings": find_ratings(None, root, say, category=category, **options).path}
