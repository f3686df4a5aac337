"""Plain Python: scripts that end, threads, forks, and closed sessions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipyreel.jobs.owners import SessionClosed
from ipyreel.notebook import api
from tests.notebook.conftest import hurry

BOUND = 120
"""Seconds after which a script is given up: a net under the test."""


@pytest.fixture
def script(live, tmp_path):
    """Return a function that runs a script in a process of its own, on the lab provider."""
    home = tmp_path / "home"
    env = {**os.environ, "IPYREEL_HOME": str(home)}

    def run(code, *, expect=0):
        ran = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", "import ipyreel\n" + code],
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND,
            env=env,
        )
        assert ran.returncode == expect, ran.stderr
        return ran

    run.live = live
    return run


def test_a_script_that_ends_right_after_submit_has_sent_it(script):
    ran = script("print(ipyreel.submit('a dog', seconds=1).id)")
    assert ran.stderr == ""
    assert script.live.posts() == 1
    again = script("(job,) = ipyreel.resume(); print(job.wait().path)")
    assert Path(again.stdout.strip()).exists()
    assert script.live.posts() == 1


def test_what_a_script_did_not_send_is_named_and_never_bought_in_silence(script):
    script.live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued"}}})
    ran = script("print(*ipyreel.sweep('a dog', seed=[1, 2, 3], parallel=1).ids)")
    first, *unsent = ran.stdout.split()
    assert ran.stderr.startswith("ipyreel: not sent before the process ended, and not paid: ")
    assert all(job in ran.stderr for job in unsent)
    assert first not in ran.stderr
    assert script.live.posts() == 1
    ran = script("ipyreel.resume()", expect=1)
    assert "never sent (" in ran.stderr
    assert script.live.posts() == 1
    script(f"ipyreel.resume({unsent[0]!r})")
    assert script.live.posts() == 2


def test_a_refused_job_of_a_script_is_refused_before_it_goes_on(script):
    script.live.faults.add({"step": "create", "do": {"status": 400}})
    ran = script("print(ipyreel.submit('a dog', seconds=1).status)")
    assert (ran.stdout, ran.stderr) == ("failed\n", "")


THREADS = """
import threading
from concurrent.futures import ThreadPoolExecutor

def make(number):
    return ipyreel.submit(f"a dog {number}", seconds=1).wait().path

with ThreadPoolExecutor(6) as pool:
    print(len(set(pool.map(make, range(6)))))
print([thread.name for thread in threading.enumerate()].count("ipyreel"))
"""


def test_threads_that_begin_together_share_one_session(script):
    assert script(THREADS).stdout.split() == ["6", "1"]
    assert script.live.posts() == 6


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
job = ipyreel.submit("the parent's", seconds=1)
child = os.fork()
if child == 0:
    own = ipyreel.submit("the child's", seconds=1)
    assert job.wait().path.exists() and own.wait().path.exists()
    assert ipyreel.job(job.id).status == "completed"
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print(job.wait().path.name)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_forked_child_waits_for_its_parents_job_and_makes_its_own(script):
    assert script(FORK).stdout.endswith(".mp4\n")
    assert script.live.posts() == 2
    assert len(script.live.log("content")) == 2


def test_an_old_handle_finds_the_session_after_the_next(reel, live):
    live.faults.add({"step": "retrieve", "count": 2, "do": {"job": {"status": "queued"}}})
    job = reel.run_cell("%%video -s 1\nA sea").result
    while job.remote_id is None:
        pass
    old = api.screen().session
    reel.run_cell("%reload_ext ipyreel")
    hurry()
    with pytest.raises(SessionClosed, match="closed"):
        old.submit(old.plan(job.request))
    reel.run_cell("%video resume")
    assert job.wait().path.exists()
    assert api.screen().session is not old
    assert live.posts() == 1
