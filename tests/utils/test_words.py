"""Numbers in sentences."""

from dfar_tf.serving.predict import Counts
from recommenders_utils.tables import counted


def test_one_is_no_plural():
    assert [counted(n, "row") for n in (0, 1, 2, 1234)] == [
        "0 rows",
        "1 row",
        "2 rows",
        "1,234 rows",
    ]
    told = Counts(rows=1, encoded=1, unseen_items=1).describe({"name": "x", "synthetic": False})
    assert told.startswith("x: 1 row in 0.00 s") and "1 history encoded\n1 row has no score" in told
