"""The session of one kernel: its settings, catalog, keys, library and jobs.

Every verb that the user can type is a method here. Methods may be called from any thread and do
not wait for a server unless documented.
"""

from __future__ import annotations

import concurrent.futures
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ipyreel import client as clients
from ipyreel.catalog import Catalog, KeyRing, Model, Provider
from ipyreel.catalog.choice import FALLBACK, Chooser, base_url_of, require_base_url, with_offers
from ipyreel.catalog.keys import TYPED, Environment
from ipyreel.catalog.loader import built_in_names
from ipyreel.connections import Connections
from ipyreel.errors import ConfigError, InvalidRequest, StoreError, VideoError
from ipyreel.jobs.files import make_folder, new_id
from ipyreel.jobs.loop import LoopThread
from ipyreel.jobs.manager import JobManager, ParallelLimit
from ipyreel.jobs.query import Query
from ipyreel.jobs.run import JobConfig, Listener
from ipyreel.jobs.store import JobStore
from ipyreel.jobs.transitions import is_unsent, resumable
from ipyreel.plan import (
    Limit,
    Plan,
    Planner,
    check_limits,
    cost_of,
    equal_jobs,
    limits_in_force,
    next_request,
    plain_http_notes,
    refuse_taken_names,
)
from ipyreel.resumption import Resumed, renamed, resume_all, resume_one, resumed_before
from ipyreel.settings import Layer, Settings
from ipyreel.trust import Trust
from ipyreel.values import Chain, HttpCall, JobSnapshot, Money, VideoRequest
from ipyreel.wire.urls import base_url_problem

if TYPE_CHECKING:
    from ipyreel.client import VideoClient

ENOUGH = 3
"""Past jobs of a provider and model needed before the remaining time is shown."""


@dataclass(slots=True, kw_only=True)
class Session:
    """The settings, catalog, keys, library and jobs of one kernel.

    Nothing is opened or started before it is needed. `problem` is why the settings or the
    catalog could not be read; the defaults apply then, and nothing is sent.
    """

    settings: Settings
    catalog: Catalog
    keys: KeyRing
    rules: JobConfig = field(default_factory=JobConfig)
    loop: LoopThread = field(default_factory=LoopThread)
    clock: Callable[[], float] = time.time
    chooser: Chooser = field(default_factory=Chooser)
    problem: ConfigError | None = None
    waits_for_answer: bool = False
    """Whether `submit` waits until the POST was answered: a script may end right after it."""
    trusted: Trust = field(default_factory=Trust)
    store: JobStore = field(init=False)
    manager: JobManager = field(init=False)
    started_at: float = field(init=False)
    _connections: Connections = field(init=False)
    _said: set[str] = field(default_factory=set)
    _moved: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started_at = self.clock()
        self.store = JobStore(self.settings.home / "library.sqlite")
        self.rules = replace(self.rules, deadline=self.settings.deadline)
        self._connections = Connections(
            home=self.settings.home,
            catalog=lambda: self.catalog,
            keys=self.keys,
            rules=self.rules,
            approved=self.trusted.origin_of,
        )
        self.manager = JobManager(
            store=self.store, loop=self.loop, connect=self.client, rules=self.rules
        )

    @classmethod
    def open(cls, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Session:
        """Read the settings and the catalog; a broken one is kept as `problem`.

        `cwd` is the notebook's folder, with its `ipyreel.toml` and `videos/`.
        """
        environ = Environment() if environ is None else environ
        bare, keys = Settings.without_files(environ, cwd or Path.cwd()), KeyRing(environ)
        trusted = Trust.load(environ, bare.config_dir, built_in_names())
        try:
            settings = Settings.load(environ, bare.cwd, accept=trusted.accept)
            catalog = with_offers(Catalog.of(*settings.tomls), settings.home, environ)
        except ConfigError as error:
            catalog = Catalog.load()
            return cls(settings=bare, catalog=catalog, keys=keys, trusted=trusted, problem=error)
        return cls(settings=settings, catalog=catalog, keys=keys, trusted=trusted)

    def read_settings(self) -> None:
        """Read the settings and the catalog again; what was set in this kernel is kept.

        Raises `ConfigError`; then nothing changes.
        """
        environ, cwd = self.keys.environ, self.settings.cwd
        settings = Settings.load(environ, cwd, accept=self.trusted.accept)
        catalog = with_offers(Catalog.of(*settings.tomls), settings.home, environ)
        for layer in ("config", "use"):
            settings = settings.with_said(layer, self.settings)
        self._apply(settings)
        self.catalog, self.problem = catalog, None
        for name, url in self._moved.items():
            self._move(catalog.provider(name), url)

    def trust(self, folder: Path | None = None) -> list[str]:
        """Approve the `ipyreel.toml` of a folder (None: the notebook's); return what it changes.

        Raises `ConfigError`, or `StoreError` when the approval cannot be written.
        """
        folder = folder or self.settings.cwd
        own = [toml for toml in self.settings.tomls if Path(toml.path).parent != self.settings.cwd]
        changes = self.trusted.approve(folder, own)
        self.read_settings()
        return changes

    def require_settings(self) -> None:
        """Read the settings again if that failed before; raises the `ConfigError` if it fails."""
        if self.problem is not None:
            self.read_settings()

    # ---- before sending -----------------------------------------------------------------

    def planner(self, layer: Layer = "option", **values: Any) -> Planner:
        """Return a planner with the session's settings and those of one cell."""
        self.require_settings()
        settings = self.settings.with_values(layer, **values)
        return Planner(
            settings=settings, catalog=self.catalog, keys=self.keys, chooser=self.chooser
        )

    def plan(
        self, request: VideoRequest, *, provider: str | None = None, output: Path | None = None
    ) -> Plan:
        """Return the plan of a request; raises `VideoError` if it cannot be sent."""
        planner = self.planner(provider=provider)
        plan = planner.plan(
            request, folder=self.settings.videos_dir, now=self.clock(), output=output
        )
        once = (*plan.once, *self.trusted.notes)
        return replace(plan, warnings=(*plan.warnings, *self.unsaid(once)))

    def address_notes(self, row: Provider) -> tuple[str, ...]:
        """Return the warnings on a provider's address that were not shown yet."""
        return self.unsaid(plain_http_notes(row, base_url_of(row, self.keys.environ)))

    def unsaid(self, sentences: Iterable[str]) -> tuple[str, ...]:
        """Return the sentences that this session has not shown yet, and count them as shown."""
        new = tuple(one for one in sentences if one not in self._said)
        self._said.update(new)
        return new

    def use(self, provider: str | None = None, **values: Any) -> None:
        """Set defaults for this session; a value of None (or "none") removes the default.

        `base_url` changes the provider's address, and resumes its jobs there. Raises
        `ConfigError`; if a provider was named, cells are then refused until one is chosen.
        """
        base_url = values.pop("base_url", None)
        try:
            self.require_settings()
            if provider is not None:
                values["provider"] = provider
            settings = self.settings.with_values("use", **values)
            self._check_use(settings, provider, base_url)
        except VideoError:
            if provider is not None:
                self.chooser.failed(provider)
            raise
        if provider is not None:
            self.chooser.chosen()
        self._apply(settings)
        if base_url is not None:
            self.manager.resume_at(str(settings.provider), base_url)

    def configure(self, values: Mapping[str, Any]) -> None:
        """Replace the settings made by `%config VideoMagics`; None means "not set"."""
        self._apply(self.settings.with_layer("config", values))

    def remember_key(self, provider: str, text: str) -> None:
        """Keep a typed key in memory and choose its provider; raises `ConfigError`."""
        row = self.catalog.provider(provider)
        self.keys.remember(row.name, text)
        self.chooser.typed(row.name)

    def _apply(self, settings: Settings) -> None:
        self.settings = settings
        self.manager.rules = replace(self.manager.rules, deadline=settings.deadline)

    def _check_use(self, settings: Settings, provider: str | None, base_url: str | None) -> None:
        """Refuse an unknown provider; set the address of the named one to `base_url`."""
        named = settings.layers["use"].get("provider")
        if base_url is not None and (provider is None or named is None):
            raise InvalidRequest("base_url belongs to a provider: %video use NAME base_url=...")
        if provider is not None and named is not None:
            row = self.catalog.provider(named[0])
            if base_url is not None:
                self._move(row, base_url)
                self.trusted.remember_origin(row.name, base_url)

    def _move(self, row: Provider, base_url: str) -> None:
        problem = base_url_problem(base_url)
        if problem is not None:
            # The address is not repeated: it may contain a password or a key.
            secret = "@" in base_url
            raise InvalidRequest(f"base_url {problem}.", hint=TYPED if secret else None)
        self._moved[row.name] = base_url
        moved = replace(row, base_url=base_url, base_url_vars=())
        rows = MappingProxyType({**self.catalog.providers, row.name: moved})
        catalog = replace(self.catalog, providers=rows)
        self.catalog = with_offers(catalog, self.settings.home, self.keys.environ)

    def call(self, plan: Plan) -> HttpCall:
        """Return the HTTP request of a plan, with its full URL and the key masked."""
        # The port of the demo server is not known before it runs.
        base_url = plan.job.base_url or "http://127.0.0.1/v1"
        key = self.keys.find(plan.provider)
        client = clients.VideoClient(
            plan.provider, key=key, base_url=base_url, catalog=self.catalog
        )
        return client.preview(plan.job.request)

    # ---- jobs ---------------------------------------------------------------------------

    def submit(
        self,
        *plans: Plan,
        max_cost: Decimal | float | None = None,
        reuse: bool = False,
        besides: Iterable[str] = (),
        parallel: int | None = None,
    ) -> list[JobSnapshot]:
        """Write the jobs into the library and send them; return as soon as they are written.

        In a script (`waits_for_answer`) it returns when the POSTs of the jobs that do not wait
        because of `parallel` were answered, or will not be.

        `max_cost` is in USD for all of them together; the smallest of it and of the settings'
        limits applies. `reuse`: an equal job that is finished or active is used instead of a new
        one, except those whose ids are in `besides`. At most `parallel` are sent at once (None:
        all). Raises `VideoError` if a limit is exceeded, a key is missing or a file name is
        taken; then nothing was sent.
        """
        self.store.require_open()
        self.require_settings()
        check = partial(self._checked, plans, max_cost=max_cost, reuse=reuse, besides=besides)
        found = check()
        for plan, old in zip(plans, found, strict=True):
            if old is None:
                self._require_key(plan)
                make_folder(Path(plan.job.target))

        def select(_jobs: Sequence[JobSnapshot]) -> list[JobSnapshot]:
            # Checked again inside the transaction: another kernel may have been faster.
            found[:] = check()
            return [plan.job for plan, old in zip(plans, found, strict=True) if old is None]

        limit = None if parallel is None else ParallelLimit(parallel)
        self.manager.submit(*(plan.job for plan in plans), limit=limit, select=select)
        for plan, old in zip(plans, found, strict=True):
            if old is None:
                self.chooser.sent(plan.provider.name, automatic=plan.automatic)
            elif old.status != "completed":
                self.manager.resume(old, None if old.sent_at else limit)
        jobs = [old or plan.job for plan, old in zip(plans, found, strict=True)]
        if self.waits_for_answer:
            self.manager.wait_placed(*jobs[:parallel])
        return jobs

    @property
    def ended(self) -> bool:
        """Whether the session was closed, or belongs to the parent of this forked process."""
        return self.store.ended

    def refusal(
        self, *plans: Plan, max_cost: Decimal | float | None = None, reuse: bool = False
    ) -> VideoError | None:
        """Return why `submit` would refuse these plans; None: it would send them."""
        try:
            found = self._checked(plans, max_cost=max_cost, reuse=reuse)
            for plan, old in zip(plans, found, strict=True):
                if old is None:
                    self._require_key(plan)
        except VideoError as error:
            return error
        return None

    def snapshot(self, job_id: str) -> JobSnapshot:
        """Return the current state of a job; raises `StoreError` for an unknown id."""
        job = self.manager.snapshot(job_id)
        if job is None:
            raise StoreError(f"The library has no job {job_id}.")
        return job

    def listen(self, job_id: str, listener: Listener) -> None:
        """Call `listener` with every new snapshot of the job, on the poller's thread."""
        self.manager.listen(job_id, listener)

    def future(self, job_id: str) -> concurrent.futures.Future[JobSnapshot]:
        """Return a future of the last snapshot this kernel makes of the job."""
        return self.manager.future(job_id)

    def error(self, job_id: str) -> VideoError | None:
        """Return the error that ended the job in this kernel, or None."""
        return self.manager.error(job_id)

    def find(self, word: str | None = None) -> JobSnapshot:
        """Return a job by its id, the beginning of it, or the server's id; None: the newest.

        Raises `InvalidRequest` when there is none, or more than one.
        """
        jobs = self.store.newest(1) if word is None else self.store.matching(word)
        exact = [job for job in jobs if word in {job.id, job.remote_id}]
        jobs = exact or jobs
        if not jobs:
            what = "There are no jobs yet." if word is None else f'There is no job "{word}".'
            raise InvalidRequest(what, hint="%video history lists them.")
        if len(jobs) > 1:
            names = ", ".join(job.id for job in jobs)
            raise InvalidRequest(f'"{word}" is the beginning of several jobs: {names}.')
        return self.snapshot(jobs[0].id)

    def in_flight(self) -> list[JobSnapshot]:
        """Return the jobs that have not ended, oldest first."""
        return [self.snapshot(job.id) for job in self.store.in_flight()]

    def stranded(self) -> list[JobSnapshot]:
        """Return the active jobs that this kernel is not working on."""
        own = {job.id for job in self.manager.active()}
        return [job for job in self.store.in_flight() if job.id not in own]

    def history(
        self, text: str = "", *, limit: int = 50, stars: int = 0, tags: Iterable[str] = ()
    ) -> list[JobSnapshot]:
        """Return the newest jobs with all words of `text` in the prompt, and with this rating."""
        query = Query(text=text, stars=stars, tags=tuple(tags), limit=limit)
        return self.store.page(query)[0]

    def resume(
        self,
        word: str | None = None,
        *,
        remote_id: str | None = None,
        take: bool = False,
        output: Path | None = None,
    ) -> list[Resumed]:
        """Resume a job, a sweep, or all jobs that an ended kernel left behind.

        A job that was never sent is sent only if it is named: without a `word`, such jobs are
        listed with their price. `remote_id` is the server's id for the job `word`; `take` takes
        it from another kernel even if that kernel is alive, for one that hangs; `output` is a
        new name for the file of one job that has none yet.
        """
        sweep = self.store.sweep(word) if word is not None else None
        if word is not None and sweep is None:
            job = self.find(word)
            if output is not None:
                job = renamed(self.store, job, output)
            check = self._check_unsent
            resumed = [resume_one(self.manager, job, remote_id=remote_id, take=take, check=check)]
            if self.waits_for_answer:
                self.manager.wait_placed(job)
            return resumed
        if remote_id is not None:
            raise InvalidRequest("A server's id belongs to one job: %video resume ID REMOTE_ID.")
        if output is not None:
            raise InvalidRequest("--output names the file of one job: %video resume ID -o NAME")
        now = self.clock()
        jobs = [*self.stranded(), *(job for job in self.store.failed() if resumable(job, now))]
        if sweep is not None:
            own = {item.job for item in sweep.items}
            jobs = [job for job in jobs if job.id in own]
            self._check_unsent(jobs)
        parallel, send = self.settings.parallel, sweep is not None
        resumed = resume_all(
            self.manager, jobs, parallel=parallel, send=send, take=take, check=self._check_unsent
        )
        if sweep is not None and self.waits_for_answer:
            self.manager.wait_placed(*jobs[: self.settings.parallel])
        if sweep is None:
            resumed += resumed_before(self.manager, resumed)
        return resumed

    def adopt(self, remote_id: str, *, provider: str) -> Resumed:
        """Resume a job that was started elsewhere, by the server's id."""
        row = self.catalog.provider(provider)
        if known := [j for j in self.store.matching(remote_id) if j.remote_id == remote_id]:
            return resume_one(self.manager, known[0])
        job_id, at_demo = new_id(), row.name == FALLBACK
        job = JobSnapshot(
            id=job_id,
            provider=row.name,
            request=VideoRequest(prompt=""),
            status="queued",
            created_at=self.clock(),
            target=str((self.settings.videos_dir / f"video-{job_id}.mp4").absolute()),
            base_url=None if at_demo else require_base_url(row, self.keys.environ),
            remote_id=remote_id,
        )
        self.manager.submit(job)
        return Resumed(job=job, taken=True, sentence=f"{job_id}: resumed from {row.name}.")

    def cancel(self, job_id: str) -> concurrent.futures.Future[JobSnapshot]:
        """Cancel a job; `note` of the future's snapshot says what was done."""
        return self.manager.cancel(self.snapshot(job_id))

    def cancel_all(self, job_ids: Iterable[str]) -> list[concurrent.futures.Future[JobSnapshot]]:
        """Cancel the jobs that have not ended; the futures are as those of `cancel`."""
        return self.manager.cancel_all(map(self.snapshot, job_ids))

    def delete(self, job_id: str) -> concurrent.futures.Future[str]:
        """Delete a job at its provider and in the library; the future says what was done.

        The downloaded file is kept. A job that has not ended is cancelled first.
        """
        return self.manager.delete(self.snapshot(job_id))

    def again(self, job: JobSnapshot) -> JobSnapshot:
        """Send the request of an ended job again, as a new job; it is paid again."""
        return self.submit(self.plan_again(job))[0]

    def plan_again(self, job: JobSnapshot) -> Plan:
        """Return the plan to send the request of a job again, as a new job."""
        planner = self.planner(provider=job.provider)
        folder = Path(job.target).parent
        plan = planner.plan(job.request, folder=folder, now=self.clock())
        return plan if job.request.chain is None else self._beside(job, plan)

    def chain(
        self, job: JobSnapshot, how: Chain, prompt: str, *, seconds: float | None = None
    ) -> Plan:
        """Return the plan to remix, edit or extend a finished video at its provider.

        `seconds` is what an extension adds (None: the length requested before). Raises
        `InvalidRequest` when that is not possible.
        """
        row = self.catalog.provider(job.provider)
        model = self.catalog.model(job.request.model or row.default_model, row)
        request = next_request(job, how, prompt, provider=row, model=model, seconds=seconds)
        planner = self.planner(provider=job.provider)
        plan = planner.plan(request, folder=Path(job.target).parent, now=self.clock())
        return self._beside(job, plan)

    def typical_seconds(self, job: JobSnapshot) -> float | None:
        """Return the median duration of past jobs of this provider and model; None: too few."""
        past = self.store.durations(job.provider, job.request.model)
        return statistics.median(past) if len(past) >= ENOUGH else None

    # ---- money, keys, rows ----------------------------------------------------------------

    def spent(self, since: float | None = None) -> Money:
        """Return what was spent since then (seconds since the epoch; None: in this session)."""
        return self.store.spent(self.started_at if since is None else since)

    def limits(self, max_cost: Decimal | float | None = None) -> list[Limit]:
        """Return the limits in force; `max_cost` is one more for a single cell, in USD."""
        settings = self.settings.with_values("option", max_cost=max_cost)
        if not settings.is_limited:
            return []
        return limits_in_force(settings, started_at=self.started_at, now=self.clock())

    def budget_left(self) -> Decimal | None:
        """Return what is left of the smallest budget in USD; None: there is no budget."""
        budgets = [limit for limit in self.limits() if limit.since is not None]
        return min((limit.left(self.store.spent) for limit in budgets), default=None)

    def models(self, provider: str | None = None) -> list[tuple[Provider, Model]]:
        """Return the known models of a provider (None: of the one that would be used now)."""
        name = provider or self.planner().choice().name
        row = self.catalog.provider(name)
        return [(row, model) for model in self.catalog.models_of(row)]

    def close(self) -> None:
        """Stop polling, end the demo server and close the library; the jobs stay in it."""
        self.manager.seal()
        # Connections last: one that is being opened now would stay open.
        self.loop.stop(self._connections.aclose)
        self._connections.stop()
        self.manager.close()

    async def client(self, name: str, base_url: str | None = None) -> VideoClient:
        """Return the client for a provider with its current key; call it on the loop's thread."""
        return await self._connections.client(name, base_url)

    # ---- inside ---------------------------------------------------------------------------

    @staticmethod
    def _beside(job: JobSnapshot, plan: Plan) -> Plan:
        """Return the plan sent to the server that has the video, even if the provider moved."""
        why = "it has the video"
        return replace(plan, job=replace(plan.job, base_url=job.base_url), why=why)

    def _require_key(self, plan: Plan) -> None:
        if plan.provider.needs_key:
            self.keys.require(plan.provider)

    def _checked(
        self,
        plans: Sequence[Plan],
        *,
        max_cost: Decimal | float | None,
        reuse: bool,
        besides: Iterable[str] = (),
    ) -> list[JobSnapshot | None]:
        """Return the equal job to use for each plan; raises if a new job is refused."""
        found: list[JobSnapshot | None] = [None] * len(plans)
        if reuse:
            found = equal_jobs(plans, self.store, besides)
        new = [plan for plan, old in zip(plans, found, strict=True) if old is None]
        refuse_taken_names([plan.job for plan in new], self.store)
        if limits := self.limits(max_cost):
            # Jobs that an ended kernel did not send are sent now; they must not count twice.
            left = [job for job in found if job is not None and self._is_left_unsent(job)]
            costs = [*(plan.cost for plan in new), *map(cost_of, left)]
            check_limits(costs, limits, partial(self.store.spent, besides=[j.id for j in left]))
        return found

    def _is_left_unsent(self, job: JobSnapshot) -> bool:
        return is_unsent(job) and not job.ended and not self.manager.has_owner(job.id)

    def _check_unsent(self, jobs: Iterable[JobSnapshot]) -> None:
        """Raise InvalidRequest if sending the unsent jobs among these exceeds a limit."""
        unsent = [job for job in jobs if is_unsent(job) and not job.ended]
        if limits := self.limits():
            # They are in the library already, but must not count twice.
            spent = partial(self.store.spent, besides=[job.id for job in unsent])
            check_limits([cost_of(job) for job in unsent], limits, spent)
