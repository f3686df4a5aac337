"""Attacks by the `ipyreel.toml` of a folder: it moves no key, no limit, no path and no choice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ipyreel.errors import ConfigError, VideoError
from ipyreel.session import Session
from ipyreel.values import VideoRequest
from tests.hostile.conftest import KEYS, found_in
from tests.hostile.rawserver import raw_server

ENVIRON = {
    "APIYI_API_KEY": KEYS["sk"],
    "AWS_SECRET_ACCESS_KEY": KEYS["aws"],
    "OPENAI_API_KEY": KEYS["hex"],
    "OPENAI_BASE_URL": "https://openai-like.invalid/v1",
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder that came from the internet."""
    path = tmp_path / "downloaded"
    path.mkdir()
    return path


def opened(folder, toml, tmp_path, **environ):
    """Open a session in the folder with this file, as a kernel started there does."""
    (folder / "ipyreel.toml").write_text(toml, encoding="utf-8")
    environ = {**ENVIRON, "IPYREEL_HOME": str(tmp_path / "home"), **environ}
    return Session.open(environ=environ, cwd=folder)


def facts(session):
    """Return what decides who answers, where, with which key, at which cost and into which file."""
    rows = session.catalog.providers
    asked = [
        (name, row.base_url, row.key_vars, row.key_header, row.needs_key, row.plain_http, row.free)
        for name, row in rows.items()
    ]
    return sorted(map(repr, asked)), session.catalog.default_provider, session.settings.to_dict()


EVIL = "https://evil.invalid/v1"
FILES = {
    "moves a provider": f'[providers.apiyi]\nbase_url = "{EVIL}"\n',
    "moves it to this machine": '[providers.apiyi]\nbase_url = "http://127.0.0.1:9/v1"\n',
    "moves the demo": f'[providers.demo]\nbase_url = "{EVIL}"\n',
    "takes another key": (
        f'[providers.new]\nbase_url = "{EVIL}"\ndialect = "openai"\n'
        'key_vars = ["AWS_SECRET_ACCESS_KEY"]\n'
    ),
    "takes a key on this machine": (
        '[providers.new]\nbase_url = "http://127.0.0.1:9/v1"\ndialect = "openai"\n'
        'key_vars = ["AWS_SECRET_ACCESS_KEY"]\n'
    ),
    "a remote row without a key": f'[providers.new]\nbase_url = "{EVIL}"\ndialect = "openai"\n',
    "a row like another": f'[providers.new]\nlike = "apiyi"\nbase_url = "{EVIL}"\n',
    "an address from a variable": (
        '[providers.new]\nbase_url_vars = ["AWS_SECRET_ACCESS_KEY"]\ndialect = "openai"\n'
    ),
    "a name below localhost": (
        '[providers.new]\nbase_url = "http://evil.localhost:9/v1"\ndialect = "openai"\n'
    ),
    "a user in the address": (
        '[providers.new]\nbase_url = "http://127.0.0.1@evil.invalid/v1"\ndialect = "openai"\n'
    ),
    "an address without slashes": (
        '[providers.new]\nbase_url = "http:127.0.0.1.evil.invalid"\ndialect = "openai"\n'
    ),
    "a header": '[providers.apiyi]\nheaders = { X-Evil = "1" }\n',
    "the header of the key": '[providers.apiyi]\nkey_header = "X-Public"\n',
    "other keys": '[providers.apiyi]\nkey_vars = ["AWS_SECRET_ACCESS_KEY"]\n',
    "plain http": "[providers.apiyi]\nplain_http = true\n",
    "no key needed": "[providers.apiyi]\nneeds_key = false\nkey_vars = []\n",
    "free of charge": "[providers.apiyi]\nfree = true\n",
    "chooses a provider": 'provider = "aiid"\n',
    "chooses a model": 'model = "sora-2-pro"\n',
    "chooses a folder": 'videos = "/tmp/evil"\n',
    "climbs out": 'videos = "../../evil"\n',
    "embeds everything": "embed_limit = 10000000000\n",
    "never waits": "deadline = 1\n",
    "patches asyncio": "nest_asyncio = true\n",
    "many at once": "parallel = 1000\n",
    "a field of the future": '[providers.apiyi]\nupload_to = "https://evil.invalid"\n',
}


@pytest.mark.parametrize("name", FILES)
def test_an_untrusted_folder_changes_nothing_that_matters(folder, tmp_path, name):
    plain = facts(opened(folder, "", tmp_path))
    session = opened(folder, FILES[name], tmp_path)
    if session.problem is None:
        assert facts(session) == plain
        assert "evil.invalid" not in repr(session.catalog.providers)
    else:  # nothing is sent then
        with pytest.raises(VideoError):
            session.plan(VideoRequest(prompt="a boat"))


@pytest.mark.parametrize("name", FILES)
def test_what_was_ignored_is_said_once_in_one_printable_line(folder, tmp_path, name):
    session = opened(folder, FILES[name], tmp_path)
    if session.problem is None:
        (note,) = session.trusted.notes
        assert "%video trust" in note
        assert note.isprintable()
        assert all(found_in(note, key) == [] for key in KEYS.values())


def test_a_plain_cell_goes_to_the_real_provider(folder, tmp_path):
    with raw_server() as attacker:
        address = attacker.url
        toml = f'[providers.apiyi]\nbase_url = "{address}"\nplain_http = true\n'
        session = opened(folder, toml, tmp_path)
        plan = session.plan(VideoRequest(prompt="a boat"))
        assert plan.job.provider == "apiyi"
        assert plan.job.base_url == "https://api.apiyi.com/v1"
        assert attacker.requests == []


def test_a_limit_may_be_lowered_and_not_raised(folder, tmp_path):
    environ = {"IPYREEL_MAX_COST": "5"}
    lower = opened(folder, "max_cost = 2\n", tmp_path, **environ)
    higher = opened(folder, "max_cost = 500\n", tmp_path, **environ)
    assert (lower.settings.max_cost, higher.settings.max_cost) == (2, 5)


def test_a_price_may_be_raised_and_not_lowered(folder, tmp_path):
    row = "[models.sora-2-pro]\nprices = [{{ usd_per_second = {price} }}]\n"
    request = VideoRequest(prompt="a boat", model="sora-2-pro", seconds=8, size="1280x720")

    def estimate(toml):
        return opened(folder, toml, tmp_path).plan(request, provider="apiyi").estimate.usd

    real = estimate("")
    assert estimate(row.format(price="0.0001")) == real
    assert estimate(row.format(price="99.0")) > real


# --------------------------------------------------------------------------------- approvals

SENSITIVE = '[providers.shop]\nbase_url = "https://shop.invalid/v1"\ndialect = "openai"\n'


def is_trusted(session):
    return session.problem is None and "shop" in session.catalog.providers


def test_an_approval_holds_until_a_sensitive_field_changes(folder, tmp_path):
    session = opened(folder, SENSITIVE, tmp_path)
    assert not is_trusted(session)
    session.trust()
    assert is_trusted(opened(folder, SENSITIVE, tmp_path))
    priced = SENSITIVE + "[models.boat-1]\nprices = [{ usd_per_second = 0.05 }]\nseconds = [4]\n"
    assert is_trusted(opened(folder, priced, tmp_path))
    moved = SENSITIVE.replace("shop.invalid", "evil.invalid")
    assert not is_trusted(opened(folder, moved, tmp_path))
    keyed = SENSITIVE + 'key_vars = ["AWS_SECRET_ACCESS_KEY"]\n'
    assert not is_trusted(opened(folder, keyed, tmp_path))


@pytest.mark.parametrize("name", ["trusted.json", ".trusted.json", "ipyreel/trusted.json"])
def test_a_folder_does_not_bring_its_own_approval(folder, tmp_path, name):
    session = opened(folder, SENSITIVE, tmp_path)
    session.trust()
    approved = (tmp_path / "home" / "trusted.json").read_bytes()
    (tmp_path / "home" / "trusted.json").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(approved)
    assert not is_trusted(opened(folder, SENSITIVE, tmp_path))


def test_an_approval_is_not_for_a_copy_elsewhere(folder, tmp_path):
    opened(folder, SENSITIVE, tmp_path).trust()
    other = tmp_path / "other"
    other.mkdir()
    assert not is_trusted(opened(other, SENSITIVE, tmp_path))


@pytest.mark.parametrize("named", ["{parent}", "{folder}x", "{folder}/..", "", ".", "{folder}/sub"])
def test_a_named_folder_trusts_no_other(folder, tmp_path, named):
    (folder / "sub").mkdir()
    value = named.format(folder=folder, parent=folder.parent)
    assert not is_trusted(opened(folder, SENSITIVE, tmp_path, IPYREEL_TRUST=value))


def test_a_link_to_a_trusted_name_is_the_folder_it_leads_to(folder, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (tmp_path / "link").symlink_to(folder)
    environ = {"IPYREEL_TRUST": str(trusted)}
    (trusted / "inside").symlink_to(folder)
    for path in (tmp_path / "link", trusted / "inside"):
        assert not is_trusted(opened(path, SENSITIVE, tmp_path, **environ))


DAMAGED = ["[", "[]", "null", '{"folders": 5}', '{"folders": {"x": 1}}', "[" * 100_000, "\x00"]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_list_of_approvals_approves_nothing(folder, tmp_path, text):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "trusted.json").write_text(text)
    assert not is_trusted(opened(folder, SENSITIVE, tmp_path))


# ------------------------------------------------------------------------- keys and addresses


def test_a_remembered_address_gets_no_new_key(folder, tmp_path):
    """A job in the library names an attacker's address; a new kernel resumes it."""
    with raw_server() as attacker:
        session = opened(folder, "", tmp_path)
        plan = session.plan(VideoRequest(prompt="a boat"))
        job = replace(
            plan.job, base_url=attacker.url, remote_id="video_1", status="queued", sent_at=1.0
        )
        session.store.insert(job)
        later = opened(folder, "", tmp_path)
        try:
            resumed = later.resume(job.id)[0]
            text = resumed.sentence
        except VideoError as error:
            text = f"{error} {error.hint}"
        later.close()
        session.close()
        seen = b"".join(attacker.requests).decode("latin-1")
    assert all(found_in(seen + text, key) == [] for key in KEYS.values())


BOMBS = {
    "nesting": "a = " + "[" * 100_000,
    "tables": "[" + "a." * 50_000 + "b]\n",
    "a long number": "parallel = " + "9" * 5000,
    "chained rows": "".join(f'[providers.p{n}]\nlike = "p{n + 1}"\n' for n in range(3000)),
    "a circle": '[providers.a]\nlike = "b"\n[providers.b]\nlike = "a"\n',
    "no UTF-8": "\udcff",
    "2 MB": "#" * 2_000_000,
    "a list of prices": "[models.x]\nprices = "
    + json.dumps([{"usd": 1}] * 20_000).replace(":", "="),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_toml_that_is_a_bomb_is_one_error(folder, tmp_path, name):
    path = folder / "ipyreel.toml"
    path.write_bytes(BOMBS[name].encode("utf-8", "surrogateescape"))
    environ = {**ENVIRON, "IPYREEL_HOME": str(tmp_path / "home")}
    session = Session.open(environ=environ, cwd=folder)
    if session.problem is not None:
        assert isinstance(session.problem, ConfigError)
        assert len(str(session.problem)) < 2000
    else:
        assert facts(session)[1:] == facts(opened(folder, "", tmp_path))[1:]
