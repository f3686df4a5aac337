"""Tab offers what can stand there, and keeps Python's own names away."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from ipyreel.notebook.commands import complete
from tests.support.shells import PLAIN


@dataclass
class Model:
    sizes: tuple[str, ...] = ()
    seconds: tuple[float, ...] | None = None

    def sizes_at(self, provider):
        return ("1920x1080",) if provider == "gateway" else self.sizes

    def seconds_at(self, _provider):
        return self.seconds


@dataclass
class Rows:
    providers: dict = field(default_factory=lambda: {"demo": "demo", "gateway": "gateway"})
    models: dict = field(
        default_factory=lambda: {
            "fast:1": Model(("640x360", "720x1280"), (4.0, 8.0)),
            "slow": Model(("1280x720",), (2.5,)),
        }
    )

    def model_names(self, provider):
        return ("slow",) if provider == "gateway" else tuple(self.models)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("--si", ["--size"]),
        ("-p ", ["demo", "gateway"]),
        ("--provider=g", ["--provider=gateway"]),
        ("clip -p gateway -m ", ["slow"]),
        ("-m f", ["fast:1"]),
        ("-m slow --size ", ["1280x720"]),
        ("-p gateway --size ", ["1920x1080"]),
        ("--seconds ", ["2.5", "4", "8"]),
        ("-m fast:1 -s ", ["4", "8"]),
        ("-i ", []),
        ("-o 'my fi", []),
    ],
)
def test_of_a_cell(before, expected):
    assert complete.candidates(before, Rows(), cell=True) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("hi", ["history"]),
        ("use g", ["gateway"]),
        ("use demo ", ["--model"]),
        ("use gateway -m ", ["slow"]),
        ("show ", []),
        ("edit v", []),
        ("extend v1 --s", ["--seconds"]),
        ("edit v1 'at night' ", ["--max-cost", "--wait", "--dry-run"]),
    ],
)
def test_of_a_line(before, expected):
    assert complete.candidates(before, Rows(), cell=False) == expected


@pytest.fixture
def shell():
    shell = InteractiveShell(config=PLAIN)
    complete.install(shell, Rows)
    yield shell
    complete.remove(shell)


def offered(shell, text, line=None):
    at = len(text) if line is None else len(text.splitlines()[line])
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, at))
    return [text[: one.start] + one.text + text[one.end :] for one in found]


def test_through_ipython(shell):
    assert offered(shell, "%%video --si") == ["%%video --size"]
    assert offered(shell, "%%video -m fast:") == ["%%video -m fast:1"]
    assert offered(shell, "%%video --size=12") == ["%%video --size=1280x720"]
    assert offered(shell, "x = %video hist") == ["x = %video history"]
    assert offered(shell, "%%video --se\na prompt", line=0) == [
        "%%video --seconds\na prompt",
        "%%video --seed\na prompt",
    ]


def test_the_prompt_and_other_magics_are_left_alone(shell):
    assert "%%video\nprint" in offered(shell, "%%video\nprin")
    assert not any("--size" in one for one in offered(shell, "%videos --si"))


def test_installed_once_and_removed(shell):
    complete.install(shell, Rows)
    ours = [m for m in shell.Completer.custom_matchers if m.matcher_identifier == "ipyreel"]
    assert len(ours) == 1
    complete.remove(shell)
    assert shell.Completer.custom_matchers == []
