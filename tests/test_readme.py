"""The README's tables are those of the code; `python tests/test_readme.py` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ipyreel.notebook.commands import options

README = Path(__file__).parents[1] / "README.md"
LONGEST = 250


TABLES = {
    "options": options.markdown(options.option_rows(), "option", "meaning"),
    "verbs": options.markdown(options.verb_rows(), "verb", "what it does"),
}


def block(name):
    """Return the pattern of a table's place: its opening mark, what lies between, the closing."""
    return re.compile(f"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_those_of_the_code(name):
    found = block(name).search(README.read_text(encoding="utf-8"))
    assert found is not None
    assert found[2].strip() == TABLES[name].strip(), "run: python tests/test_readme.py"


def test_the_first_screen_has_the_example_and_the_length_is_bearable():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert "```" in "".join(lines[:15])
    assert len(lines) <= LONGEST


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        text = block(name).sub(lambda m, table=table: f"{m[1]}{table}\n{m[3]}", text)
    README.write_text(text, encoding="utf-8")
