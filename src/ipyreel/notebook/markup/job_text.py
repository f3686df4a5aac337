"""A job as plain text: phases, times, money, bytes. The HTML uses the same words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from ipyreel.values import Chain, JobSnapshot, JobStatus

PHASES: Mapping[JobStatus, str] = MappingProxyType(
    {
        "submitting": "Sending",
        "queued": "Queued",
        "in_progress": "Generating",
        "downloading": "Downloading",
        "completed": "Done",
        "failed": "Failed",
        "cancelled": "Cancelled",
        "unknown": "Unknown",
    }
)
"""The word for each state."""

DOWNLOAD_FROM = 95.0
"""Percent of the bar when the download begins; the download fills the rest."""

SLIVER = 3.0
"""The smallest percentage that the bar shows, so that it is visible."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")


MADE: Mapping[Chain, str] = MappingProxyType(
    {"remix": "remix", "edit": "edit", "extend": "extension"}
)
"""The name of a video that was made from another, by how it was made."""


def clean(text: object) -> str:
    """Return text that is safe to print.

    Control characters, lone surrogates, and what writes a line backwards become U+FFFD.
    """
    return _CONTROL.sub("\ufffd", str(text).replace("\r\n", "\n"))


def one_line(text: object, limit: int | None = None) -> str:
    """Return `clean` text on one line, cut with an ellipsis after `limit` characters."""
    line = " ".join(clean(text).split())
    if limit is not None and len(line) > limit:
        return line[: limit - 1].rstrip() + "…"
    return line


def elapsed(seconds: float) -> str:
    """Return a duration as `m:ss`, or `h:mm:ss` from one hour; never negative."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def amount(size: float) -> str:
    """Return a number of bytes for people: `812 bytes`, `45 kB`, `3.1 MB`."""
    if size < 1000:  # noqa: PLR2004 - SI units, as file managers and browsers show them
        return f"{size:.0f} bytes"
    if size < 999_500:  # noqa: PLR2004 - from here on it rounds to 1.0 MB
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 999_950_000 else f"{size / 1e9:.1f} GB"  # noqa: PLR2004


def dollars(usd: Decimal | float) -> str:
    """Return a sum as `$2.40`, with two significant digits below ten cents: `$0.0042`."""
    usd = float(usd)
    if 0 < abs(usd) < 0.1:  # noqa: PLR2004
        short = f"{float(f'{usd:.2g}'):.6f}".rstrip("0")
        return f"${short}" if float(short) else f"${usd:.1g}"
    return f"${usd:.2f}"


def money(usd: Decimal | float | None) -> str:
    """Return an estimate in words; an unknown price is never shown as 0."""
    if usd is None:
        return "no price known"
    return "free" if usd == 0 else f"about {dollars(usd)}"


def price(snapshot: JobSnapshot) -> str:
    """Return the cost that the provider reported, else the estimate.

    "" for a job that ended without a video: whether it is billed is not known here.
    """
    if snapshot.cost is not None:
        return "free" if snapshot.cost == 0 else dollars(snapshot.cost)
    return "" if snapshot.status in {"failed", "cancelled"} else money(snapshot.estimate)


def is_moving(snapshot: JobSnapshot) -> bool:
    """Return whether a job has not ended and its state is known."""
    return not snapshot.ended and snapshot.status != "unknown"


def percent(value: float) -> str:
    """Return progress as a whole number, rounded down so that 99.9 is not yet 100."""
    return f"{int(min(100.0, max(0.0, value)))} %"


def detail(snapshot: JobSnapshot) -> str:
    """Return the detail after the phase: `45 %`, `3.1 / 7.8 MB`, or ""."""
    if snapshot.status == "in_progress" and snapshot.progress is not None:
        return percent(snapshot.progress)
    if snapshot.status == "downloading" and snapshot.received is not None:
        return _received(snapshot.received, snapshot.total)
    return ""


def _received(received: int, total: int | None) -> str:
    if not total:
        return amount(received)
    number, unit = amount(total).split()
    scale = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
    places = 1 if "." in number else 0
    return f"{min(received, total) / scale:.{places}f} / {number} {unit}"


def phase(snapshot: JobSnapshot) -> str:
    """Return the phase with its detail: `Generating 45 %`, `Downloading 3.1 / 7.8 MB`, `Done`."""
    return f"{PHASES[snapshot.status]} {detail(snapshot)}".rstrip()


def bar(snapshot: JobSnapshot) -> float | None:
    """Return how much of the bar is full (0 to 100), None if there is nothing to show.

    The download's share comes after the generation's, so that the bar never moves backwards.
    """
    if snapshot.ended or snapshot.status == "unknown":
        return None
    if snapshot.status == "downloading":
        share = (snapshot.received or 0) / snapshot.total if snapshot.total else 0.0
        return DOWNLOAD_FROM + (100 - DOWNLOAD_FROM) * min(1.0, share)
    return min(DOWNLOAD_FROM, max(SLIVER, snapshot.progress or 0.0))


def lasted(snapshot: JobSnapshot, now: float | None = None) -> str:
    """Return the time from submission to the end or `now`; "" if not known."""
    end = (snapshot.completed_at or snapshot.updated_at) if snapshot.ended else now
    return "" if end is None else elapsed(end - snapshot.created_at)


def clock(snapshot: JobSnapshot, now: float | None, remaining: float | None = None) -> str:
    """Return `1:12` or, if there is an estimate, `1:12 · about 0:50 left`."""
    words = lasted(snapshot, now)
    if remaining is None or snapshot.ended or snapshot.status == "unknown":
        return words
    return f"{words} · about {elapsed(remaining)} left" if remaining > 0 else words


def seconds(value: float) -> str:
    """Return the length of a clip: `8 s`, `2.5 s`."""
    return f"{value:g} s"


def settings(snapshot: JobSnapshot) -> tuple[str, ...]:
    """Return the settings of the request: `8 s`, `1280×720`, `seed 7`.

    The seconds of an extension are those that it adds: `+8 s`.
    """
    request = snapshot.request
    words = []
    if request.seconds is not None:
        more = "+" if request.extend_of is not None else ""
        words.append(more + seconds(request.seconds))
    if request.size is not None:
        words.append(re.sub(r"(?<=\d)x(?=\d)", "×", request.size))
    if request.seed is not None:
        words.append(f"seed {request.seed}")
    if request.images:
        words.append("1 image" if len(request.images) == 1 else f"{len(request.images)} images")
    if request.chain is not None:
        how, source = request.chain
        words.append(f"{MADE[how]} of {one_line(source, 24)}")
    return tuple(words)


def maker(snapshot: JobSnapshot) -> str:
    """Return provider and model: `apiyi sora-2-pro`."""
    return " ".join(filter(None, (snapshot.provider, snapshot.request.model)))


def reason(snapshot: JobSnapshot) -> str:
    """Return why a job failed and what to do, as sentences."""
    failure = snapshot.failure
    if failure is None or not failure.message.strip():
        return "The provider gave no reason."
    words = one_line(failure.message)
    if failure.code and failure.code not in words:
        words = f"{words.rstrip('.')} ({one_line(failure.code, 80)})."
    if words[-1] not in ".!?…)":
        words += "."
    return f"{words} {one_line(failure.hint)}" if failure.hint else words


def path(snapshot: JobSnapshot) -> str:
    """Return where the file of a job is, or will be."""
    return snapshot.file.path if snapshot.file else snapshot.target


def sentence(snapshot: JobSnapshot) -> str:
    """Return the sentence for the state: the reason, what is unknown, a passing problem, or ""."""
    if snapshot.status == "failed":
        return " ".join(filter(None, (reason(snapshot), one_line(snapshot.note or ""))))
    if snapshot.status == "unknown":
        return _doubt(snapshot)
    if snapshot.status == "cancelled":
        message = snapshot.failure.message if snapshot.failure else None
        return one_line(snapshot.note or message or _only_stopped(snapshot))
    return "" if snapshot.ended or not snapshot.note else one_line(snapshot.note)


def unfinished(command: str, *, player: bool) -> str:
    """Return the sentence that is saved while a job runs, and is still true when it has ended.

    `command` shows the job; `player`: there is a player next to the sentence.
    """
    start = "This was being made when the notebook was saved."
    if not player:
        return f"{start} Run {command} to see it."
    return f"{start} If the player stays empty, run {command}."


def _doubt(snapshot: JobSnapshot) -> str:
    said = f"{one_line(snapshot.failure.message).rstrip('.')}. " if snapshot.failure else ""
    return (
        f"{said}The request may have reached {snapshot.provider}, so it is not sent again "
        f"automatically. %video resume {snapshot.id} looks for it."
    )


def _only_stopped(snapshot: JobSnapshot) -> str:
    return f"Stopped watching; {snapshot.provider} may still finish the video and bill it."


def text(
    snapshot: JobSnapshot,
    *,
    now: float | None = None,
    remaining: float | None = None,
    place: str | None = None,
) -> str:
    """Return the job as one or two plain lines, for terminals and for sites that run no scripts.

    `place` is the path shown for the file of a finished job (None: its full path).
    """
    words = (
        phase(snapshot),
        maker(snapshot),
        *settings(snapshot),
        price(snapshot),
        clock(snapshot, now, remaining),
    )
    first = f"Video {snapshot.id}: " + " · ".join(one_line(word, 120) for word in words if word)
    second = sentence(snapshot)
    if snapshot.status == "completed":
        size = f" ({amount(snapshot.file.size)})" if snapshot.file else ""
        second = one_line((place or path(snapshot)) + size)
    return f"{first}\n  {second}" if second else first


def total_cost(costs: Sequence[Decimal | float | None]) -> str:
    """Return the sum of estimates in words; unknown prices are counted, never treated as 0."""
    known = [cost for cost in costs if cost is not None]
    missing = len(costs) - len(known)
    if not known:
        return money(None)
    return money(sum(known)) + (f" and {missing} without a known price" if missing else "")
