"""What the verbs print: the session's state, providers, models, jobs, costs, the doctor's list."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from ipyreel import account
from ipyreel.account import balance_text
from ipyreel.catalog import Model, Price, Provider
from ipyreel.catalog.checks import takes
from ipyreel.doctor import Check, examine
from ipyreel.errors import ConfigError, InvalidRequest, VideoError
from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.tables import Notice, Report, Table
from ipyreel.notebook.screen import Screen
from ipyreel.session import Session
from ipyreel.values import JobSnapshot, Json, VideoRequest

_LONGEST = 60
"""Characters of a path that fit in a table."""


def status(screen: Screen) -> Report:
    """Return the session's state: provider and why, key, defaults, jobs, money, files."""
    session = screen.session
    choice = session.planner().choice()
    row = session.catalog.provider(choice.name)
    own, stranded = session.manager.active(), session.stranded()
    lines = {
        "provider": f"{row.name} ({choice.why})",
        "key": key_state(session, row),
        "defaults": _defaults(session, row),
        "jobs": _in_flight(own, stranded),
        "spent": _spent(session),
        "videos": screen.place(session.settings.videos_dir),
        "library": screen.place(session.store.path),
    }
    notes = [
        *choice.notes,
        *([str(choice.problem)] if choice.problem else []),
        *session.address_notes(row),
        *session.trusted.notes,
        *filter(None, [session.store.notice]),
    ]
    if stranded:
        names = ", ".join(job.id for job in stranded[:8])
        notes.append(f"Not worked on in this kernel: {names}. %video resume continues them.")
    return Table((), lines.items(), note="\n".join(notes))


def key_state(session: Session, row: Provider) -> str:
    """Return whether the provider's key is set and where it comes from; never the key."""
    where = session.keys.where(row)
    if where is not None:
        return f"set ({where})"
    if not row.needs_key:
        return "not needed"
    return f"not set ({' or '.join(row.key_vars) or f'%video key {row.name}'})"


def providers(session: Session) -> Report:
    """Return the table of providers with key, address, and where the row came from."""
    answering = session.planner().choice().name
    rows = [
        (
            "→" if row.name == answering else "",
            row.name,
            row.title,
            key_state(session, row),
            row.base_url or _no_address(row),
            row.dialect,
            _origin(session, row),
        )
        for row in session.catalog.providers.values()
    ]
    columns = ("", "provider", "what it is", "key", "address", "dialect", "row from")
    return Table(columns, rows, title="Providers", note="%video use PROVIDER chooses one.")


def _origin(session: Session, row: Provider) -> str:
    """Return where a row came from: the notebook's own file by its name, others by their path."""
    path = Path(row.origin)
    if path.parent == session.settings.cwd:
        return path.name
    # The end of a long path is more useful than its beginning.
    return row.origin if len(row.origin) <= _LONGEST else f"…{row.origin[1 - _LONGEST :]}"


def models(
    session: Session,
    name: str,
    *,
    texts: Sequence[str] = (),
    wish: VideoRequest | None = None,
) -> Report:
    """Return the table of a provider's models with seconds, sizes, images and price.

    Only those with all `texts` in their name, title or family that accept `wish`. The last
    column shows how old the facts are.
    """
    found = [
        (row, model)
        for row, model in session.models(name)
        if _named(model, texts) and (wish is None or takes(wish, row, model))
    ]
    rows = [
        (
            model.name,
            _seconds(model, row),
            ", ".join(model.sizes_at(row)) or "any",
            _images(model),
            _price(model, row),
            _remark(model),
            _as_of(model, session.clock()),
        )
        for row, model in sorted(found, key=lambda pair: not pair[1].listed)
    ]
    columns = ("model", "seconds", "sizes", "images", "price", "", "as of")
    note = "You can also use a model that is not listed."
    if name not in session.catalog.offers:
        note += f" %video models {name} --refresh asks the provider."
    return Table(columns, rows, title=f"Models of {name}", note=note)


def _named(model: Model, texts: Sequence[str]) -> bool:
    words = f"{model.name} {model.title} {model.family}".lower()
    return all(text.lower() in words for text in texts)


def jobs(session: Session, found: Iterable[JobSnapshot], *, title: str) -> Report:
    """Return the table of jobs with state, provider, model, age, cost and prompt."""
    now, found = session.clock(), list(found)
    of = session.store.sweeps_of([job.id for job in found])
    rows = [
        (
            job.id,
            *([of.get(job.id, "")] if of else []),
            job_text.phase(job),
            job.provider,
            job.request.model or "",
            _when(job.created_at, now),
            job_text.money(job.cost if job.cost is not None else job.estimate),
            job_text.one_line(job.request.prompt, 60),
        )
        for job in found
    ]
    if not rows:
        return Notice(f"{title}: none.")
    columns = ("id", *(["sweep"] if of else []), "state", "provider", "model", "created", "cost")
    note = "%video show ID shows one of them" + (", or a whole sweep." if of else ".")
    return Table((*columns, "prompt"), rows, title=title, note=note)


BY = ("day", "provider", "model")
"""What costs can be summed up by."""


def cost_rows(session: Session, by: Sequence[str]) -> list[dict[str, Json]]:
    """Return what was spent, summed up by any of day, provider and model (none: all three)."""
    by = tuple(by) or BY
    for word in by:
        if word not in BY:
            raise InvalidRequest(f"cost {word}: costs are summed up by {', '.join(BY)}.")
    sums: dict[tuple[str, ...], tuple[int, Decimal, int]] = {}
    for *names, count, usd, unpriced in session.store.costs():
        key = tuple(str(names[BY.index(word)]) for word in by)
        had = sums.get(key, (0, Decimal(0), 0))
        sums[key] = (had[0] + count, had[1] + usd, had[2] + unpriced)
    return [
        {
            **dict(zip(by, key, strict=True)),
            "jobs": count,
            "usd": float(usd),
            "unpriced": unpriced,
        }
        for key, (count, usd, unpriced) in sums.items()
    ]


def cost(session: Session, by: Sequence[str]) -> Report:
    """Return the table of what was spent, with the total."""
    rows = cost_rows(session, by)
    if not rows:
        return Notice("Nothing spent: no job was sent yet.")
    names = [name for name in rows[0] if name in BY]
    table = [(*(row[name] for name in names), row["jobs"], _sum([row])) for row in rows]
    table.append(("total", *[""] * (len(names) - 1), sum(row["jobs"] for row in rows), _sum(rows)))
    note = "Costs as servers reported them, else estimates; failed jobs count as free."
    return Table((*names, "jobs", "cost"), table, right=("jobs", "cost"), title="Spent", note=note)


def _sum(rows: Sequence[Mapping[str, Json]]) -> str:
    text = job_text.dollars(sum(row["usd"] for row in rows))
    unpriced = sum(row["unpriced"] for row in rows)
    return f"{text} and {unpriced} without a known price" if unpriced else text


def balance(session: Session, provider: str | None = None) -> Report:
    """Return the balance of a provider's key (None: the provider that would be used)."""
    name = provider or session.planner().choice().name
    left = account.balance(session, name)
    if left is None:
        title = session.catalog.provider(name).title
        raise InvalidRequest(f"{title} has no route for the balance.")
    return Notice(f"{name}: {balance_text(left)}.")


def doctor(screen: Screen, provider: str | None = None) -> Report:
    """Check the setup here and at the provider, and say what to do."""
    session, name = screen.session, provider or ""
    if provider is not None and session.problem is None:
        session.catalog.provider(provider)  # an unknown provider is an error, not a check
    try:
        name = name or session.planner().choice().name
        checks = examine(session, name, screen.place)
    except ConfigError as error:
        advice = error.hint or "correct it"
        checks = [Check(name="settings", ok=False, text=error.message, advice=advice)]
    except VideoError as error:
        checks = [Check(name=name, ok=False, text=error.message, advice=error.hint or "")]
    return _checked(
        [*checks, *_front_end(screen.host, screen.check_links())], f"Doctor: {name}".rstrip(": ")
    )


def _checked(checks: Sequence[Check], title: str) -> Report:
    rows = [(_mark(one.ok) if one.name else "", one.name, one.text, one.advice) for one in checks]
    # Nothing is cut: the advice is the longest text, and the most important one.
    return Table(("", "what", "found", "what to do"), rows, title=title, widest=None)


def _front_end(
    host: FrontEnd, links: tuple[bool | None, str] = (None, "not checked")
) -> list[Check]:
    path = "videos are embedded in the notebook instead" if host.embeds else "open the file itself"
    abilities = {
        "live widgets": (host.widgets, "%video wait blocks until the videos are ready"),
        "updates after the cell": (host.front_end, "cells wait for their videos by themselves"),
        "updates from threads": (host.threads_deliver, 'pip install "ipykernel>=7.1"'),
    }
    found = [
        Check(name=name, ok=None if not able else True, text=_yes(able), advice="" if able else do)
        for name, (able, do) in abilities.items()
    ]
    works, text = links
    advice = "" if works or (works is None and host.links) else path
    found.insert(1, Check(name="linked files", ok=works or None, text=text, advice=advice))
    # One row for each reason: a narrow column would cut them.
    because = [Check(name="", ok=None, text=reason) for reason in host.reasons]
    return [Check(name="front end", ok=True, text=host.kind), *because, *found]


def _yes(able: bool) -> str:  # noqa: FBT001 - a word for a yes or no
    return "yes" if able else "no"


def _mark(ok: bool | None) -> str:  # noqa: FBT001 - a sign for a yes or no
    return {True: "✓", False: "✗", None: "–"}[ok]


def _defaults(session: Session, row: Provider) -> str:
    settings = session.settings
    said = [settings.model or row.default_model, settings.size]
    said.append(f"{settings.seconds:g} s" if settings.seconds is not None else None)
    return " · ".join(filter(None, said)) or "none; the provider decides"


def _in_flight(own: list[JobSnapshot], stranded: list[JobSnapshot]) -> str:
    if not own and not stranded:
        return "none active"
    parts = [f"{len(own)} active here"]
    if stranded:
        parts.append(f"{len(stranded)} not worked on here")
    return ", ".join(parts)


def _spent(session: Session) -> str:
    money = session.spent()
    text = f"{job_text.dollars(money.usd)} in this session"
    if money.reserved:
        text += f" ({job_text.dollars(money.reserved)} of it reserved for active jobs)"
    if money.unpriced:
        text += f", and {money.unpriced} without a known price"
    left = session.budget_left()
    return text if left is None else f"{text}; {job_text.dollars(left)} of the budget left"


def _no_address(row: Provider) -> str:
    return "starts by itself" if row.free else f"set {' or '.join(row.base_url_vars) or 'base_url'}"


def _seconds(model: Model, row: Provider) -> str:
    listed = model.seconds_at(row)
    if listed is not None:
        return ", ".join(f"{one:g}" for one in listed)
    if model.seconds_range is not None:
        least, most = model.seconds_range
        return f"{least:g} to {most:g}"
    return "any"


def _images(model: Model) -> str:
    if model.images is None:
        return "not known"
    least, most = model.images
    return str(most) if least == most else f"{least} to {most}"


def _price(model: Model, row: Provider) -> str:
    if row.free:
        return "free"
    own = [price for price in model.prices if price.provider in row.kinds]
    listed = own or [price for price in model.prices if price.provider is None]
    known, said = _prices(listed), _prices(model.offered_prices)
    if said and said != known:
        known = f"{known or 'no price known'} (the provider says {said})"
    return known or "no price known"


def _prices(prices: Iterable[Price]) -> str:
    return "; ".join(dict.fromkeys(map(_one_price, prices)))


def _remark(model: Model) -> str:
    gone = f"shut down on {model.ended}" if model.ended else ""
    return ", ".join(filter(None, (gone, "" if model.listed else "not listed by the provider")))


def _as_of(model: Model, now: float) -> str:
    """Return how old the facts of a row are: from the catalog, and from the provider."""
    parts = [f"{model.checked}{_days(model.checked, now)}"] if model.checked else []
    if model.asked and model.listed:
        parts.append(f"provider: {model.asked}{_days(model.asked, now)}")
    return ", ".join(parts)


def _days(day: str, now: float) -> str:
    try:
        days = int((now - time.mktime(time.strptime(day, "%Y-%m-%d"))) // 86400)
    except (ValueError, OverflowError):
        return ""
    return " (today)" if days <= 0 else f" ({days} day{'s' if days > 1 else ''})"


def _one_price(price: Price) -> str:
    if price.usd_per_second is not None:
        text = f"{job_text.dollars(price.usd_per_second)}/s"
    else:
        text = f"{job_text.dollars(price.usd_per_video or 0)} a video"
    return f"{text} ({', '.join(price.sizes)})" if price.sizes else text


def _when(moment: float, now: float) -> str:
    if now - moment < 3600:  # noqa: PLR2004 - within the hour the age says more
        return f"{job_text.elapsed(now - moment)} ago"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
