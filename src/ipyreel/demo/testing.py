"""The demo server as a test double, for tests of any client of `/v1/videos`.

    with video_server(dialect="apiyi") as server:
        client = OpenAI(base_url=server.url, api_key=server.key)
        server.add_fault("create", {"status": 429}, count=2)
        ...
        assert [one.status for one in server.requests("create")] == [429, 429, 200]

It is a real server on a free loopback port, in a thread of this process. By default it renders
nothing (`stub`) and needs only the extra "mock". With `stub=False` it renders real videos and
needs the extra "demo". In pytest, use the fixture `video_server`; see `pytest_plugin`.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ipyreel.demo.dialects import DIALECTS
from ipyreel.demo.exchange import LogEntry
from ipyreel.demo.faults import Fault, Faults
from ipyreel.demo.server import DemoApp, DemoConfig, create_app, serve_in_thread
from ipyreel.values import Json

__all__ = ["Fault", "LogEntry", "VideoServer", "video_server"]

RENDERED_WITHIN = 60.0
"""Seconds that `VideoServer.video_bytes` waits for the renderer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoServer:
    """A running server: `url` is its base URL, with /v1, and `key` the key it accepts."""

    url: str
    key: str = field(repr=False)
    _app: DemoApp = field(repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point OpenAI's SDKs to this server."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": self.key}

    def requests(self, step: str | None = None) -> list[LogEntry]:
        """Return the requests seen so far, or those of one step, the oldest first."""
        return [entry for entry in self._app.log.entries() if step in {None, entry.step}]

    def created(self) -> int:
        """Return how many jobs were created: each is one that a client would pay for."""
        return sum(entry.accepted for entry in self._app.log.entries())

    def add_fault(self, step: str, do: Mapping[str, Json], **when: Json) -> None:
        """Add a fault: what to do at which step, and when.

        See the table in `ipyreel/demo/README.md`; `when` is `count`, `skip`, `probability`,
        `seed`, `after_seconds` or `before_seconds`. Raises `ipyreel.demo.faults.FaultError`.
        """
        self._app.config.faults.add({"step": step, "do": dict(do), **when})

    def clear_faults(self) -> None:
        """Remove all rules."""
        self._app.config.faults.clear()

    def advance(self, seconds: float) -> None:
        """Advance the server's clock: jobs progress, complete and expire by it."""
        self._app.clock.offset += seconds

    def video_bytes(self, job_id: str) -> bytes:
        """Return the MP4 of a job; waits until it is rendered.

        Raises
        ------
        LookupError
            There is no such job, or it failed.
        TimeoutError
            It was not rendered within a minute.
        """
        jobs = self._app.provider.jobs
        deadline = time.monotonic() + RENDERED_WITHIN
        while True:
            record = jobs.read(job_id)
            if record is None or record.failure is not None:
                raise LookupError(f"{job_id}: {record.failure if record else 'no such job'}")
            if record.rendered_at is not None:
                return jobs.video(record).read_bytes()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{job_id} was not rendered within {RENDERED_WITHIN:g} s.")
            time.sleep(0.02)


@contextlib.contextmanager
def video_server(
    *,
    dialect: str = "openai",
    stub: bool = True,
    speed: float = 20.0,
    key: str | None = None,
    expire: float = 86400.0,
    faults: Iterable[Mapping[str, Json]] = (),
) -> Iterator[VideoServer]:
    """Serve during the block, with jobs in a temporary folder.

    Parameters
    ----------
    dialect
        The vendor to play: a name of `ipyreel.demo.dialects.DIALECTS`.
    stub
        Render nothing: each job gets the same tiny video.
    speed
        Divides the duration of a job, which is 2.5 to 6 seconds at 1.
    key
        The key that clients must send; a random one by default.
    expire
        Seconds that a finished video is kept.
    faults
        Scripted faults, as in `ipyreel/demo/README.md`.

    Raises
    ------
    ValueError
        For an unknown dialect, or a rule that is not valid.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"dialect {dialect!r} is not one of: {', '.join(DIALECTS)}")
    key = key or secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="ipyreel-demo-") as home:
        config = DemoConfig(
            home=Path(home),
            dialect=dialect,
            speed=speed,
            expire=expire,
            key=key,
            stub=stub,
            faults=Faults(faults),
        )
        app = create_app(config)
        with serve_in_thread(app) as url:
            yield VideoServer(url=url, key=key, _app=app.state.demo)
