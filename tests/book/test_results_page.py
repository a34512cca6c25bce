"""The pages' marked parts are what their generator makes of the committed rows."""

import pytest
from places import CHECKOUT

from dfar_tf.experiments.book import docs

SECTIONS = docs.sections(str(CHECKOUT / "docs" / "book"))


@pytest.mark.parametrize("name", SECTIONS)
def test_the_marked_part_is_generated(name):
    page = (CHECKOUT / name).read_text(encoding="utf-8")
    assert docs.with_section(page, SECTIONS[name]) == page
