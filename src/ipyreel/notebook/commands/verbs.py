"""Runs one line of `%video`: each verb asks the session and returns what the cell shows."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from IPython.core.error import UsageError

from ipyreel.account import refresh
from ipyreel.catalog.keys import store_key
from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.jobs.loop import wait_blocking
from ipyreel.notebook import reports
from ipyreel.notebook.commands import cells, options
from ipyreel.notebook.commands.options import VERBS
from ipyreel.notebook.commands.prompts import visible_names
from ipyreel.notebook.handles.compare import side_by_side
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.opinions import opinions_of, video_of
from ipyreel.notebook.job_list import JobList, listed, saved_sweep
from ipyreel.notebook.markup.tables import Listing, Notice, Report, Table
from ipyreel.notebook.panels.form import open_form
from ipyreel.notebook.panels.gallery import open_gallery
from ipyreel.notebook.panels.rate import open_rate
from ipyreel.notebook.panels.tiles import stars_text
from ipyreel.notebook.screen import Screen
from ipyreel.settings import TOML_NAME, did_you_mean
from ipyreel.values import Chain, JobSnapshot, VideoRequest

Words = list[str]
Said = Mapping[str, Any]


def run(screen: Screen, line: str) -> object:
    """Run one line of `%video`; raises a one-line `UsageError` or `InvalidRequest`."""
    name, _, rest = f"{line.strip()} ".partition(" ")
    if not name:
        return reports.status(screen)
    if name not in VERBS:
        near, there = did_you_mean(name, VERBS), ", ".join(VERBS)
        raise InvalidRequest(f'%video: there is no "{name}".{near} There are {there}.')
    try:
        said, words = options.parse_verb(name, rest)
    except (UsageError, VideoError):
        if name == "use" and rest.split():
            # The next cell must not fall back to another provider whose key is set.
            screen.session.chooser.failed(rest.split(maxsplit=1)[0])
        raise
    if "help" in said:
        return Notice(f"%video {VERBS[name].usage}", VERBS[name].help)
    return _RUN[name](screen, words, said)


def help_cell() -> Report:
    """Return the help of `%%video`."""
    return Table((), options.option_rows(), title=options.INTRODUCTION)


def help_line() -> Report:
    """Return the help of `%video`: one line for each verb."""
    alone = ("%video", "Show the state of the session: provider, key, jobs, money, files.")
    return Table((), [alone, *options.verb_rows()])


def _use(screen: Screen, words: Words, said: Said) -> Report:
    values, provider = dict(said), None
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            values[name] = value
        elif provider is None:
            provider = word
        else:
            screen.session.chooser.failed(provider)
            raise _unexpected("use", word)
    screen.session.use(values.pop("provider", provider), **values)
    return reports.status(screen)


def _models(screen: Screen, words: Words, said: Said) -> Report:
    session = screen.session
    wishes = dict(word.split("=", 1) for word in words if "=" in word)
    if unknown := wishes.keys() - {"seconds", "size"}:
        raise _unexpected("models", unknown.pop())
    asked = session.settings.with_values("option", **wishes)
    wish = VideoRequest(
        prompt="",
        seconds=asked.seconds if "seconds" in wishes else None,
        size=asked.size if "size" in wishes else None,
    )
    plain = [word for word in words if "=" not in word]
    named = plain[:1] if plain and plain[0] in session.catalog.providers else []
    texts, name = plain[len(named) :], named[0] if named else session.planner().choice().name
    if "refresh" in said:
        refresh(session, name)
    return reports.models(session, name, texts=texts, wish=wish)


def _jobs(screen: Screen, _words: Words, _said: Said) -> Report:
    return reports.jobs(screen.session, screen.session.in_flight(), title="Active jobs")


def _history(screen: Screen, words: Words, said: Said) -> Report:
    text, tags = options.unquoted(" ".join(words)), said.get("tag", ())
    found = screen.session.history(text, stars=said.get("rating", 0), tags=tags)
    return reports.jobs(screen.session, found, title="Newest jobs")


def _handle(screen: Screen, word: str | None) -> Job | JobList:
    """Return the job or sweep that a word names; None: the newest job.

    By id, the beginning of one, the server's id, a variable (`clip`, `$clip`, `films[0]`), or
    `{clip.id}`.
    """
    session, names = screen.session, visible_names(screen.shell)
    held = None if word is None else names.get(word)
    if word is not None and (item := re.fullmatch(r"\$?(\w+)\[(-?\d{1,4})\]", word)) is not None:
        held = names.get(item[1])
        if isinstance(held, JobList):
            if not -len(held) <= int(item[2]) < len(held):
                raise InvalidRequest(f"{word}: {item[1]} has {len(held)} jobs.")
            held = held[int(item[2])]
    if word is not None and not isinstance(held, Job | JobList):
        held = options.expand(word, names)
    if isinstance(held, Job | JobList):
        return held
    sweep = session.store.sweep(str(held)) if held is not None else None
    if sweep is not None:
        return saved_sweep(screen, sweep)
    return screen.job(session.find(None if held is None else str(held)).id)


def _one(screen: Screen, word: str) -> JobSnapshot:
    """Return the one job that a word names; raises `InvalidRequest` for a list of several."""
    found = _handle(screen, word)
    jobs = found.snapshots if isinstance(found, JobList) else [found.snapshot]
    if len(jobs) != 1:
        some = ", ".join(job.id for job in jobs[:3])
        raise InvalidRequest(f"{word} has {len(jobs)} jobs ({some} ...); name one of them.")
    return jobs[0]


def _show(screen: Screen, words: Words, _said: Said) -> object:
    found = _handle(screen, words[0] if words else None)
    # At once, and not as the value: the line may be anywhere in a cell.
    if isinstance(found, JobList):
        screen.show_all(found)
    else:
        screen.show(found)
    return found


def _cancel(screen: Screen, words: Words, _said: Said) -> Report:
    found = _handle(screen, words[0])
    name = f"{found.id}: " if isinstance(found, Job) else ""
    return Notice(f"{name}{found.cancel()}")


def _delete(screen: Screen, words: Words, _said: Said) -> Report:
    job = _one(screen, words[0])
    return Notice(f"{job.id}: {wait_blocking(screen.session.delete(job.id))}")


def _chain(how: Chain) -> Callable[[Screen, Words, Said], object]:
    """Return the verb that makes a video of a finished one."""

    def run_chain(screen: Screen, words: Words, said: Said) -> object:
        source, prompt = _one(screen, words[0]), options.unquoted(" ".join(words[1:]))
        if not prompt:
            raise InvalidRequest(f"%video {how}: the prompt is empty: %video {VERBS[how].usage}")
        plan = screen.session.chain(source, how, prompt, seconds=said.get("seconds"))
        limit: Any = said.get("max_cost")
        if "dry_run" in said:
            return Listing(*cells.dry_run(screen, plan, cost=plan.estimate.usd, max_cost=limit))
        (new,) = screen.session.submit(plan, max_cost=limit)
        job = screen.job(new.id)
        with cells.said_when_stopped([job]):
            cells.show(screen, job, wait="wait" in said)
        return job

    return run_chain


def _compare(screen: Screen, words: Words, _said: Said) -> object:
    jobs = (_handle(screen, word) for word in words)
    flat = [one for job in jobs for one in (job if isinstance(job, JobList) else [job])]
    return side_by_side([job.video or job.snapshot for job in flat])


def _rate(screen: Screen, words: Words, said: Said) -> object:
    if len(words) == 1:
        if said:
            raise InvalidRequest("%video rate: --tag and --as need a number of stars.")
        return open_rate(screen, _handle(screen, words[0]))
    job, found = _one(screen, words[0]), opinions_of(screen.session)
    if not re.fullmatch(r"[0-5]", words[1]):
        raise InvalidRequest(f"%video rate: {words[1]!r} is not 1 to 5 stars.")
    stars, who = int(words[1]), said.get("as")
    if not stars:
        found.forget(video_of(job), who=who)
        return Notice(f"{job.id}: the rating was removed.")
    note = options.unquoted(" ".join(words[2:]))
    rating = found.rate(video_of(job), stars=stars, note=note, tags=said.get("tag", ()), who=who)
    return Notice(f"{job.id}: {stars_text(stars)} by {rating.who}.")


def _vote(screen: Screen, words: Words, said: Said) -> Report:
    found, who = opinions_of(screen.session), said.get("as")
    if "undo" in said:
        gone = found.undo(who=who)
        return Notice("The last vote was removed." if gone else "There is no vote to remove.")
    if len(words) != 2:  # noqa: PLR2004 - the better and the worse
        raise InvalidRequest(f"%video vote: name two jobs: %video {VERBS['vote'].usage}")
    better, worse = (_one(screen, word) for word in words)
    tie = "tie" in said
    vote = found.vote(video_of(better), video_of(worse), "tie" if tie else "left", who=who)
    sign = "=" if tie else ">"
    return Notice(f"{better.id} {sign} {worse.id}, by {vote.who}.")


def _judge(screen: Screen, words: Words, said: Said) -> object:
    return _several(screen, "judge", words[0]).judge(said.get("votes", 20), who=said.get("as"))


def _results(screen: Screen, words: Words, _said: Said) -> Report:
    return _several(screen, "results", words[0]).results()


def _rerun(screen: Screen, words: Words, said: Said) -> object:
    return _several(screen, "rerun", words[0]).rerun(max_cost=said.get("max_cost"))


def _several(screen: Screen, verb: str, word: str) -> JobList:
    found = _handle(screen, word)
    if not isinstance(found, JobList):
        raise InvalidRequest(f"%video {verb}: {word} is one job; name a sweep.")
    return found


def _resume(screen: Screen, words: Words, said: Said) -> Report:
    session, provider = screen.session, said.get("provider")
    word = words[0] if words else None
    names = visible_names(screen.shell)
    known = isinstance(names.get(re.split(r"\[", word or "")[0]), Job | JobList)
    if known or (word or "").startswith(("$", "{")):
        word = _handle(screen, word).id
    output = None if "output" not in said else Path(said["output"]).expanduser()
    if provider is not None and word is not None:
        resumed = [session.adopt(word, provider=provider)]
    else:
        remote_id = words[1] if len(words) > 1 else None
        resumed = session.resume(word, remote_id=remote_id, take="take" in said, output=output)
    if not resumed:
        return Notice("Nothing to resume: no job is active from an earlier kernel.")
    _show_taken(screen, [one.job for one in resumed if one.taken])
    return Notice(*(one.sentence for one in resumed))


def _show_taken(screen: Screen, taken: Sequence[JobSnapshot]) -> None:
    """Show jobs of a sweep in the grid of that sweep, and the others one by one."""
    store = screen.session.store
    of = store.sweeps_of([job.id for job in taken])
    for sweep_id in dict.fromkeys(of.values()):
        sweep = store.sweep(sweep_id)
        if sweep is not None:
            screen.show_all(saved_sweep(screen, sweep))
    alone = [job for job in taken if job.id not in of]
    if len(alone) > 1:
        screen.show_all(listed(screen, alone))
    elif alone:
        screen.show(screen.job(alone[0].id))


def _wait(screen: Screen, words: Words, _said: Said) -> Report:
    ids = [job.id for job in screen.session.manager.active()]
    if words:
        found = _handle(screen, words[0])
        ids = list(found.ids) if isinstance(found, JobList) else [found.id]
    return wait_for(screen, ids)


def wait_for(screen: Screen, job_ids: Iterable[str]) -> Report:
    """Block until all these jobs have ended here, update their cards, and return a summary.

    Raises the first error among them, after all have ended, and `VideoError` if the wait is
    interrupted.
    """
    errors, done = list[VideoError](), 0
    jobs = [screen.job(job_id) for job_id in job_ids]
    with cells.said_when_stopped(jobs):
        for job in jobs:
            wait_blocking(screen.session.future(job.id))
            screen.settle(job)
            try:
                job.wait()
            except VideoError as error:
                errors.append(error)
            else:
                done += 1
    if errors:
        raise errors[0]
    return Notice(f"{done} done." if done else "Nothing to wait for.")


def _key(screen: Screen, words: Words, said: Said) -> Report:
    row = screen.session.catalog.provider(words[0])
    try:
        text = getpass.getpass(f"Key for {row.title}: ")
    except EOFError:
        return Notice("No key was typed.")
    screen.session.remember_key(row.name, text)
    if "keep" in said:
        store_key(row.name, text)
        return Notice(f"The key for {row.name} is stored in the keyring.")
    return Notice(
        f"The key for {row.name} is kept in memory until this kernel ends; "
        f"%video key {row.name} --keep stores it in the keyring."
    )


def _trust(screen: Screen, words: Words, _said: Said) -> Report:
    folder = Path(words[0]).expanduser() if words else screen.session.settings.cwd
    changes = screen.session.trust(folder)
    path = screen.place(folder / TOML_NAME)
    if not changes:
        return Notice(f"{path} needs no approval.")
    return Listing(f"Approved until one of these lines changes, in {path}:", *changes)


def _unexpected(verb: str, word: str) -> InvalidRequest:
    return InvalidRequest(f"%video {verb}: unexpected {word}: %video {VERBS[verb].usage}")


_RUN: Mapping[str, Callable[[Screen, Words, Said], object]] = MappingProxyType(
    {
        "use": _use,
        "providers": lambda screen, _words, _said: reports.providers(screen.session),
        "models": _models,
        "jobs": _jobs,
        "history": _history,
        "cost": lambda screen, words, _said: reports.cost(screen.session, words),
        "balance": lambda screen, words, _said: reports.balance(screen.session, *words),
        "show": _show,
        "wait": _wait,
        "resume": _resume,
        "cancel": _cancel,
        "delete": _delete,
        "remix": _chain("remix"),
        "edit": _chain("edit"),
        "extend": _chain("extend"),
        "compare": _compare,
        "rate": _rate,
        "vote": _vote,
        "judge": _judge,
        "results": _results,
        "rerun": _rerun,
        "form": lambda screen, _words, _said: open_form(screen),
        "gallery": lambda screen, words, _: open_gallery(screen, options.unquoted(" ".join(words))),
        "key": _key,
        "trust": _trust,
        "doctor": lambda screen, words, _said: reports.doctor(screen, *words[:1]),
    }
)
