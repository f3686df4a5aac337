"""A demo provider for tests: a real server on loopback, in a thread, with scripted faults.

    with running_demo(tmp_path, dialect="apiyi", faults=[...], speed=20) as demo:
        demo.url, demo.home, demo.posts(), demo.log(), demo.faults.add({...})

`stub=True` renders nothing (every job gets the same tiny video) and is quick; without it
request small sizes such as 64x64 if the pixels do not matter.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from ipyreel.demo.faults import Faults
from ipyreel.demo.jobs import JobFolder
from ipyreel.demo.provider import Provider
from ipyreel.demo.server import DemoApp, DemoConfig, create_app, serve_in_thread


@dataclass
class LiveDemo:
    """A running demo server: `url` is its base URL (with /v1), `home` the folder of its jobs."""

    url: str
    home: Path
    faults: Faults
    app: DemoApp

    @property
    def provider(self) -> Provider:
        """The provider that answers the requests."""
        return self.app.provider

    @property
    def jobs(self) -> JobFolder:
        """The folder of the jobs."""
        return self.app.provider.jobs

    @property
    def origin(self):
        """The address without /v1."""
        return self.url.removesuffix("/v1")

    def log(self, step=None):
        """Return the requests seen so far (`LogEntry`), or those of one step."""
        return [seen for seen in self.app.log.entries() if step in {None, seen.step}]

    def posts(self):
        """Return the number of POSTs that made a job."""
        return sum(seen.accepted for seen in self.log())

    def job_ids(self):
        """Return the ids of all jobs, the oldest first."""
        return [record.id for record in self.jobs.all()]

    def video_bytes(self, remote_id):
        """Return the MP4 of a job as it was rendered; waits for the renderer."""
        deadline = time.monotonic() + 60
        while (record := self.jobs.read(remote_id)).rendered_at is None:
            assert record.failure is None, record.failure
            assert time.monotonic() < deadline, "the video was not rendered within a minute"
            time.sleep(0.02)
        return self.jobs.video(record).read_bytes()

    def rendered_sha256(self, remote_id):
        """Return the SHA-256 of a job's MP4 in hex; waits for the renderer."""
        return hashlib.sha256(self.video_bytes(remote_id)).hexdigest()


@contextlib.contextmanager
def running_demo(home, *, faults=(), speed=20.0, port=0, **options):
    """Serve a demo provider during the block.

    `home` is a folder (jobs are in `home/demo`), `faults` rules as in `ipyreel.demo.faults`;
    further options are those of `DemoConfig`: dialect, key, expire, stub, clock, threads.
    """
    table = faults if isinstance(faults, Faults) else Faults(faults)
    config = DemoConfig(home=Path(home), speed=speed, faults=table, **options)
    app = create_app(config)
    with serve_in_thread(app, port) as url:
        yield LiveDemo(url=url, home=config.home, faults=table, app=app.state.demo)


@dataclass
class Clock:
    """A clock that only a test advances: `running_demo(..., clock=Clock())`."""

    now: float = 1_800_000_000.0

    def __call__(self):
        return self.now

    def later(self, seconds):
        """Advance the clock."""
        self.now += seconds
