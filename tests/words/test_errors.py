"""The errors: one tree, at most two lines each, all caught by `except Exception`."""

from __future__ import annotations

import inspect
import re

import pytest
from IPython.core.interactiveshell import InteractiveShell

from ipyreel import errors
from ipyreel.errors import VideoError
from ipyreel.values import JobSnapshot, VideoRequest
from tests.support.shells import PLAIN

CLASSES = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, BaseException) and one.__module__ == errors.__name__
]
TREE = re.compile(r"^    (?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)(?: \((?P<other>\w+)\))?")

JOB = JobSnapshot(
    id="1",
    provider="demo",
    request=VideoRequest(prompt="a"),
    status="failed",
    created_at=0.0,
    target="a.mp4",
)


def drawn():
    """Read the tree in the docstring: each name with its parent and its second base."""
    above, found = [], {}
    for line in errors.__doc__.splitlines():
        match = TREE.match(line)
        if match is None:
            continue
        depth = len(match["indent"]) // 3
        del above[depth:]
        found[match["name"]] = (above[-1] if above else None, match["other"])
        above.append(match["name"])
    return found


def make(cls, hint=None):
    """Make an error of any class, with what that class needs."""
    needs = inspect.signature(cls).parameters
    values = {"job": JOB, "status_code": 500}
    return cls("It went wrong.", hint=hint, **{k: v for k, v in values.items() if k in needs})


def test_the_drawn_tree_is_the_real_one():
    real = {}
    for cls in CLASSES:
        first, *others = cls.__bases__
        parent = first.__name__ if issubclass(first, VideoError) else None
        real[cls.__name__] = (parent, others[0].__name__ if others else None)
    assert drawn() == real


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("hint", [None, "Type %video doctor"])
def test_an_error_renders_in_two_lines_at_most(cls, hint):
    error = make(cls, hint)
    assert isinstance(error, VideoError)
    assert (error.failure().message, error.failure().hint) == ("It went wrong.", hint)
    assert str(error) == f"It went wrong. {hint or ''}".rstrip()
    lines = error._render_traceback_()
    assert lines[0] == f"{cls.__name__}: It went wrong."
    assert lines[1:] == ([hint] if hint else [])
    assert not any("\n" in line for line in lines)


def test_ipython_shows_those_lines_and_no_traceback(capsys):
    shell = InteractiveShell(config=PLAIN)
    shell.user_ns["error"] = make(errors.RequestRejected, "Type %video doctor")
    shell.run_cell("raise error")
    shown = capsys.readouterr().out
    assert "It went wrong." in shown
    assert "Traceback" not in shown
    assert "raise error" not in shown


def test_a_servers_no_keeps_its_words():
    error = errors.RequestRejected("no", status_code=400, code="c", param="size", request_id="r")
    failure = error.failure()
    assert (failure.status_code, failure.code, failure.request_id) == (400, "c", "r")
    assert error.param == "size"


def test_an_unreadable_answer_keeps_its_beginning():
    assert len(errors.WireError("odd", excerpt="x" * 9000).excerpt) == 500
