"""A folder from anybody: what its `ipyreel.toml` cannot do before it is approved."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.session import Session
from ipyreel.values import VideoRequest
from tests.support.demo import running_demo

KEY = "sk-abcdefghijklmnopqrstuvwxyz-a1b2"
EVIL = "https://evil.example/v1"


@pytest.fixture(autouse=True)
def _untrusted(monkeypatch):
    monkeypatch.delenv("IPYREEL_TRUST")


@pytest.fixture
def opened():
    """Open a session beside an `ipyreel.toml` of the given text."""
    sessions = []

    def open_session(text=None):
        if text is not None:
            Path("ipyreel.toml").write_text(text, encoding="utf-8")
        sessions.append(Session.open())
        return sessions[-1]

    yield open_session
    for one in sessions:
        one.close()


ATTACKS = {
    "moves a built-in provider": f'[providers.apiyi]\nbase_url = "{EVIL}"',
    "takes another variable as the key": '[providers.apiyi]\nkey_vars = ["AWS_SECRET_ACCESS_KEY"]',
    "defines a provider with a key": (
        f'[providers.evil]\nbase_url = "{EVIL}"\nkey_vars = ["AWS_SECRET_ACCESS_KEY"]'
    ),
    "defines a remote provider without a key": f'[providers.evil]\nbase_url = "{EVIL}"',
    "a name that only looks local": '[providers.evil]\nbase_url = "http://127.0.0.1.evil.example/v1"',
    "a subdomain of localhost": '[providers.evil]\nbase_url = "http://a.localhost/v1"',
    "a private network": '[providers.evil]\nbase_url = "http://192.168.0.1/v1"',
    "user and password": '[providers.evil]\nbase_url = "http://a:b@127.0.0.1/v1"',
    "a local provider with a key": (
        '[providers.evil]\nbase_url = "http://127.0.0.1:9/v1"\nkey_vars = ["APIYI_API_KEY"]'
    ),
    "a local provider that asks for a key": (
        '[providers.evil]\nbase_url = "http://127.0.0.1:9/v1"\nneeds_key = true'
    ),
    "a local provider with an address from a variable": (
        '[providers.evil]\nbase_url = "http://127.0.0.1:9/v1"\nbase_url_vars = ["X"]'
    ),
    "a local provider that is said to be free": (
        '[providers.evil]\nbase_url = "http://127.0.0.1:9/v1"\nfree = true'
    ),
    "a field of the future": (
        '[providers.evil]\nbase_url = "http://127.0.0.1:9/v1"\nrun_this = "rm"'
    ),
    "moves a provider to this machine": '[providers.apiyi]\nbase_url = "http://127.0.0.1:9/v1"',
    "says that a provider is free": "[providers.apiyi]\nfree = true",
    "another header for the key": '[providers.apiyi]\nkey_header = "X-Forward-To"',
    "makes a row its own, so that it is chosen first": (
        '[providers.openrouter]\nbase_url = "https://openrouter.ai/api/v1"'
    ),
    "chooses the provider": 'provider = "sglang"',
    "chooses the model": 'model = "sora-2-pro"',
    "asks for long videos": "seconds = 60",
    "writes elsewhere": 'videos = "/tmp"',
    "waits for ever": "deadline = 1e9",
    "another model's request": '[models.sora-2]\nshape = "veo"',
    "a model like another": '[models.sora-2]\nlike = "veo3"',
    "a shorter default": "[models.sora-2]\ndefault_seconds = 1",
    "a table where a word belongs": '[provider]\nname = "apiyi"',
    "no table at all": "providers = 3",
    "a row that is no table": "[providers]\napiyi = 3",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_what_needs_an_approval_is_ignored_and_said(opened, monkeypatch, text):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    before = opened()
    session = opened(text)
    assert session.problem is None
    assert dict(session.catalog.providers) == dict(before.catalog.providers)
    assert session.catalog.models == before.catalog.models
    assert session.settings.to_dict() == before.settings.to_dict()
    assert session.planner().choice() == before.planner().choice()
    (note,) = session.trusted.notes
    assert note.endswith("ignored. %video trust approves it.")
    plan = session.plan(VideoRequest(prompt="a boat"))
    assert note in plan.warnings
    assert note not in session.plan(VideoRequest(prompt="a boat")).warnings


def test_an_approval_counts_until_a_sensitive_field_changes(opened):
    text = f'[providers.shop]\nbase_url = "{EVIL}"\nkey_vars = ["SHOP_KEY"]\n'
    prices = "[[models.sora-2.prices]]\nusd_per_second = {}\n"
    session = opened(text)
    assert "shop" not in session.catalog.providers
    (line,) = session.trust()
    assert line.startswith('providers.shop = {"base_url": "https://evil.example/v1"')
    assert "shop" in session.catalog.providers
    assert opened().trusted.notes == ()
    # Not sensitive: a price, a title of a built-in row, sizes.
    assert opened(text + prices.format(0.2)).trusted.notes == ()
    assert opened(text + prices.format(0.01)).trusted.notes == ()
    # Another order of the same fields.
    other = '[providers.shop]\nkey_vars = ["SHOP_KEY"]\nbase_url = "' + EVIL + '"\n'
    assert opened(other).trusted.notes == ()
    assert "shop" not in opened(text.replace("evil", "evil2")).catalog.providers
    assert "shop" in opened(text).catalog.providers


def test_an_approval_is_for_one_folder(opened, tmp_path, monkeypatch):
    text = f'[providers.shop]\nbase_url = "{EVIL}"\n'
    opened(text).trust()
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert "shop" not in opened(text).catalog.providers


def test_approvals_are_private_and_outside_the_folder(opened, tmp_path):
    opened('provider = "sglang"').trust()
    file = tmp_path / "home" / "trusted.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 or os.name == "nt"
    assert [path.name for path in Path.cwd().iterdir()] == ["ipyreel.toml"]
    for text in ("", "[]", '{"folders": 3}', '{"folders": {"a": 3}}', "[" * 100_000):
        file.write_text(text, encoding="utf-8")
        assert opened().settings.provider is None


def test_an_approval_is_not_written_through_a_link(opened, tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious", encoding="utf-8")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "trusted.json").symlink_to(target)
    opened('provider = "sglang"').trust()
    assert target.read_text(encoding="utf-8") == "precious"
    assert opened().settings.provider == "sglang"


def test_machines_without_a_person_name_the_folders(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("IPYREEL_TRUST", f"/nowhere{os.pathsep}{Path.cwd()}")
    assert opened('provider = "sglang"').settings.provider == "sglang"
    below = Path.cwd() / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert opened('provider = "sglang"').settings.provider is None
    monkeypatch.setenv("IPYREEL_TRUST", str(tmp_path / "link"))
    (tmp_path / "link").symlink_to(below)
    assert opened().settings.provider == "sglang"


def test_files_of_the_user_are_trusted(opened, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    text = f'provider = "mine"\n[providers.mine]\nbase_url = "{EVIL}"\nkey_vars = ["MINE"]'
    (home / "ipyreel.toml").write_text(text, encoding="utf-8")
    assert opened().settings.provider == "mine"
    # Nor can a folder move a row of the user's to this machine, with its key.
    session = opened('[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"')
    assert session.catalog.provider("mine").base_url == EVIL
    assert session.trusted.ignored == ("providers.mine.base_url",)


def test_a_keyless_provider_on_this_machine_needs_no_approval(opened, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
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
    plan = session.plan(VideoRequest(prompt="a boat", seconds=2), provider="shop")
    assert plan.estimate.usd == Decimal("0.1")
    assert session.keys.find(plan.provider) is None
    with pytest.raises(InvalidRequest, match="takes 2 or 4"):
        session.plan(VideoRequest(prompt="a boat", seconds=3), provider="shop")
    # The price is shown, and no limit relies on it.
    assert "is not trusted (/" in str(session.refusal(plan))
    session.trust()
    plan = session.plan(VideoRequest(prompt="a boat", seconds=2), provider="shop")
    assert session.refusal(plan) is None


@pytest.mark.parametrize(("usd", "counts"), [(0.2, 0.2), (0.01, 0.1), (0, 0.1)])
def test_an_untrusted_price_only_raises_an_estimate(opened, monkeypatch, usd, counts):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    session = opened(f"[[models.sora-2.prices]]\nusd_per_second = {usd}\n")
    plan = session.plan(VideoRequest(prompt="a boat", seconds=4))
    assert plan.estimate.usd == Decimal(str(counts)) * 4
    assert plan.estimate.trusted


def test_an_untrusted_limit_only_lowers_one(opened, monkeypatch):
    monkeypatch.setenv("IPYREEL_MAX_COST", "2")
    assert opened("max_cost = 100\nbudget = 100").settings.max_cost == 2
    assert opened("max_cost = 1").settings.max_cost == 1


def test_names_of_a_hostile_file_are_shown_as_plain_text(opened):
    session = opened('"\\u001b[31m\\u202eevil" = 1\n' + f'"{"x" * 500}" = 2\n')
    (note,) = session.trusted.notes
    assert note.isprintable()
    assert len(note) < 500


BOMBS = {
    "nested lists": "a = " + "[" * 5000 + "]" * 5000,
    "nested tables": "a = " + "{a=" * 5000 + "1" + "}" * 5000,
    "a long path": "[" + ".".join("a" * 3000) + "]\nb = 1",
    "rows of rows": "\n".join(f'[models.m{n}]\nlike = "m{n + 1}"' for n in range(3000)),
    "a huge number": "seconds = " + "9" * 5000,
    "a huge price": "[models.x]\nprices = [{ usd_per_second = " + "9" * 400 + " }]",
    "a huge file": "# " + "x" * 1_100_000,
}


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_one_error_with_its_line_or_nothing(opened, monkeypatch, text, trusted):
    if trusted:
        monkeypatch.setenv("IPYREEL_TRUST", str(Path.cwd()))
    session = opened(text)
    if not trusted and session.problem is None:
        return  # what it consists of is ignored anyway
    message = str(session.problem)
    assert isinstance(session.problem, ConfigError)
    assert message.startswith(f"{Path('ipyreel.toml').absolute()}:")
    assert len(message) < 6000
    assert message.split(":")[1].isdigit()


def test_a_key_goes_only_to_the_current_address_of_its_provider(opened, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    session = opened()

    def client(base_url):
        return session.loop.submit(session.client("apiyi", base_url)).result()

    assert client("https://api.apiyi.com/other/v1").key.reveal() == KEY
    for url in (EVIL, "http://api.apiyi.com/v1", "https://api.apiyi.com:8443/v1"):
        with pytest.raises(ConfigError, match="the key of apiyi is for https://api"):
            client(url)
    session.use("apiyi", base_url=EVIL)
    assert client(EVIL).key.reveal() == KEY
    with pytest.raises(ConfigError, match=r"is for https://evil\.example"):
        client("https://api.apiyi.com/v1")


def test_an_address_that_a_person_named_is_remembered_for_its_provider(opened, monkeypatch):
    def client(name, base_url):
        session = opened()  # a new kernel
        return session.loop.submit(session.client(name, base_url)).result()

    monkeypatch.setenv("APIYI_API_KEY", KEY)
    monkeypatch.setenv("AIID_API_KEY", KEY)
    opened('[providers.apiyi]\nbase_url = "https://evil.example/v1"')  # a folder's word is none
    with pytest.raises(ConfigError, match="is not sent there"):
        client("apiyi", EVIL)
    session = opened("seconds = 2")
    session.trust()
    session.use("apiyi", base_url="https://mine.example/v1")
    assert session.trusted.accept(session.settings.tomls[-1], []).trusted  # both are kept
    assert client("apiyi", "https://mine.example/other").key.reveal() == KEY
    assert client("apiyi", "https://api.apiyi.com/v1").key.reveal() == KEY
    for name, url in [
        ("aiid", "https://mine.example/v1"),
        ("apiyi", "https://mine.example:8443/v1"),
        ("apiyi", "http://mine.example/v1"),
        ("apiyi", EVIL),
    ]:
        with pytest.raises(ConfigError, match="is not sent there"):
            client(name, url)
    opened().use("apiyi", base_url="http://127.0.0.1:9/v1")  # may be another's next time
    for url in ("http://127.0.0.1:9/v1", "https://mine.example/v1"):
        with pytest.raises(ConfigError, match="is not sent there"):
            client("apiyi", url)


def test_a_folder_does_not_change_which_provider_is_chosen_automatically(opened, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    session = opened('[providers.openrouter]\ntitle = "Mine"\n[providers.litellm]\nnote = "x"')
    assert session.trusted.notes == ()
    assert session.planner().choice().name == "apiyi"
    assert session.catalog.provider("openrouter").title == "Mine"


def test_a_job_that_remembers_another_address_waits_and_says_why(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    with running_demo(tmp_path / "server", stub=True) as evil:
        session = opened()
        plan = session.plan(VideoRequest(prompt="a boat"))
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
        cure = f"%video use apiyi base_url={evil.url} goes on with it."
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
        assert asked.wait(30)
        assert evil.log("retrieve")
