"""Turns a request into a plan: what is sent, to whom, at what price, and within which limits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from ipyreel.catalog import Catalog, KeyRing, Model, Provider
from ipyreel.catalog.checks import (
    as_sent,
    check_chain,
    check_request,
    complete_request,
    estimate,
    warnings,
)
from ipyreel.catalog.choice import FALLBACK, Choice, Chooser, require_base_url
from ipyreel.errors import InvalidRequest
from ipyreel.images import fit_image
from ipyreel.jobs.files import new_id, sidecar_path, target_path
from ipyreel.jobs.manager import job_price
from ipyreel.jobs.store import JobStore
from ipyreel.jobs.transitions import is_unsent, undelivered
from ipyreel.settings import Settings
from ipyreel.values import Chain, Estimate, Image, JobSnapshot, Money, VideoRequest
from ipyreel.wire.urls import is_loopback, strip_query
from ipyreel.wire.writer import unsupported_fields

_NAMES = {
    "max_cost": "max_cost",
    "budget": "the budget",
    "budget_day": "the budget per day",
    "budget_total": "the total budget",
}


Spent = Callable[[float], Money]
"""Adds up the jobs of the library since a time (seconds since the epoch; 0: all of them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one job would cost, and the name of what has no price if the estimate has none."""

    estimate: Estimate
    what: str


def cost_of(job: JobSnapshot) -> Cost:
    """Return what a job that is in the library will cost when it is sent."""
    what = job.request.model or job.provider
    return Cost(estimate=Estimate(usd=job.estimate), what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit in force; `since` is the time from which jobs count, None: only the new ones."""

    setting: str
    usd: Decimal
    where: str
    since: float | None

    @property
    def name(self) -> str:
        """The limit with its value and where it was set, for a sentence."""
        return f"{_NAMES[self.setting]} of {usd_text(self.usd)} ({self.where})"

    def left(self, spent: Spent) -> Decimal:
        """Return how many USD a new job may cost."""
        return self.usd if self.since is None else self.usd - spent(self.since).usd


def limits_in_force(settings: Settings, *, started_at: float, now: float) -> list[Limit]:
    """Return the limits that are set; times are in seconds since the epoch."""
    since = {
        "max_cost": None,
        "budget": started_at,
        "budget_day": _midnight(now),
        "budget_total": 0.0,
    }
    found = []
    for name, start in since.items():
        usd: Decimal | None = getattr(settings, name)
        if usd is not None:
            where = str(settings.source_of(name))
            found.append(Limit(setting=name, usd=usd, where=where, since=start))
    return found


def check_limits(costs: Sequence[Cost], limits: Sequence[Limit], spent: Spent) -> None:
    """Raise InvalidRequest if the jobs together exceed a limit, or one has no known price."""
    if not limits or not costs:
        return
    unproved = next((cost for cost in costs if not cost.estimate.trusted), None)
    if unproved is not None:
        raise InvalidRequest(
            f"The price of {unproved.what} is not trusted ({unproved.estimate.source}), so"
            f" {limits[0].name} cannot be checked.",
            hint="%video trust approves a folder's file; a price of your own belongs in"
            " your ipyreel.toml.",
        )
    unknown = next((cost for cost in costs if cost.estimate.usd is None), None)
    if unknown is not None:
        field = unknown.estimate.unpriced
        raise InvalidRequest(
            f"No price is known for {unknown.what}{f' with {field}' if field else ''}, so"
            f" {limits[0].name} cannot be checked.",
            hint=f"Remove the limit, or {field}."
            if field
            else "Remove the limit, or add a price for the model to ipyreel.toml.",
        )
    total = sum((cost.estimate.usd or Decimal(0) for cost in costs), Decimal(0))
    for limit in limits:
        left = limit.left(spent)
        if total > 0 and total > left:
            raise _over(limit, left, total, len(costs))


def _over(limit: Limit, left: Decimal, total: Decimal, count: int) -> InvalidRequest:
    what = "This" if count == 1 else f"These {count} jobs"
    text = f"{what} would cost about {usd_text(total)}; {limit.name} leaves"
    text += f" {usd_text(max(left, Decimal(0)))}."
    return InvalidRequest(text, hint="Nothing was sent.")


def usd_text(usd: Decimal) -> str:
    """Return an amount with at least two and at most six decimals: `0.30 USD`, `0.0042 USD`."""
    whole, _, cents = f"{usd:.6f}".partition(".")
    return f"{whole}.{cents.rstrip('0').ljust(2, '0')} USD"


def _midnight(now: float) -> float:
    """Return when the day of `now` began, in local time."""
    day = time.localtime(now)
    return time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job ready to be sent; `why` says how the provider was chosen.

    `warnings` are shown before sending; those in `once` are shown once per session.
    `automatic`: the user did not name the provider.
    """

    job: JobSnapshot
    provider: Provider
    model: Model | None
    why: str
    estimate: Estimate
    warnings: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    automatic: bool = False

    @property
    def files(self) -> tuple[Path, Path]:
        """The two files the job would write: the video and its sidecar."""
        target = Path(self.job.target)
        return target, sidecar_path(target)

    @property
    def cost(self) -> Cost:
        """What the job would cost, for the check of the limits."""
        what = self.job.request.model or self.provider.name
        return Cost(estimate=self.estimate, what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes plans from requests, with the current catalog and settings."""

    settings: Settings
    catalog: Catalog
    keys: KeyRing
    chooser: Chooser = field(default_factory=Chooser)

    def choice(self) -> Choice:
        """Return the provider that would be used now, and why."""
        return self.chooser.choose(self.settings, self.catalog, self.keys)

    def plan(
        self,
        request: VideoRequest,
        *,
        folder: Path,
        now: float,
        output: Path | None = None,
    ) -> Plan:
        """Return the plan of a request; raises `VideoError` if it cannot be sent.

        `folder` is where MP4s go unless `output` names a file.
        """
        choice = self.choice()
        if choice.problem is not None:
            raise choice.problem
        provider = self.catalog.provider(choice.name)
        base_url = None
        if provider.name != FALLBACK:
            base_url = require_base_url(provider, self.keys.environ)
        if request.chain is None:
            request = self._with_defaults(request)
        model = self.catalog.model(request.model or provider.default_model, provider)
        request = complete_request(request, provider)
        check_request(request, provider, model, catalog=self.catalog)
        request, fitted = _fit_images(request, model)
        _refuse_changed(request.images)
        asked = self.catalog.model(as_sent(request).model or provider.default_model, provider)
        cost = estimate(request, provider, asked)
        job_id = new_id()
        target = output or target_path(folder, prompt=request.prompt, job_id=job_id, created_at=now)
        if output is not None:
            refuse_existing(output)
        job = JobSnapshot(
            id=job_id,
            provider=provider.name,
            request=request,
            status="submitting",
            created_at=now,
            target=str(target.absolute()),
            base_url=base_url,
            estimate=cost.usd,
        )
        return Plan(
            job=job,
            provider=provider,
            model=model,
            why=choice.why,
            estimate=cost,
            warnings=(
                *choice.notes,
                *warnings(request, provider, model),
                *_left_out(request, provider),
                *fitted,
            ),
            once=plain_http_notes(provider, base_url),
            automatic=choice.automatic,
        )

    def _with_defaults(self, request: VideoRequest) -> VideoRequest:
        settings = self.settings
        return replace(
            request,
            model=request.model or settings.model,
            seconds=request.seconds if request.seconds is not None else settings.seconds,
            size=request.size or settings.size,
        )


def plain_http_notes(provider: Provider, base_url: str | None) -> tuple[str, ...]:
    """Return a warning when a remote address is used over plain http."""
    parts = urlsplit(base_url or "")
    if parts.scheme != "http" or not provider.plain_http or is_loopback(parts.hostname or ""):
        return ()
    risk = "prompts and videos are not encrypted, so use it in a network you trust"
    return (f"{provider.name} uses plain http at {strip_query(base_url or '')}: {risk}.",)


def _left_out(request: VideoRequest, provider: Provider) -> tuple[str, ...]:
    """Return a warning for each option that the provider refuses or ignores."""
    if request.chain is not None or (request.seed is None and not request.extra):
        return ()
    names = unsupported_fields(request, provider.dialect)
    return tuple(f"{provider.name} does not support {name}; it is not sent." for name in names)


def _fit_images(request: VideoRequest, model: Model | None) -> tuple[VideoRequest, tuple[str, ...]]:
    """Resize the images to the size of the video if the model requires it."""
    size = request.size or (model.default_size if model else None)
    if model is None or not model.exact_image or size is None:
        return request, ()
    fitted = [fit_image(image, size) for image in request.images]
    notes = tuple(sentence for _, sentence in fitted if sentence)
    return replace(request, images=tuple(image for image, _ in fitted)), notes


def _refuse_changed(images: Iterable[Image]) -> None:
    """Raise InvalidRequest for an image that differs from the one that was used before."""
    for image in images:
        if image.data is not None and image.sha256 not in {None, image.to_dict()["sha256"]}:
            raise InvalidRequest(f"The image {image.source} is not the one that was used.")


def refuse_existing(output: Path) -> None:
    """Raise InvalidRequest if there is a file with that name."""
    if output.exists():
        raise InvalidRequest(f"--output {output} exists and is not overwritten.", hint=OTHER_NAME)


def equal_jobs(
    plans: Sequence[Plan], store: JobStore, besides: Iterable[str] = ()
) -> list[JobSnapshot | None]:
    """Return for each plan an equal job that needs no second payment, each job once.

    It is finished and has its file, is active, or has a video that can still be downloaded.

    `besides` are the ids of jobs that do not count as equal.
    """
    found: list[JobSnapshot | None] = []
    taken = set(besides)
    for plan in plans:
        equal = store.equal(plan.job.request.fingerprint(plan.provider.name))
        free = [job for job in equal if job.id not in taken]
        finished = (job for job in free if job.status == "completed" and Path(job.target).exists())
        active = (job for job in free if not job.ended or undelivered(job))
        job = next(chain(finished, active), None)
        if job is not None:
            taken.add(job.id)
        found.append(job)
    return found


def cost_with_reuse(plan: Plan, equal: JobSnapshot | None) -> Decimal | None:
    """Return what a plan would cost in USD if its equal job, if any, is used."""
    return plan.estimate.usd if equal is None or is_unsent(equal) else Decimal(0)


def reuse_note(
    plans: Sequence[Plan], jobs: Sequence[JobSnapshot], *, elsewhere: Callable[[str], bool]
) -> str | None:
    """Return a sentence about equal jobs that are used instead of new ones; None: there are none.

    `jobs` are the jobs of the plans as they were found; `elsewhere` returns whether another
    kernel works on a job.
    """
    old = [job for plan, job in zip(plans, jobs, strict=True) if job.id != plan.job.id]
    if not old:
        return None
    states = [_reused_state(job, elsewhere) for job in old]
    if len(plans) == 1:
        return f"{old[0].id} is an equal job, {states[0]}: it is used, and no new one is sent."
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return (
        f"{len(old)} of {len(plans)} jobs are equal to earlier ones and not sent twice: {counts}."
    )


def _reused_state(job: JobSnapshot, elsewhere: Callable[[str], bool]) -> str:
    if job.status == "completed":
        return "finished"
    if job.ended:
        return "ready to be downloaded"
    if elsewhere(job.id):
        return "active in another kernel"
    if is_unsent(job):
        return f"not sent yet ({job_price(job)})"
    return "possibly at the server" if job.status == "unknown" else "active"


def refuse_taken_names(jobs: Sequence[JobSnapshot], store: JobStore) -> None:
    """Refuse two jobs that would write the same file: the second video could not be saved."""
    taken = {_same_name(job.target): job.id for job in store.in_flight()}
    for job in jobs:
        other = taken.setdefault(_same_name(job.target), job.id)
        if other != job.id:
            raise InvalidRequest(
                f"--output {job.target}: job {other} will write this file.", hint=OTHER_NAME
            )


def _same_name(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


OTHER_NAME = "Choose another name."

_PAST = {"remix": "remixed", "edit": "edited", "extend": "extended"}


def next_request(
    job: JobSnapshot,
    how: Chain,
    prompt: str,
    *,
    provider: Provider,
    model: Model | None,
    seconds: float | None = None,
) -> VideoRequest:
    """Return the request that remixes, edits or extends the video of `job`.

    Seed, images and extra fields of the job are not sent. `seconds` is what an extension adds
    (None: the length requested before). Raises `InvalidRequest` when the provider has no such
    route or the job has no video.
    """
    check_chain(how, provider)
    if job.status != "completed" or job.remote_id is None:
        raise InvalidRequest(f"{job.id} is {job.status}; only a completed job can be {_PAST[how]}.")
    if how == "extend":
        # OpenAI's route requires a length, and the price depends on it.
        length = seconds or job.request.seconds or (model.default_seconds if model else None)
    else:
        length = _length(job)
    return VideoRequest(
        prompt=prompt,
        model=job.request.model,
        seconds=length,
        size=job.request.size,
        remix_of=job.remote_id if how == "remix" else None,
        edit_of=job.remote_id if how == "edit" else None,
        extend_of=job.remote_id if how == "extend" else None,
    )


def _length(job: JobSnapshot) -> float | None:
    """Return the length of the clip in seconds; `seconds` of an extension is only its end."""
    if job.request.extend_of is None and job.request.seconds is not None:
        return job.request.seconds
    found = job.file.seconds if job.file is not None else None
    return None if found is None else round(found, 1)
