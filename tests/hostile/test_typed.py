"""Attacks by text: prompts that somebody else wrote, and keys typed in the wrong place."""

from __future__ import annotations

import contextlib
import os
import sys

import pytest
from IPython.core.error import UsageError

from ipyreel.notebook import api
from tests.hostile.conftest import KEYS, found_in
from tests.support.demo import running_demo

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYcanary"


class Holder:
    """An object of the notebook with a way to everything else."""

    def method(self):
        return self


@pytest.fixture
def reel(shell, tmp_path, monkeypatch):
    """Return a shell with the extension, a provider, a secret, and a history."""
    with running_demo(tmp_path / "server", stub=True, speed=50) as demo:
        monkeypatch.setenv("OPENAI_BASE_URL", demo.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-lab")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        shell.run_cell("%load_ext ipyreel")
        shell.run_cell(f"note = {SECRET!r}")
        shell.user_ns.update(os=os, sys=sys, env=dict(os.environ), holder=Holder(), s="x")
        shell.demo = demo
        yield shell
        api.close()


PROMPTS = [
    "{os.environ[AWS_SECRET_ACCESS_KEY]}",
    "{os.environ}",
    "{os}",
    "{os.environb}",
    "{sys.modules}",
    "{sys.modules[os].environ}",
    "{env}",
    "{env[AWS_SECRET_ACCESS_KEY]}",
    "{In}",
    "{In[2]}",
    "{Out}",
    "{_ih}",
    "{_ih[2]}",
    "{_oh}",
    "{_i}",
    "{_i2}",
    "{get_ipython}",
    "{get_ipython.user_ns}",
    "{holder.method.__globals__}",
    "{holder.method.__func__.__globals__[os]}",
    "{holder.__class__.__init__}",
    "{holder.__dict__}",
    "{__builtins__}",
    "{__name__.__class__}",
    "{s:>9999999999}",
    "{s!r:*^99999}",
    "{s:{width}}",
    "{0}",
    "{}",
    "{s.__len__}",
    "{note!x}",
]


def test_a_shared_prompt_reads_nothing_of_the_kernel(reel, capsys):
    for prompt in PROMPTS:
        with pytest.raises(UsageError) as caught:
            reel.run_cell(f"%%video --seconds 4\nA boat {prompt} at sea")
        shown = str(caught.value) + "".join(capsys.readouterr())
        assert SECRET not in shown, prompt
        assert len(shown) < 2000, prompt
    assert reel.demo.log("create") == []


def test_a_raw_prompt_is_sent_as_it_is(reel):
    reel.run_cell("%%video clip --seconds 4 --raw --wait\nA boat {os.environ} at sea")
    (record,) = reel.demo.jobs.all()
    assert record.prompt == "A boat {os.environ} at sea"


KEY = KEYS["sk"]
LINES = [
    f"%video key apiyi {KEY}",
    f"%video key {KEY}",
    "%video key apiyi hunter2",
    "%video key apiyi e",
    f"%video use apiyi {KEY}",
    f"%video use apiyi base_url=https://user:{KEY}@api.apiyi.com/v1",
    f"%video use apiyi api_key={KEY}",
    f"%video use {KEY}",
    f"%video use {KEY} -m m1 --loud",
    f"%video doctor {KEY}",
    "%video doctor 0a1b2c3d4e5f6a7b8c9d",
    f"%video doctor apiyi {KEY}",
    f"%video models {KEY} seconds=0",
    f"%video models provider {KEY}=1",
    f"%video jobs {KEY}",
    f"%video show {KEY}",
    f"%video resume {KEY}",
    f"%video {KEY}",
    f"%%video --provider {KEY}\nA boat",
    f"%%video -p {KEY}\nA boat",
    f"%%video --model {KEY} --key\nA boat",
    f"%%video --api-key {KEY}\nA boat",
    f"%%video --key={KEY}\nA boat",
    f"%%video {KEY}\nA boat",
]


def test_a_key_typed_in_the_wrong_place_is_not_repeated_then_or_later(reel, capsys):
    for line in LINES:
        with pytest.raises(UsageError) as caught:
            reel.run_cell(line)
        shown = str(caught.value)
        assert "revoke" in shown, line
        assert "%vid•••o" not in shown
        assert len(shown.splitlines()) == 1
        for later in ("%video", "%video providers", "%%video --dry-run\nA sea"):
            with contextlib.suppress(UsageError):
                shown += repr(reel.run_cell(later).result)
        shown += "".join(capsys.readouterr())
        assert not any(secret in shown for secret in ("hunter2", "0a1b2c3d")), line
        assert found_in(shown, KEY) == [], line
    assert reel.demo.log("create") == []


def test_other_mistakes_say_nothing_of_keys(reel):
    for line in (
        "use demo keyframe_interpolation=3",
        "models monkey_business=12",
        "doctor nope",
        "show v1234567890abcdef12345",
        "use demo colour=red",
        "key nope",
    ):
        with pytest.raises(UsageError) as caught:
            reel.run_cell(f"%video {line}")
        assert "revoke" not in str(caught.value)
