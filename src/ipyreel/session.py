"""The session: the one place where things are wired together, and all that can be asked of it.

May import everything but `notebook/`. Every verb a person can type is a method here; methods
may be called from any thread and never wait for a server, but for those that say so.
"""

from __future__ import annotations

import concurrent.futures
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ipyreel.catalog import Catalog, KeyRing, Model, Provider
from ipyreel.catalog.choice import FALLBACK, base_url_of, require_base_url
from ipyreel.catalog.loader import base_url_problem
from ipyreel.chains import next_request
from ipyreel.client import VideoClient
from ipyreel.connections import Connections
from ipyreel.errors import InvalidRequest, StoreError, VideoError
from ipyreel.jobs.files import make_folder, new_id
from ipyreel.jobs.loop import LoopThread
from ipyreel.jobs.manager import JobManager, ParallelLimit
from ipyreel.jobs.run import JobConfig, Listener
from ipyreel.jobs.store import JobStore
from ipyreel.jobs.transitions import resumable
from ipyreel.plan import Plan, Planner, check_cost, find_finished, plain_http_notes
from ipyreel.settings import Layer, Settings
from ipyreel.values import Chain, HttpCall, JobSnapshot, VideoRequest

ENOUGH = 3
"""Past jobs of a provider and model that are needed before "what is left" is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What became of asking to go on with one job; `sentence` says it to the person."""

    job: JobSnapshot
    taken: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """USD spent since `since` as far as prices are known, and how many jobs have none."""

    usd: float
    unpriced: int


@dataclass(slots=True, kw_only=True)
class Session:
    """Everything that goes on in one kernel: settings, catalog, keys, library and jobs.

    Nothing is opened or started before it is needed.
    """

    settings: Settings
    catalog: Catalog
    keys: KeyRing
    rules: JobConfig = field(default_factory=JobConfig)
    loop: LoopThread = field(default_factory=LoopThread)
    clock: Callable[[], float] = time.time
    store: JobStore = field(init=False)
    manager: JobManager = field(init=False)
    started_at: float = field(init=False)
    _connections: Connections = field(init=False)
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.started_at = self.clock()
        self.store = JobStore(self.settings.home / "library.sqlite")
        self.rules = replace(self.rules, deadline=self.settings.deadline)
        self._connections = Connections(
            home=self.settings.home,
            catalog=lambda: self.catalog,
            keys=self.keys,
            rules=self.rules,
        )
        self.manager = JobManager(
            store=self.store, loop=self.loop, connect=self.client, rules=self.rules
        )

    @classmethod
    def open(cls, *, environ: Mapping[str, str] = os.environ, cwd: Path | None = None) -> Session:
        """Read the settings, the catalog and nothing else; raises `ConfigError`.

        `cwd` is the notebook's folder, where its `ipyreel.toml` and `videos/` lie.
        """
        settings = Settings.load(environ, cwd or Path.cwd())
        catalog = Catalog.load(*settings.files)
        return cls(settings=settings, catalog=catalog, keys=KeyRing(environ))

    # ---- before sending -----------------------------------------------------------------

    def planner(self, layer: Layer = "option", **values: Any) -> Planner:
        """Return what makes plans, with settings of this one cell laid over the session's."""
        settings = self.settings.with_values(layer, **values)
        return Planner(settings=settings, catalog=self.catalog, keys=self.keys)

    def plan(
        self, request: VideoRequest, *, provider: str | None = None, output: Path | None = None
    ) -> Plan:
        """Settle a request without sending it; raises `VideoError` where it cannot be sent."""
        planner = self.planner(provider=provider)
        plan = planner.plan(
            request, folder=self.settings.videos_dir, now=self.clock(), output=output
        )
        return replace(plan, warnings=(*plan.warnings, *self.unsaid(plan.once)))

    def address_notes(self, row: Provider) -> tuple[str, ...]:
        """Return what is to be known of a provider's address and was not said yet."""
        return self.unsaid(plain_http_notes(row, base_url_of(row, self.keys.environ)))

    def unsaid(self, sentences: Iterable[str]) -> tuple[str, ...]:
        """Return those sentences that this session has not said yet, and count them as said."""
        new = tuple(one for one in sentences if one not in self._said)
        self._said.update(new)
        return new

    def use(self, provider: str | None = None, **values: Any) -> None:
        """Set defaults for this session; `base_url` moves the provider. Raises `ConfigError`."""
        base_url = values.pop("base_url", None)
        settings = self.settings.with_values("use", provider=provider, **values)
        if provider is not None:
            row = self.catalog.provider(provider)
            if base_url is not None:
                self._move(row, base_url)
        elif base_url is not None:
            raise InvalidRequest("base_url belongs to a provider: %video use NAME base_url=...")
        self.settings = settings

    def _move(self, row: Provider, base_url: str) -> None:
        problem = base_url_problem(base_url)
        if problem is not None:
            raise InvalidRequest(f"base_url={base_url}: it {problem}.")
        moved = replace(row, base_url=base_url, base_url_vars=())
        rows = MappingProxyType({**self.catalog.providers, row.name: moved})
        self.catalog = replace(self.catalog, providers=rows)

    def call(self, plan: Plan) -> HttpCall:
        """Return the HTTP call a plan stands for, with its whole URL and the key masked."""
        # The demo server's port is not known before it runs, and a dry run starts nothing.
        base_url = plan.job.base_url or "http://127.0.0.1/v1"
        key = self.keys.find(plan.provider)
        client = VideoClient(plan.provider, key=key, base_url=base_url, catalog=self.catalog)
        return client.preview(plan.job.request)

    # ---- jobs ---------------------------------------------------------------------------

    def submit(
        self,
        *plans: Plan,
        max_cost: float | None = None,
        reuse: bool = False,
        parallel: int | None = None,
    ) -> list[JobSnapshot]:
        """Write the jobs into the library and send them; returns as soon as they are written.

        `max_cost` is in USD for all of them together (None: as the settings say); `reuse`: an
        equal finished job whose file is still there takes the place of a new one; at most
        `parallel` are under way at once (None: all). Raises `VideoError`, and then nothing
        was sent.
        """
        found = self._checked(plans, max_cost=max_cost, reuse=reuse)
        new = tuple(plan for plan, old in zip(plans, found, strict=True) if old is None)
        for plan in new:
            make_folder(Path(plan.job.target))
        self.manager.submit(*(plan.job for plan in new), parallel=parallel)
        return [old or plan.job for plan, old in zip(plans, found, strict=True)]

    def refusal(
        self, *plans: Plan, max_cost: float | None = None, reuse: bool = False
    ) -> VideoError | None:
        """Return why `submit` would refuse these plans; None: limits and keys allow them."""
        try:
            self._checked(plans, max_cost=max_cost, reuse=reuse)
        except VideoError as error:
            return error
        return None

    def snapshot(self, job_id: str) -> JobSnapshot:
        """Return how a job stands; raises `StoreError` when the library does not have it."""
        job = self.manager.snapshot(job_id)
        if job is None:
            raise StoreError(f"The library has no job {job_id}.")
        return job

    def listen(self, job_id: str, listener: Listener) -> None:
        """Call `listener` with every new snapshot of the job, on the poller's thread."""
        self.manager.listen(job_id, listener)

    def future(self, job_id: str) -> concurrent.futures.Future[JobSnapshot]:
        """Return a future of the snapshot with which this kernel's work on the job ends."""
        return self.manager.future(job_id)

    def error(self, job_id: str) -> VideoError | None:
        """Return what ended the job badly in this kernel, or None."""
        return self.manager.error(job_id)

    def find(self, word: str | None = None) -> JobSnapshot:
        """Return the job a person means: by id, the beginning of one, or the server's id.

        None: the newest. Raises `InvalidRequest` when there is none, or more than one.
        """
        jobs = self.store.newest(1) if word is None else self.store.matching(word)
        exact = [job for job in jobs if word in {job.id, job.remote_id}]
        jobs = exact or jobs
        if not jobs:
            what = "There is no job yet." if word is None else f'There is no job "{word}".'
            raise InvalidRequest(what, hint="%video history lists them.")
        if len(jobs) > 1:
            names = ", ".join(job.id for job in jobs)
            raise InvalidRequest(f'"{word}" is the beginning of several jobs: {names}.')
        return self.snapshot(jobs[0].id)

    def in_flight(self) -> list[JobSnapshot]:
        """Return the jobs of the library that have not ended, oldest first."""
        return [self.snapshot(job.id) for job in self.store.in_flight()]

    def stranded(self) -> list[JobSnapshot]:
        """Return the jobs in flight that this kernel is not working on."""
        own = {job.id for job in self.manager.active()}
        return [job for job in self.store.in_flight() if job.id not in own]

    def history(self, text: str = "", *, limit: int = 50) -> list[JobSnapshot]:
        """Return the newest jobs, those with `text` in the prompt if it is given."""
        return self.store.newest(limit, text=text)

    def resume(self, word: str | None = None) -> list[Resumed]:
        """Go on with a job, with a sweep, or with everything that an ended kernel left behind."""
        sweep = self.store.sweep(word) if word is not None else None
        if word is not None and sweep is None:
            return [self._resume(self.find(word))]
        jobs = [*self.stranded(), *filter(resumable, self.store.undelivered())]
        if sweep is not None:
            own = {item.job for item in sweep.items}
            jobs = [job for job in jobs if job.id in own]
        # What a sweep had not sent yet keeps to its turn; what is at a server needs none.
        limit = ParallelLimit(self.settings.parallel)
        return [self._resume(job, None if job.sent_at else limit) for job in jobs]

    def adopt(self, remote_id: str, *, provider: str) -> Resumed:
        """Go on with a job that somebody started elsewhere, by its server's id."""
        row = self.catalog.provider(provider)
        if known := [j for j in self.store.matching(remote_id) if j.remote_id == remote_id]:
            return self._resume(known[0])
        now = self.clock()
        job_id = new_id()
        at_demo = row.name == FALLBACK
        job = JobSnapshot(
            id=job_id,
            provider=row.name,
            request=VideoRequest(prompt=""),
            status="queued",
            created_at=now,
            target=str((self.settings.videos_dir / f"video-{job_id}.mp4").absolute()),
            base_url=None if at_demo else require_base_url(row, self.keys.environ),
            remote_id=remote_id,
        )
        self.manager.submit(job)
        return Resumed(job=job, taken=True, sentence=f"{job_id}: taken over from {row.name}.")

    def cancel(self, job_id: str) -> concurrent.futures.Future[JobSnapshot]:
        """Stop a job; the future's snapshot says in `note` what was done about it."""
        return self.manager.cancel(self.snapshot(job_id))

    def cancel_all(self, job_ids: Iterable[str]) -> list[concurrent.futures.Future[JobSnapshot]]:
        """Stop those of the jobs that have not ended; the futures are as those of `cancel`."""
        return self.manager.cancel_all(map(self.snapshot, job_ids))

    def delete(self, job_id: str) -> concurrent.futures.Future[str]:
        """Delete a job at its provider and in the library; the future says what was done.

        The file that was downloaded stays. A job that has not ended is cancelled first.
        """
        return self.manager.delete(self.snapshot(job_id))

    def again(self, job: JobSnapshot) -> JobSnapshot:
        """Send the request of an ended job once more, as a new job (which is paid anew)."""
        planner = self.planner(provider=job.provider)
        folder = Path(job.target).parent
        plan = planner.plan(job.request, folder=folder, now=self.clock())
        if job.request.chain is not None:
            plan = self._beside(job, plan)
        return self.submit(plan)[0]

    def chain(
        self, job: JobSnapshot, how: Chain, prompt: str, *, seconds: float | None = None
    ) -> Plan:
        """Settle what is to be made of a finished video, by the provider that has it.

        `seconds` is what an extension adds (None: as much as was asked for last). Raises
        `InvalidRequest` where that cannot be done, and says what can.
        """
        row = self.catalog.provider(job.provider)
        model = self.catalog.model(job.request.model or row.default_model, row)
        request = next_request(job, how, prompt, provider=row, model=model, seconds=seconds)
        planner = self.planner(provider=job.provider)
        plan = planner.plan(request, folder=Path(job.target).parent, now=self.clock())
        return self._beside(job, plan)

    def typical_seconds(self, job: JobSnapshot) -> float | None:
        """Return how long jobs of this provider and model usually take; None: not known yet."""
        past = self.store.durations(job.provider, job.request.model)
        return statistics.median(past) if len(past) >= ENOUGH else None

    # ---- money, keys, rows ----------------------------------------------------------------

    def spent(self, since: float | None = None) -> Money:
        """Return what was spent since then (seconds since the epoch; None: in this session)."""
        usd, unpriced = self.store.spent(self.started_at if since is None else since)
        return Money(usd=usd, unpriced=unpriced)

    def budget_left(self) -> float | None:
        """Return what is left of the session's budget in USD; None: there is no budget."""
        if self.settings.budget is None:
            return None
        return self.settings.budget - self.spent().usd

    def models(self, provider: str | None = None) -> list[tuple[Provider, Model]]:
        """Return the known models of a provider, or of the one that answers now."""
        name = provider or self.planner().choice().name
        row = self.catalog.provider(name)
        return [(row, model) for model in self.catalog.models_of(row)]

    def close(self) -> None:
        """Stop polling, end the demo server and close the library; jobs stay in it."""
        if self.loop.started:
            self.manager.release()
        # Connections last: one that is being made now would outlive its pool, open for good.
        self.loop.stop(self._connections.aclose)
        self._connections.stop()
        self.store.close()

    async def client(self, name: str, base_url: str | None = None) -> VideoClient:
        """Return the client for a provider, with the key of this moment; on the loop's thread."""
        return await self._connections.client(name, base_url)

    # ---- inside ---------------------------------------------------------------------------

    @staticmethod
    def _beside(job: JobSnapshot, plan: Plan) -> Plan:
        """Have a plan sent to the server that has the video, wherever its provider is today."""
        told = "it has the video"
        return replace(plan, job=replace(plan.job, base_url=job.base_url), why=told)

    def _checked(
        self, plans: tuple[Plan, ...], *, max_cost: float | None, reuse: bool
    ) -> list[JobSnapshot | None]:
        """Return what takes the place of each plan; raises where the others may not be sent."""
        found: list[JobSnapshot | None] = [None] * len(plans)
        if reuse:
            found = find_finished(plans, self.store)
        new = tuple(plan for plan, old in zip(plans, found, strict=True) if old is None)
        limit = self.settings.max_cost if max_cost is None else max_cost
        check_cost(new, max_cost=limit, left=self.budget_left())
        for plan in new:
            if plan.provider.needs_key:
                self.keys.require(plan.provider)
        return found

    def _resume(self, job: JobSnapshot, limit: ParallelLimit | None = None) -> Resumed:
        if job.status == "completed" and Path(job.target).exists():
            sentence = f"{job.id}: its video is there already; %video show {job.id} shows it."
            return Resumed(job=job, taken=False, sentence=sentence)
        if job.ended and job.remote_id is None and job.sent_at is None:
            sentence = f"{job.id}: it was never accepted, so there is nothing to go on with."
            return Resumed(job=job, taken=False, sentence=sentence)
        taken = self.manager.resume(job, limit)
        words = "going on with it." if taken else "another kernel is working on it."
        return Resumed(job=self.snapshot(job.id), taken=taken, sentence=f"{job.id}: {words}")
