"""A kernel killed at any moment: nothing is lost, nothing is sent twice, no half file is left.

Here is a sample; `python -m tests.kill --runs 100` plays a hundred.
"""

from __future__ import annotations

import os

import pytest

from tests.kill import processes
from tests.kill.scene import AIMS, Kill, Plan, run

pytestmark = pytest.mark.notebook

NOT_SENT, ACCEPTED = ("submit", "create", 1), ("submit", "accept", 1)
ASKING, WRITING = ("poll", "poll", 1), ("download", "write", 30)
# _move is entered, os.link called, and has returned: the same three steps on every Python.
MOVING = ("finish", "move", 3)
"""Where a kernel dies: phase, anchor and steps (see hook.py)."""

LIVES = {
    "written down, not sent": ([NOT_SENT], True, "sent once"),
    "accepted, found in the list": ([ACCEPTED], True, "found"),
    "accepted, nowhere listed": ([ACCEPTED], False, "unknown"),
    # Each kernel continues what the previous one left.
    "asking, then writing, then moving": ([ASKING, WRITING, MOVING], True, "went on"),
}
"""Where the kernels of a job die, one after the other -> whether jobs are listed; the outcome."""

SEED = 1060
"""Of a drawn plan that kills the kernel that resumes, too."""


@pytest.mark.parametrize("life", LIVES)
def test_a_kernel_killed_at_an_exact_step_loses_nothing(life, tmp_path):
    deaths, lists, outcome = LIVES[life]
    kills = tuple(
        Kill(how="steps", aim=phase, anchor=anchor, wait=steps) for phase, anchor, steps in deaths
    )
    report = run(Plan(seed=0, lists=lists, named=False, kills=kills), tmp_path)
    phases = tuple(phase for phase, _, _ in deaths)
    assert (report.phases, report.outcome, report.posts) == (phases, outcome, 1)


def test_a_kernel_killed_at_random_and_its_successor_lose_nothing(tmp_path):
    plan = Plan.draw(SEED)
    assert len(plan.kills) == 2
    run(plan, tmp_path)


PROCESSES = {"stop": 4, "take": 13, "fork": 2, "threads": 0, "clock": 3}


@pytest.mark.skipif(os.name == "nt", reason="no SIGSTOP, no fork there")
@pytest.mark.parametrize("kind", PROCESSES)
def test_processes_that_stop_fork_or_race_send_nothing_twice(kind, tmp_path):
    plan = processes.Plan.draw(PROCESSES[kind])
    assert plan.kind == kind
    processes.run(plan, tmp_path)


def test_a_seed_is_a_plan_and_all_moments_are_drawn():
    assert Plan.draw(7) == Plan.draw(7)
    drawn = {(kill.how, kill.aim) for seed in range(100) for kill in Plan.draw(seed).kills}
    assert drawn == {(how, aim) for how in ("clock", "sight", "steps") for aim in AIMS}
