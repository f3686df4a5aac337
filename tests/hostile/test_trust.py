"""Attacks by the `ipyreel.toml` of a folder: it moves no key, no limit, no path and no choice."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.session import Session
from ipyreel.settings import READERS
from ipyreel.values import VideoRequest
from tests.hostile.conftest import KEYS, found_in
from tests.support.demo import running_demo

EVIL = "https://evil.invalid/v1"
HERE = "http://127.0.0.1:9/v1"
BOAT = VideoRequest(prompt="a boat")


@pytest.fixture(autouse=True)
def _victim(monkeypatch):
    """Trust no folder, and have keys."""
    monkeypatch.delenv("IPYREEL_TRUST")
    monkeypatch.setenv("APIYI_API_KEY", KEYS["sk"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["aws"])
    monkeypatch.setenv("OPENAI_API_KEY", KEYS["hex"])
    monkeypatch.setenv("OPENAI_BASE_URL", "https://openai-like.invalid/v1")


@pytest.fixture
def opened():
    """Return a function that opens a session in the working directory, beside this file."""
    sessions = []

    def open_session(text=None):
        if text is not None:
            Path("ipyreel.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
        sessions.append(Session.open())
        return sessions[-1]

    yield open_session
    for one in sessions:
        one.close()


def facts(session):
    """Return what decides who answers, where, with which key, at which cost and into which file."""
    rows, choice = dict(session.catalog.providers), session.planner().choice()
    settings = [getattr(session.settings, name) for name in READERS]
    return rows, settings, choice, session.catalog.models


def row(*lines, name="new", url=EVIL):
    return "\n".join([f"[providers.{name}]", f'base_url = "{url}"', *lines])


OPENAI = 'dialect = "openai"'
FILES = {
    "moves a provider": row(name="apiyi"),
    "moves it to this machine": row(name="apiyi", url=HERE),
    "moves the demo": row(name="demo"),
    "takes another key": row(OPENAI, 'key_vars = ["AWS_SECRET_ACCESS_KEY"]'),
    "takes a key on this machine": row('key_vars = ["AWS_SECRET_ACCESS_KEY"]', url=HERE),
    "asks for a key on this machine": row("needs_key = true", url=HERE),
    "a remote row without a key": row(OPENAI),
    "a row like another": row('like = "apiyi"'),
    "an address from a variable": row('base_url_vars = ["X"]', url=HERE),
    "a name below localhost": row(OPENAI, url="http://evil.localhost:9/v1"),
    "a name that only looks local": row(url="http://127.0.0.1.evil.invalid/v1"),
    "a private network": row(url="http://192.168.0.1/v1"),
    "a user in the address": row(OPENAI, url="http://127.0.0.1@evil.invalid/v1"),
    "a password in the address": row(url="http://a:b@127.0.0.1/v1"),
    "an address without slashes": row(OPENAI, url="http:127.0.0.1.evil.invalid"),
    "a local row that is said to be free": row("free = true", url=HERE),
    "a field of the future": row('run_this = "rm"', url=HERE),
    "a row of its own, to be chosen first": row(name="openrouter"),
    "a header": '[providers.apiyi]\nheaders = { X-Evil = "1" }',
    "the header of the key": '[providers.apiyi]\nkey_header = "X-Public"',
    "other keys": '[providers.apiyi]\nkey_vars = ["AWS_SECRET_ACCESS_KEY"]',
    "plain http": "[providers.apiyi]\nplain_http = true",
    "no key needed": "[providers.apiyi]\nneeds_key = false\nkey_vars = []",
    "free of charge": "[providers.apiyi]\nfree = true",
    "chooses a provider": 'provider = "aiid"',
    "chooses a model": 'model = "sora-2-pro"',
    "asks for long videos": "seconds = 60",
    "chooses a folder": 'videos = "/tmp/evil"',
    "climbs out": 'videos = "../../evil"',
    "embeds everything": "embed_limit = 10000000000",
    "waits for ever": "deadline = 1e9",
    "never waits": "deadline = 1",
    "patches asyncio": "nest_asyncio = true",
    "many at once": "parallel = 1000",
    "another model's request": '[models.sora-2]\nshape = "veo"',
    "a model like another": '[models.sora-2]\nlike = "veo3"',
    "a shorter default": "[models.sora-2]\ndefault_seconds = 1",
    "a table where a word belongs": '[provider]\nname = "apiyi"',
    "no table at all": "providers = 3",
    "a row that is no table": "[providers]\napiyi = 3",
    "control characters": '"\\u001b[31m\\u202eevil" = 1\n' + f'"{"x" * 500}" = 2',
}


@pytest.mark.parametrize("name", FILES)
def test_what_needs_an_approval_is_ignored_and_said_once_in_printable_text(opened, name):
    before = facts(opened())
    session = opened(FILES[name])
    assert session.problem is None
    assert facts(session) == before
    (note,) = session.trusted.notes
    assert note.endswith("ignored. %video trust approves it.")
    assert note.isprintable()
    assert len(note) < 500
    assert all(found_in(note, key) == [] for key in KEYS.values())
    plan = session.plan(BOAT)
    assert (plan.job.provider, plan.job.base_url) == ("apiyi", "https://api.apiyi.com/v1")
    assert note in plan.warnings
    assert note not in session.plan(BOAT).warnings


# ---- approvals ------------------------------------------------------------------------------

SHOP = row('key_vars = ["SHOP_KEY"]', name="shop") + "\n"


def is_trusted(session):
    return session.problem is None and "shop" in session.catalog.providers


def test_an_approval_counts_until_a_sensitive_field_changes(opened):
    prices = "[[models.sora-2.prices]]\nusd_per_second = {}\n"
    session = opened(SHOP)
    assert not is_trusted(session)
    (line,) = session.trust()
    assert line.startswith(f'providers.shop = {{"base_url": "{EVIL}"')
    assert is_trusted(session)
    assert opened().trusted.notes == ()
    for price in (0.2, 0.01):  # not sensitive: it only raises an estimate
        assert opened(SHOP + prices.format(price)).trusted.notes == ()
    first, *rest = SHOP.splitlines()
    assert opened("\n".join([first, *reversed(rest)])).trusted.notes == ()  # in another order
    assert not is_trusted(opened(SHOP.replace("evil", "evil2")))
    assert not is_trusted(opened(SHOP.replace("SHOP_KEY", "AWS_SECRET_ACCESS_KEY")))
    assert is_trusted(opened(SHOP))


def test_an_approval_is_for_one_folder_and_no_folder_brings_its_own(opened, tmp_path, monkeypatch):
    opened(SHOP).trust()
    file = tmp_path / "home" / "trusted.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 or os.name == "nt"
    assert [path.name for path in Path.cwd().iterdir()] == ["ipyreel.toml"]
    approved = file.read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(other)
        assert not is_trusted(opened(SHOP))
    damaged = ["", "[", "[]", "null", '{"folders": 5}', '{"folders": {"a": 3}}', "[" * 100_000]
    for text in (*damaged, "\x00"):
        file.write_text(text, encoding="utf-8")
        assert not is_trusted(opened())
    file.unlink()
    for name in ("trusted.json", ".trusted.json", "ipyreel/trusted.json"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(approved)
        assert not is_trusted(opened())


def test_an_approval_is_not_written_through_a_link(opened, tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious", encoding="utf-8")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "trusted.json").symlink_to(target)
    opened(SHOP).trust()
    assert target.read_text(encoding="utf-8") == "precious"
    assert is_trusted(opened())


def test_a_variable_trusts_the_folders_that_it_names_and_no_other(opened, tmp_path, monkeypatch):
    folder, trusted = Path.cwd(), tmp_path / "trusted"
    for path in (folder / "sub", trusted):
        path.mkdir()
    for link, target in ((tmp_path / "link", folder), (trusted / "inside", folder)):
        link.symlink_to(target)
    for named in (folder.parent, f"{folder}x", f"{folder}/..", "", f"{folder}/sub", trusted):
        monkeypatch.setenv("IPYREEL_TRUST", str(named))
        assert not is_trusted(opened(SHOP)), named
    for path in (tmp_path / "link", trusted / "inside"):
        monkeypatch.chdir(path)
        assert not is_trusted(opened())
    monkeypatch.setenv("IPYREEL_TRUST", f"/nowhere{os.pathsep}{tmp_path / 'link'}")
    assert is_trusted(opened())


def test_files_of_the_user_are_trusted(opened, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    text = f'provider = "mine"\n{row(name="mine")}\nkey_vars = ["MINE"]'
    (home / "ipyreel.toml").write_text(text, encoding="utf-8")
    assert opened().settings.provider == "mine"
    # Nor can a folder move a row of the user's to this machine, with its key.
    session = opened(row(name="mine", url=HERE))
    assert session.catalog.provider("mine").base_url == EVIL
    assert session.trusted.ignored == ("providers.mine.base_url",)


# ---- what counts without an approval ----------------------------------------------------------


def test_a_keyless_provider_on_this_machine_needs_no_approval(opened):
    session = opened(
        """
        max_cost = 3
        [providers.shop]
        title = "My shop"
        base_url = "http://127.0.0.1:8000/v1"
        dialect = "generic"
        default_model = "boat-1"
        [models.boat-1]
        providers = ["shop"]
        seconds = [2, 4]
        sizes = ["640x360"]
        prices = [{ usd_per_second = 0.05 }]
        """
    )
    assert session.trusted.notes == ()
    assert session.planner().choice().name == "apiyi"
    two_seconds = replace(BOAT, seconds=2)
    plan = session.plan(two_seconds, provider="shop")
    assert plan.estimate.usd == Decimal("0.1")
    assert session.keys.find(plan.provider) is None
    with pytest.raises(InvalidRequest, match="takes 2 or 4"):
        session.plan(replace(BOAT, seconds=3), provider="shop")
    # The price is shown, and no limit relies on it.
    assert "is not trusted (/" in str(session.refusal(plan))
    session.trust()
    assert session.refusal(session.plan(two_seconds, provider="shop")) is None


def test_a_price_only_rises_and_a_limit_only_falls(opened, monkeypatch):
    for usd, counts in ((0.2, 0.2), (0.01, 0.1), (0, 0.1)):
        session = opened(f"[[models.sora-2.prices]]\nusd_per_second = {usd}\n")
        plan = session.plan(replace(BOAT, seconds=4))
        assert plan.estimate.usd == Decimal(str(counts)) * 4
        assert plan.estimate.trusted
    monkeypatch.setenv("IPYREEL_MAX_COST", "2")
    assert opened("max_cost = 100\nbudget = 100").settings.max_cost == 2
    assert opened("max_cost = 1").settings.max_cost == 1


def test_a_title_changes_no_automatic_choice(opened, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEYS["sk"])
    session = opened('[providers.openrouter]\ntitle = "Mine"\n[providers.litellm]\nnote = "x"')
    assert session.trusted.notes == ()
    assert session.planner().choice().name == "apiyi"
    assert session.catalog.provider("openrouter").title == "Mine"


BOMBS = {
    "nested lists": "a = " + "[" * 5000 + "]" * 5000,
    "lists without end": "a = " + "[" * 100_000,
    "nested tables": "a = " + "{a=" * 5000 + "1" + "}" * 5000,
    "a long path": "[" + ".".join("a" * 3000) + "]\nb = 1",
    "rows of rows": "\n".join(f'[models.m{n}]\nlike = "m{n + 1}"' for n in range(3000)),
    "a circle": '[providers.a]\nlike = "b"\n[providers.b]\nlike = "a"\n',
    "a huge number": "seconds = " + "9" * 5000,
    "a huge price": "[models.x]\nprices = [{ usd_per_second = " + "9" * 400 + " }]",
    "many prices": "[models.x]\nprices = " + json.dumps([{"usd": 1}] * 20_000).replace(":", "="),
    "no UTF-8": "\udcff",
    "a huge file": "# " + "x" * 1_100_000,
}


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_error_with_its_line_or_nothing(opened, monkeypatch, name, trusted):
    *before, _models = facts(opened())
    if trusted:
        monkeypatch.setenv("IPYREEL_TRUST", str(Path.cwd()))
    session = opened(BOMBS[name])
    if not trusted and session.problem is None:
        assert list(facts(session)[:3]) == before  # what it consists of is ignored
        return
    assert isinstance(session.problem, ConfigError)
    message = str(session.problem)
    assert message.startswith(f"{Path('ipyreel.toml').absolute()}:")
    assert len(message) < 6000
    assert message.split(":")[1].isdigit() or "not UTF-8" in message


# ---- keys and addresses -----------------------------------------------------------------------


def test_a_key_goes_only_to_the_current_address_of_its_provider(opened):
    session = opened()

    def client(base_url):
        return session.loop.submit(session.client("apiyi", base_url)).result()

    assert client("https://api.apiyi.com/other/v1").key.reveal() == KEYS["sk"]
    for url in (EVIL, "http://api.apiyi.com/v1", "https://api.apiyi.com:8443/v1"):
        with pytest.raises(ConfigError, match="the key of apiyi is for https://api"):
            client(url)
    session.use("apiyi", base_url=EVIL)
    assert client(EVIL).key.reveal() == KEYS["sk"]
    with pytest.raises(ConfigError, match=r"is for https://evil\.invalid"):
        client("https://api.apiyi.com/v1")


def test_an_address_that_a_person_named_is_remembered_for_its_provider(opened, monkeypatch):
    def client(name, base_url):
        session = opened()  # a new kernel
        return session.loop.submit(session.client(name, base_url)).result()

    monkeypatch.setenv("AIID_API_KEY", KEYS["sk"])
    opened(row(name="apiyi"))  # a folder's word is none
    with pytest.raises(ConfigError, match="is not sent there"):
        client("apiyi", EVIL)
    session = opened("seconds = 2")
    session.trust()
    session.use("apiyi", base_url="https://mine.example/v1")
    assert session.trusted.accept(session.settings.tomls[-1], []).trusted  # both are kept
    assert client("apiyi", "https://mine.example/other").key.reveal() == KEYS["sk"]
    assert client("apiyi", "https://api.apiyi.com/v1").key.reveal() == KEYS["sk"]
    others = [EVIL, "https://mine.example:8443/v1", "http://mine.example/v1"]
    for name, url in [("aiid", "https://mine.example/v1"), *(("apiyi", one) for one in others)]:
        with pytest.raises(ConfigError, match="is not sent there"):
            client(name, url)
    opened().use("apiyi", base_url="http://127.0.0.1:9/v1")  # may be another's next time
    for url in ("http://127.0.0.1:9/v1", "https://mine.example/v1"):
        with pytest.raises(ConfigError, match="is not sent there"):
            client("apiyi", url)


def test_a_job_that_remembers_another_address_waits_and_says_why(opened, tmp_path):
    with running_demo(tmp_path / "server", stub=True) as evil:
        session = opened()
        plan = session.plan(BOAT)
        job = replace(
            plan.job, base_url=evil.url, remote_id="video_1", status="queued", sent_at=1.0
        )
        left = replace(job, id="left", remote_id="video_2")
        session.store.insert(job, left)
        session.store.release()
        (resumed,) = session.resume(job.id)
        ended = session.future(job.id).result()
        assert (resumed.taken, ended.status) == (True, "queued")
        error = session.error(job.id)
        assert isinstance(error, ConfigError)
        cure = f"%video use apiyi base_url={evil.url} uses it."
        assert cure in str(error)
        assert cure in ended.note
        with pytest.raises(ConfigError, match="it is not sent there"):
            session.delete(job.id).result()
        assert evil.log() == []
        session.close()
        again, asked = opened(), threading.Event()  # in a new kernel, the one line is enough
        again.use("apiyi", base_url=evil.url)
        assert [one.id for one in again.manager.active()] == ["left"]
        again.listen("left", lambda _job: asked.set())
        assert asked.wait(60)
        assert evil.log("retrieve")
