"""Checks a provider and the folders at no cost, and says what to do (`%video doctor`)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ipyreel.account import ask, balance, balance_text
from ipyreel.catalog import Provider
from ipyreel.catalog.choice import FALLBACK, base_url_of
from ipyreel.client import VideoClient
from ipyreel.errors import JobNotFound, TransportError, VideoError
from ipyreel.jobs.network import promise
from ipyreel.session import Session
from ipyreel.wire.urls import join_base, strip_query

NOBODY = "ipyreel-doctor"
"""An id that no server knows: a working server answers "not found"."""

DEMO_NEEDS = ("av", "numpy", "PIL", "starlette", "uvicorn", "multipart")
SHOWN = 6
"""How many names of a longer list of models are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check; `ok` None: neither good nor bad."""

    name: str
    ok: bool | None
    text: str
    advice: str = ""


def examine(session: Session, name: str, place: Callable[[Path], str] = str) -> list[Check]:
    """Check a provider's key, address and answer, and the folders for the library and videos.

    `place` formats the path of a folder.
    """
    row = session.catalog.provider(name)
    checks = [*_settings(session), _key(session, row), _address(session, row)]
    if row.name == FALLBACK:
        packages = _demo_packages()
        checks = [*_settings(session), packages, *([_captions()] if packages.ok else [])]
    if all(one.ok is not False for one in checks):
        checks.append(_answer(session, row))
        checks += [*_models(session, row), *_balance(session, row)] if checks[-1].ok else []
    checks.append(_folder("library", session.settings.home, place))
    if shared := promise(session.store.path):
        advice = "a local folder (IPYREEL_HOME) is faster and safer"
        checks.append(Check(name="library's disk", ok=None, text=shared, advice=advice))
    checks.append(_folder("videos", session.settings.videos_dir, place))
    return checks


def _settings(session: Session) -> list[Check]:
    """Report settings that could not be read: without them nothing is sent."""
    problem = session.problem
    if problem is None:
        return []
    return [Check(name="settings", ok=False, text=problem.message, advice="correct that line")]


def _key(session: Session, row: Provider) -> Check:
    where = session.keys.where(row)
    if where is not None:
        return Check(name="key", ok=True, text=f"set ({where})")
    if not row.needs_key:
        return Check(name="key", ok=None, text="not set; this provider may not need one")
    variables = " or ".join(row.key_vars)
    advice = f"set {variables} or type %video key {row.name}"
    return Check(name="key", ok=False, text="not set", advice=advice)


def _address(session: Session, row: Provider) -> Check:
    url = base_url_of(row, session.keys.environ)
    if url is not None:
        asked = strip_query(join_base(url, "/videos"))
        return Check(name="address", ok=True, text=f"{strip_query(url)} (asked: {asked})")
    advice = row.note or f"%video use {row.name} base_url=https://..."
    return Check(name="address", ok=False, text="not set", advice=advice)


def _demo_packages() -> Check:
    missing = [name for name in DEMO_NEEDS if importlib.util.find_spec(name) is None]
    if not missing:
        return Check(name="demo packages", ok=True, text="all installed")
    text = f"missing: {', '.join(missing)}"
    return Check(name="demo packages", ok=False, text=text, advice='pip install "ipyreel[demo]"')


def _captions() -> Check:
    """Report the fonts for the captions of the demo's videos; it works without them, too."""
    from ipyreel.demo.art.caption import missing_scripts  # noqa: PLC0415 - an extra

    missing = missing_scripts()
    if not missing:
        return Check(name="demo captions", ok=True, text="fonts for Chinese, Japanese and Korean")
    advice = (
        "install a font such as Noto Sans CJK or WenQuanYi (apt-get install fonts-wqy-microhei)"
    )
    text = f"no font for {', '.join(missing)}"
    return Check(name="demo captions", ok=None, text=text, advice=advice)


def _answer(session: Session, row: Provider) -> Check:
    try:
        text = ask(session, row.name, partial(_tries, row))
        return Check(name="answer", ok=True, text=text)
    except TransportError as error:
        # Its own hint is to run the doctor.
        advice = f"is the server running? %video use {row.name} base_url=... changes the address"
        return Check(name="answer", ok=False, text=error.message, advice=advice)
    except VideoError as error:
        return Check(name="answer", ok=False, text=error.message, advice=error.hint or "")


async def _tries(row: Provider, client: VideoClient) -> str:
    if "list" in row.routes:
        page = await client.list(limit=1)
        return "lists its jobs" if page.jobs else "lists its jobs (none yet)"
    try:
        await client.retrieve(NOBODY)
    except JobNotFound:
        return "answers, and accepts the key" if row.needs_key else "answers"
    return "answers, but reports a job for an unknown id"


def _models(session: Session, row: Provider) -> list[Check]:
    """Compare the configured model names with those the server lists, if it does."""
    wanted = dict.fromkeys(filter(None, (session.settings.model or row.default_model, *row.models)))
    try:
        listed = ask(session, row.name, VideoClient.models)
    except VideoError:
        # Few servers list their models; a missing list is not an error.
        return []
    if not listed:
        return []
    some = ", ".join(listed[:SHOWN]) + (" ..." if len(listed) > SHOWN else "")
    missing = [name for name in wanted if name not in listed]
    if not missing:
        return [Check(name="models", ok=True, text=f"lists {some}")]
    text = f"does not list {', '.join(missing)}"
    return [Check(name="models", ok=False, text=text, advice=f"it lists {some}")]


def _balance(session: Session, row: Provider) -> list[Check]:
    """Report the balance of the key, if the provider has a route for it."""
    try:
        left = balance(session, row.name)
    except VideoError as error:
        return [Check(name="balance", ok=None, text=f"not known: {error.message}")]
    if left is None:
        return []
    spent = left.left is not None and left.left <= 0
    advice = f"add credit at {row.site}" if spent else ""
    return [Check(name="balance", ok=not spent, text=balance_text(left), advice=advice)]


def _folder(name: str, folder: Path, place: Callable[[Path], str]) -> Check:
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return Check(name=name, ok=True, text=place(folder))
    advice = "set IPYREEL_HOME" if name == "library" else "%video use videos=FOLDER"
    return Check(name=name, ok=False, text=f"{place(folder)} is not writable", advice=advice)
