"""Tab offers only what can follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from ipyreel.errors import ConfigError
from ipyreel.notebook.commands import complete
from ipyreel.notebook.handles.job import Job
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
        ("nothing ", []),
        ("use g", ["gateway"]),
        ("use demo --m", ["--model", "--max-cost"]),
        ("use gateway -m ", ["slow"]),
        ("show ", ["clip", "v1"]),
        ("edit v", ["v1"]),
        ("compare v1 ", ["clip", "v1"]),
        ("resume v1 --", ["--provider", "--take", "--output"]),
        ("extend v1 --s", ["--seconds"]),
        ("history dog --", ["--rating", "--tag"]),
        ("rerun c", ["clip"]),
        ("edit v1 'at night' ", ["--max-cost", "--wait", "--dry-run"]),
    ],
)
def test_of_a_line(before, expected):
    found = complete.candidates(before, Rows(), cell=False, jobs=lambda: ["clip", "v1"])
    assert found == expected


class Library:
    catalog = Rows()

    def history(self, *, limit):
        assert limit
        return [SimpleNamespace(id="v7f3a2k")]


@pytest.fixture
def shell():
    shell = InteractiveShell(config=PLAIN)
    complete.install(shell, Library)
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
    complete.install(shell, Library)
    ours = [m for m in shell.Completer.custom_matchers if m.matcher_identifier == "ipyreel"]
    assert len(ours) == 1
    complete.remove(shell)
    assert shell.Completer.custom_matchers == []


def test_where_a_job_belongs_only_jobs_are_offered(shell):
    shell.user_ns.update(clip=Job(None, "v1"), number=1)
    assert offered(shell, "%video show ") == ["%video show clip", "%video show v7f3a2k"]


def test_settings_that_cannot_be_read_print_nothing_at_tab(shell, capsys):
    def broken():
        raise ConfigError("ipyreel.toml:1: not valid TOML")

    complete.install(shell, broken)
    assert "%video show v7f3a2k" not in offered(shell, "%video show ")
    assert capsys.readouterr() == ("", "")
