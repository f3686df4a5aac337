"""What would be sent, to whom, at what price and into which file: settled before sending.

May import `images`, `client` (for the preview), `wire`, the catalog and below. Pure but for
the folder it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from ipyreel.catalog import Catalog, KeyRing, Model, Provider
from ipyreel.catalog.checks import check_request, complete_request, estimate, warnings
from ipyreel.catalog.choice import FALLBACK, Choice, choose_provider, require_base_url
from ipyreel.client.addresses import is_loopback, strip_query
from ipyreel.errors import InvalidRequest
from ipyreel.images import fit_image
from ipyreel.jobs.files import new_id, sidecar_path, target_path
from ipyreel.jobs.store import JobStore
from ipyreel.settings import Settings
from ipyreel.values import Estimate, JobSnapshot, VideoRequest
from ipyreel.wire.writer import unsupported_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One job, settled and not yet sent; `why` says how the provider was chosen.

    `warnings` are sentences to show before sending; `once` those that a session says only once.
    """

    job: JobSnapshot
    provider: Provider
    model: Model | None
    why: str
    estimate: Estimate
    warnings: tuple[str, ...] = ()
    once: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, Path]:
        """The two files the job would write: the video and its explanation."""
        target = Path(self.job.target)
        return target, sidecar_path(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes plans out of requests, by the catalog and the settings of the moment."""

    settings: Settings
    catalog: Catalog
    keys: KeyRing

    def choice(self) -> Choice:
        """Return who answers now, and why."""
        return choose_provider(self.settings, self.catalog, self.keys)

    def plan(
        self,
        request: VideoRequest,
        *,
        folder: Path,
        now: float,
        output: Path | None = None,
        make_id: Callable[[], str] = new_id,
    ) -> Plan:
        """Settle a request; raises `VideoError` where it cannot be sent, and why.

        `folder` is where MP4s go, `output` a path of the person's own.
        """
        choice = self.choice()
        provider = self.catalog.provider(choice.name)
        base_url = None
        if provider.name != FALLBACK:
            base_url = require_base_url(provider, self.keys.environ)
        if request.chain is None:
            request = self._with_defaults(request)
        model = self.catalog.model(request.model or provider.default_model, provider)
        request = complete_request(request, provider, model)
        check_request(request, provider, model, catalog=self.catalog)
        request, fitted = _fit_images(request, model)
        cost = estimate(request, provider, model)
        job_id = make_id()
        target = output or target_path(folder, prompt=request.prompt, job_id=job_id, created_at=now)
        if output is not None:
            _refuse_existing(output)
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
    """Say that an address beyond this machine is asked over plain http, where its row allows it."""
    parts = urlsplit(base_url or "")
    if parts.scheme != "http" or not provider.plain_http or is_loopback(parts.hostname or ""):
        return ()
    risk = "prompts and videos go unencrypted, so use it in a network you trust"
    return (f"{provider.name} is asked over plain http at {strip_query(base_url or '')}: {risk}.",)


def _left_out(request: VideoRequest, provider: Provider) -> tuple[str, ...]:
    """Name what was asked that the provider refuses or drops."""
    if request.chain is not None:
        return ()
    names = unsupported_fields(request, provider.dialect)
    return tuple(f"{provider.name} does not take {name}; it is not sent." for name in names)


def _fit_images(request: VideoRequest, model: Model | None) -> tuple[VideoRequest, tuple[str, ...]]:
    """Make the images as large as the video where the model takes no others."""
    size = request.size or (model.default_size if model else None)
    if model is None or not model.exact_image or size is None:
        return request, ()
    fitted = [fit_image(image, size) for image in request.images]
    said = tuple(sentence for _, sentence in fitted if sentence)
    return replace(request, images=tuple(image for image, _ in fitted)), said


def check_cost(plans: tuple[Plan, ...], *, max_cost: float | None, left: float | None) -> None:
    """Refuse plans whose estimate is over `max_cost` or over what is `left` of the budget.

    Both in USD. Raises `InvalidRequest`; an unknown price is refused too, since nobody can
    say that it is within a limit.
    """
    if max_cost is None and left is None:
        return
    limit = min(value for value in (max_cost, left) if value is not None)
    name = "--max-cost" if max_cost is not None and limit == max_cost else "the budget"
    costs = [plan.estimate.usd for plan in plans]
    if any(cost is None for cost in costs):
        plan = next(plan for plan in plans if plan.estimate.usd is None)
        what = plan.job.request.model or plan.provider.name
        raise InvalidRequest(
            f"No price is known for {what}, so {name} ({limit:.2f} USD) cannot be kept.",
            hint="Leave the limit away, or give the model a price in ipyreel.toml.",
        )
    total = sum(cost for cost in costs if cost is not None)
    if total > limit:
        what = "This" if len(plans) == 1 else f"These {len(plans)} jobs"
        raise InvalidRequest(
            f"{what} would cost about {total:.2f} USD; {name} leaves {limit:.2f} USD.",
            hint="Nothing was sent.",
        )


def find_finished(plans: Iterable[Plan], store: JobStore) -> list[JobSnapshot | None]:
    """Find for each plan an equal finished job whose file is there, none of them twice."""
    found: list[JobSnapshot | None] = []
    taken: set[str] = set()
    for plan in plans:
        fingerprint = plan.job.request.fingerprint(plan.provider.name)
        while job := store.finished_like(fingerprint, besides=taken):
            taken.add(job.id)
            if Path(job.target).exists():
                break
        found.append(job)
    return found


def _refuse_existing(output: Path) -> None:
    if output.exists():
        raise InvalidRequest(
            f"--output {output}: it exists, and nothing is overwritten; choose another name."
        )
