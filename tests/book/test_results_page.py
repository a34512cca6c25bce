"""docs/results.md is what its generator makes of the committed rows."""

from places import CHECKOUT

from dfar_tf.experiments.book import docs


def test_the_marked_part_is_generated():
    page = (CHECKOUT / "docs" / "results.md").read_text(encoding="utf-8")
    assert docs.with_section(page, docs.section(str(CHECKOUT / "docs" / "book"))) == page
