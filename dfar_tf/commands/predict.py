"""score the rows of a file with a run

``bash run.sh predict --run_dir=RUN --input=FILE --output=FILE``: rows of ``history`` ("i1:1,i2:0", oldest
first, 1 liked, 0 disliked) and ``candidate``, or of ``user`` and ``item``. CSV or TSV, plain or .gz.
"""

from recommenders_utils.errors import UserError

FLAGS = {
    "run_dir": (None, "folder of a finished run"),
    "input": (None, "rows to score: a table with columns user,item or history,candidate"),
    "output": (None, "file to write: the rows with their scores; .tsv has tabs, .gz is compressed"),
}
KEYS = ("device",)


def run(options):
    """Forwards to ``predict_file``."""
    from dfar_tf.paths import shown
    from dfar_tf.serving.api import load
    from dfar_tf.serving.predict import predict_file

    for name in FLAGS:
        if not getattr(options, name):
            raise UserError(f"--{name} is needed: {FLAGS[name][1]}.")
    with load(options.run_dir, print, **options.given) as opened:
        counts = predict_file(opened, options.input, options.output)
        print(counts.describe(opened.store.meta))
    print(f"written: {shown(options.output)}")
