"""The table of servers on the client's page is what the fakes answer."""

from __future__ import annotations

from tests.dialects.matrix import PAGE, PLACE, table


def test_the_table_on_the_page_is_that_of_the_fakes(stage):
    found = PLACE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == f"{found[1]}{table(stage)}{found[2]}", "python -m tests.dialects.matrix"
