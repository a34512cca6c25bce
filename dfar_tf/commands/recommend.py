"""recommend from the whole catalogue: the exact top K

``bash run.sh recommend --run_dir=RUN --users=u1,u2|FILE|all --k=20 [--explain]
[--items=FILE] [--output=FILE.csv|FILE.json]``, or ``--history="i1:1,i2:0"`` (oldest first, 1 liked, 0
disliked) in place of ``--users``. Items of the history are left out; ``--exclude_seen=false`` lets liked
ones come back, and with ``--exclude_disliked=false`` disliked ones too. More: docs/serving.md.
"""

from recommenders_utils.errors import UserError

FLAGS = {
    "run_dir": (None, "folder of a finished run"),
    "users": (None, "raw ids separated by commas, a file with one id per line, or all"),
    "history": (None, 'a history instead of users, oldest first, such as "i1:1,i2:0"'),
    "k": ("20", "number of items per user"),
    "exclude_seen": (True, "leave out all items of the user's history"),
    "exclude_disliked": (True, "leave out disliked items also with --exclude_seen=false"),
    "explain": (False, "say which records of the history moved each item, and how"),
    "items": (None, "file of item ids and titles, CSV or TSV; titles are shown beside the ids"),
    "output": (None, "file for the lists, .csv or .json"),
}
KEYS = ("device",)


def run(options):
    """Forwards to ``recommend_lists``."""
    from dfar_tf.runs.grid import positive_number
    from dfar_tf.serving.api import load
    from dfar_tf.serving.lists import recommend_lists
    from dfar_tf.serving.reasons import read_titles

    if not options.run_dir:
        raise UserError(f"--run_dir is needed: {FLAGS['run_dir'][1]}.")
    k = positive_number(options.k, "k")
    with load(options.run_dir, print, **options.given) as opened:
        recommend_lists(
            opened,
            options.users,
            options.history,
            options.output,
            k=k,
            exclude_seen=options.exclude_seen,
            exclude_disliked=options.exclude_disliked,
            explain=options.explain,
            titles=read_titles(options.items) if options.items else None,
        )
