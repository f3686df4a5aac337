"""The verbs of `%video`: each reads its words and asks the session.

May import `session` and its own room. What a verb returns is the value of the cell.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ipyreel.errors import InvalidRequest
from ipyreel.jobs.loop import wait_blocking
from ipyreel.notebook import api, reports
from ipyreel.notebook.commands import chains
from ipyreel.notebook.handles.compare import side_by_side
from ipyreel.notebook.handles.export import info_of
from ipyreel.notebook.markup.tables import Notice, Report
from ipyreel.notebook.panels.form import open_form
from ipyreel.notebook.panels.gallery import open_gallery
from ipyreel.notebook.screen import Screen
from ipyreel.settings import did_you_mean
from ipyreel.values import JobSnapshot, VideoRequest

Result = object
Words = list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb: what it does, how it is typed, and one line of help."""

    run: Callable[[Screen, Words], Result]
    usage: str
    help: str


def run(screen: Screen, line: str) -> Result:
    """Run one line of `%video`; raises `InvalidRequest` with what is allowed."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise InvalidRequest(f"%video: {error} in: {line}") from error
    if not words:
        return reports.status(screen)
    name, *rest = words
    if name in {"-h", "--help", "help"}:
        return Notice(help_text())
    verb = VERBS.get(name)
    if verb is None:
        near, there = did_you_mean(name, VERBS), ", ".join(VERBS)
        raise InvalidRequest(f'%video: there is no "{name}".{near} There are {there}.')
    if set(rest) & {"-h", "--help"}:
        return Notice(f"%video {verb.usage}\n{verb.help}")
    return verb.run(screen, rest)


def help_text() -> str:
    """Return one line for each verb."""
    width = max(len(verb.usage) for verb in VERBS.values())
    lines = [f"%video {verb.usage:<{width}}  {verb.help}" for verb in VERBS.values()]
    return "\n".join([f"%video {'':<{width}}  Say where things stand.", *lines])


def _use(screen: Screen, words: Words) -> Report:
    provider, values = None, dict[str, Any]()
    rest = iter(words)
    for word in rest:
        if word in {"-m", "--model"}:
            values["model"] = next(rest, None)
        elif "=" in word:
            name, _, value = word.partition("=")
            values[name] = value
        elif provider is None and not word.startswith("-"):
            provider = word
        else:
            raise _unexpected("use", word)
    screen.session.use(provider, **values)
    return reports.status(screen)


def _providers(screen: Screen, words: Words) -> Report:
    _none_of(words, "providers")
    return reports.providers(screen.session)


def _models(screen: Screen, words: Words) -> Report:
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
    texts = plain[len(named) :]
    return reports.models(session, named[0] if named else None, texts=texts, wish=wish)


def _jobs(screen: Screen, words: Words) -> Report:
    _none_of(words, "jobs")
    return reports.jobs(screen.session, screen.session.in_flight(), title="Jobs in flight")


def _history(screen: Screen, words: Words) -> Report:
    found = screen.session.history(" ".join(words))
    return reports.jobs(screen.session, found, title="The newest jobs")


def _cost(screen: Screen, words: Words) -> Report:
    return reports.cost(screen.session, words)


def _show(screen: Screen, words: Words) -> Result:
    word = _at_most_one(words, "show")
    sweep = screen.session.store.sweep(word) if word is not None else None
    return screen.job(screen.session.find(word).id) if sweep is None else screen.saved_sweep(sweep)


def _cancel(screen: Screen, words: Words) -> Report:
    job = screen.job(_one(screen, words, "cancel"))
    return Notice(f"{job.id}: {job.cancel()}")


def _delete(screen: Screen, words: Words) -> Report:
    job_id = _one(screen, words, "delete")
    return Notice(f"{job_id}: {wait_blocking(screen.session.delete(job_id))}")


def _remix(screen: Screen, words: Words) -> Result:
    return chains.run(screen, "remix", words)


def _edit(screen: Screen, words: Words) -> Result:
    return chains.run(screen, "edit", words)


def _extend(screen: Screen, words: Words) -> Result:
    return chains.run(screen, "extend", words)


def _compare(screen: Screen, words: Words) -> Result:
    return side_by_side(screen, [screen.session.find(word) for word in words])


def _form(screen: Screen, words: Words) -> Result:
    _none_of(words, "form")
    return open_form(screen)


def _gallery(screen: Screen, words: Words) -> Result:
    return open_gallery(screen, " ".join(words))


def _resume(screen: Screen, words: Words) -> Report | None:
    provider, rest = None, list(words)
    for flag in ("-p", "--provider"):
        if flag in rest:
            at = rest.index(flag)
            provider = next(iter(rest[at + 1 : at + 2]), None)
            del rest[at : at + 2]
    word = _at_most_one(rest, "resume")
    if provider is not None and word is not None:
        resumed = [screen.session.adopt(word, provider=provider)]
    else:
        resumed = screen.session.resume(word)
    if not resumed:
        return Notice("Nothing to resume: no job is in flight from an earlier kernel.")
    _show_taken(screen, [one.job for one in resumed if one.taken])
    return Notice(*(one.sentence for one in resumed))


def _show_taken(screen: Screen, taken: Sequence[JobSnapshot]) -> None:
    """Show jobs in the grids of their sweeps, beside what was done before; others as they are."""
    store = screen.session.store
    of = store.sweeps_of([job.id for job in taken])
    for sweep_id in dict.fromkeys(of.values()):
        sweep = store.sweep(sweep_id)
        if sweep is not None:
            screen.show_all(screen.saved_sweep(sweep))
    alone = [job for job in taken if job.id not in of]
    if len(alone) > 1:
        screen.show_all(screen.jobs((job.id for job in alone), info_of(alone)))
    elif alone:
        screen.show(screen.job(alone[0].id))


def _wait(screen: Screen, words: Words) -> Report:
    word = _at_most_one(words, "wait")
    ids = [job.id for job in screen.session.manager.active()]
    if word is not None:
        ids = [screen.session.find(word).id]
    return api.wait_for(screen, ids)


def _key(screen: Screen, words: Words) -> Report:
    name = _at_most_one(words, "key")
    if name is None:
        raise InvalidRequest("%video key: name the provider: %video key PROVIDER")
    return api.ask_key(screen, name)


def _doctor(screen: Screen, words: Words) -> Report:
    return reports.doctor(screen, _at_most_one(words, "doctor"))


def _one(screen: Screen, words: Words, verb: str) -> str:
    if len(words) != 1:
        raise InvalidRequest(f"%video {verb}: name one job: %video {verb} ID")
    return screen.session.find(words[0]).id


def _at_most_one(words: Words, verb: str) -> str | None:
    if len(words) > 1:
        raise _unexpected(verb, words[1])
    return words[0] if words else None


def _none_of(words: Words, verb: str) -> None:
    if words:
        raise _unexpected(verb, words[0])


def _unexpected(verb: str, word: str) -> InvalidRequest:
    return InvalidRequest(f"%video {verb}: did not expect {word}: %video {VERBS[verb].usage}")


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "use": Verb(
            run=_use,
            usage="use PROVIDER [-m MODEL] [option=value ...]",
            help="Set defaults for this session; base_url=... moves the provider.",
        ),
        "providers": Verb(
            run=_providers, usage="providers", help="Who can answer, and what is missing."
        ),
        "models": Verb(
            run=_models,
            usage="models [PROVIDER] [TEXT] [seconds=N] [size=WxH]",
            help="Sizes, seconds and prices of those that fit.",
        ),
        "jobs": Verb(run=_jobs, usage="jobs", help="The jobs in flight."),
        "history": Verb(
            run=_history, usage="history [TEXT]", help="The newest jobs, or those with TEXT."
        ),
        "cost": Verb(
            run=_cost,
            usage="cost [day] [provider] [model]",
            help="What was spent, added up by these (all three if none is named).",
        ),
        "show": Verb(
            run=_show, usage="show [ID]", help="A job's card or video, or a sweep's grid, here."
        ),
        "wait": Verb(run=_wait, usage="wait [ID]", help="Block until the jobs have ended."),
        "resume": Verb(
            run=_resume,
            usage="resume [ID] [-p PROVIDER]",
            help="Go on with jobs of an earlier kernel, or with a server's own ID.",
        ),
        "cancel": Verb(run=_cancel, usage="cancel ID", help="Stop a job; says what was done."),
        "delete": Verb(
            run=_delete,
            usage="delete ID",
            help="Delete a job at its provider and here; its file stays.",
        ),
        "remix": Verb(
            run=_remix,
            usage=chains.usage("remix"),
            help="A new video by the idea of a finished one; --max-cost, --wait, --dry-run.",
        ),
        "edit": Verb(
            run=_edit,
            usage=chains.usage("edit"),
            help="The same video with changes; --max-cost, --wait, --dry-run.",
        ),
        "extend": Verb(
            run=_extend,
            usage=chains.usage("extend"),
            help="A longer one, on from the end; --max-cost, --wait, --dry-run.",
        ),
        "compare": Verb(
            run=_compare, usage="compare ID ID ...", help="Two to six videos, playing in step."
        ),
        "form": Verb(
            run=_form, usage="form", help="Fields to fill in, with the price as you type."
        ),
        "gallery": Verb(
            run=_gallery, usage="gallery [TEXT]", help="The library as pictures, to search and use."
        ),
        "key": Verb(run=_key, usage="key PROVIDER", help="Type a key; it is kept in memory only."),
        "doctor": Verb(
            run=_doctor, usage="doctor [PROVIDER]", help="Check what is needed, say what to do."
        ),
    }
)
"""Every verb by its name, in the order of the help."""
