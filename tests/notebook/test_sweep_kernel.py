"""A sweep in a real kernel: the stop button ends the wait and nothing else."""

from __future__ import annotations

import time

from tests.support.kernel import Kernel

STATES = "[job.status for job in seas]"


def test_stopping_the_wait_leaves_all_jobs_running(live, tmp_path):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued", "progress": 0}}})
    with Kernel(tmp_path / "kernel", cwd=tmp_path / "work") as kernel:
        assert kernel.run("%load_ext ipyreel").status == "ok"
        sent = kernel.send("%%video seas --vary mood=calm,wild -s 1 -w\nA {mood} sea")
        deadline = time.monotonic() + 60
        while len(live.log("retrieve")) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)  # the pace of asking, not a wait for luck
        kernel.interrupt()
        cell = kernel.wait(sent)
        assert cell.status == "error"
        assert "Stopped waiting; 2 of 2 jobs go on." in cell.error[1]
        assert kernel.evaluate(STATES) == "['queued', 'queued']"
        assert live.log("delete") == []
    assert live.posts() == 2
