"""Attacks by text: prompts that somebody else wrote, and keys typed in the wrong place."""

from __future__ import annotations

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


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_shared_prompt_reads_nothing_of_the_kernel(reel, capsys, prompt):
    with pytest.raises(UsageError) as caught:
        reel.run_cell(f"%%video --seconds 4\nA boat {prompt} at sea")
    shown = str(caught.value) + "".join(capsys.readouterr())
    assert SECRET not in shown
    assert len(shown) < 2000
    assert reel.demo.log("create") == []


def test_a_raw_prompt_is_sent_as_it_is(reel):
    reel.run_cell("%%video clip --seconds 4 --raw --wait\nA boat {os.environ} at sea")
    (record,) = reel.demo.jobs.all()
    assert record.prompt == "A boat {os.environ} at sea"


LINES = [
    "%video key apiyi {key}",
    "%video key {key}",
    "%video use apiyi {key}",
    "%video use apiyi base_url=https://user:{key}@api.apiyi.com/v1",
    "%video use {key}",
    "%video doctor {key}",
    "%video show {key}",
    "%video resume {key}",
    "%video {key}",
    "%%video --provider {key}\nA boat",
    "%%video --model {key} --key\nA boat",
    "%%video --api-key {key}\nA boat",
]


@pytest.mark.parametrize("line", LINES)
def test_a_key_typed_in_the_wrong_place_is_not_repeated(reel, capsys, line):
    key = KEYS["sk"]
    shown = ""
    try:
        reel.run_cell(line.format(key=key))
    except UsageError as error:
        shown = str(error)
    shown += "".join(capsys.readouterr())
    assert found_in(shown, key) == []
    assert "revoke" in shown.lower()
    assert reel.demo.log("create") == []
