"""load, convert or score with a released checkpoint

``bash run.sh load-released CKPT [--output=DIR] [--file=test_dataA --predictions=FILE [--vocabulary=PKL]]``
prints which variable of the release is which of ``dfar_released``; the sizes are the checkpoint's own.
With ``--output`` it leaves a checkpoint of ours, with ``--file`` it scores the lines of a released
instance file. With ``--prepared=DIR --ranking=full --output=DIR`` it ranks the test targets of imported
files in the whole catalogue.
"""

from recommenders_utils.errors import UserError

WORD = "checkpoint"
FLAGS = {
    "checkpoint": (
        None,
        "prefix of the released checkpoint, such as epoch_5; same as CKPT",
    ),
    "output": (
        None,
        "folder for best/ with the checkpoint, hparams.yaml and ranks; must not exist",
    ),
    "file": (None, "released instance file to score, such as test_dataA, plain or .gz"),
    "vocabulary": (
        None,
        "item_vocab_cd.pkl of the checkpoint's run; found beside --file otherwise",
    ),
    "predictions": (None, "CSV to write the scores of --file to"),
}
KEYS = ()


def run(options):
    """Forwards to ``take_over``, ``save_converted`` and ``score_released_file``."""
    from dfar_tf.diff.checkpoint import HEADERS, save_converted, take_over
    from dfar_tf.paths import shown
    from dfar_tf.settings import merge_hparams
    from recommenders_utils.tables import format_table

    if not options.checkpoint:
        raise UserError(f"--checkpoint is needed: {FLAGS['checkpoint'][1]}.")
    if bool(options.file) != bool(options.predictions):
        raise UserError(
            "--file and --predictions go together: the file to score and the file to write."
        )
    given = {**options.given, "model_type": "dfar_released"}
    merged = merge_hparams(**given)
    full = merged.ranking == "full"
    if full and not (merged.prepared and options.output):
        raise UserError(
            "--ranking=full needs --prepared, the folder that import-released wrote, and --output for the "
            "ranks."
        )
    hparams, num_items, values, rows = take_over(options.checkpoint, merged, given)
    data = _data(options, hparams, num_items) if full else None
    if options.output:
        save_converted(options.output, hparams, num_items, values)
    print(format_table(HEADERS, rows, f"{shown(options.checkpoint)}\nitems {num_items}"))
    print(
        f"\nhidden_size {hparams.hidden_size}, num_heads {hparams.num_heads}, max_seq_length "
        f"{hparams.max_seq_length}"
    )
    if options.output:
        print(f"checkpoint in {shown(options.output)}")
    if options.file:
        _score(options, values, hparams, num_items)
    if full:
        _rank(options, hparams, num_items, *data)


def _score(options, values, hparams, num_items):
    from dfar_tf.diff.scoring import score_released_file, write_scores
    from dfar_tf.paths import shown
    from recommenders_utils.released.metrics import released_figures
    from recommenders_utils.tables import format_table

    frame = score_released_file(options.file, options.vocabulary, values, hparams, num_items)
    write_scores(frame, options.predictions)
    title = f"\n{shown(options.file)}: {len(frame):,} lines, figures as released"
    print(format_table(("metric", "value"), list(released_figures(frame).items()), title, "lr"))
    print(f"\nwritten: {shown(options.predictions)}")


def _data(options, hparams, num_items):
    from dfar_tf.diff.ranking import open_ranked

    return open_ranked(hparams, num_items, options.checkpoint)


def _rank(options, hparams, num_items, store, iterator):
    from dfar_tf.diff.ranking import rank_released
    from dfar_tf.paths import shown
    from dfar_tf.runs.ranking import ranking_table

    figures = rank_released(options.output, hparams, num_items, store, iterator)
    about = hparams.model_type, store.meta["name"], store.meta["synthetic"]
    print("\n" + ranking_table(figures, *about))
    print(f"\nranks in {shown(options.output)}")
