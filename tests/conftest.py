"""What every test gets: a home of its own, no key, no network, and a shell that raises."""

from __future__ import annotations

import os
import shutil
import socket
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from httpx._transports import default
from hypothesis import settings
from IPython.core.interactiveshell import InteractiveShell
from jupyter_core.utils import ensure_event_loop

from tests.support.shells import PLAIN

# No deadline: how long an example takes on a busy machine says nothing about the code.
settings.register_profile("patient", deadline=None, max_examples=50)
settings.load_profile("patient")

SETTINGS = ("_API_KEY", "_BASE_URL", "_API_BASE", "_PROXY", "_proxy")
"""How the names of variables end that would let the machine speak into a test."""

PLACES = ("IPYREEL_", "JPY_", "VOILA_", "SERVER_SOFTWARE")


MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a private folder in it
ROOM = 4 * 2**30
"""Bytes that must be free in memory before temporary folders are put there."""


def pytest_configure(config):
    """Keep temporary folders in memory, and have pytest-xdist begin with the browser tests.

    On a disk, most of the time goes into `fsync`. By itself pytest-xdist begins with the files of
    most tests; those of the browser have few and long ones, and one of them would end alone.
    """
    config.option.loadscopereorder = False
    if config.option.basetemp is None and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        no_scripts = os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        if not no_scripts and shutil.disk_usage(MEMORY).free > ROOM:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Have one worker run all browser tests: it starts the browser and the servers once."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - it may be absent

    class OneBrowser(LoadFileScheduling):
        def _split_scope(self, nodeid):
            folder = "tests/browser"
            return folder if nodeid.startswith(f"{folder}/") else super()._split_scope(nodeid)

    return OneBrowser(config, log) if config.getvalue("dist") == "loadfile" else None


class NetworkRefusedError(AssertionError):
    """A test reached for the network beyond this machine."""


@pytest.fixture(scope="session", autouse=True)
def no_loop_left():
    """Close the event loop that jupyter_client and nbclient keep for this thread."""
    yield
    ensure_event_loop().close()


@pytest.fixture(scope="session", autouse=True)
def patient_httpx():
    """Give httpx a minute where a test sets no timeout: its own 5 s are short on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        for part in ("connect", "read", "write", "pool"):
            patch.setattr(DEFAULT_TIMEOUT_CONFIG, part, 60.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def certificates_read_once():
    """Share the certificates among all httpx clients: each would read them, in 20 ms."""
    create = httpx.create_ssl_context
    trust = create()

    def shared(verify=True, **options):  # noqa: FBT002 - as httpx has it
        plain = verify is True and "SSL_CERT_FILE" not in os.environ
        return trust if plain else create(verify=verify, **options)

    with pytest.MonkeyPatch.context() as patch:
        for module in (httpx, default):
            patch.setattr(module, "create_ssl_context", shared)
        yield


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """Keys and settings of the machine are gone; what is written lands in `tmp_path`."""
    for name in list(os.environ):
        if name.endswith(SETTINGS) or name.startswith(PLACES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IPYREEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    here = tmp_path / "work"
    here.mkdir()
    # The tests' own folder is approved; those of trust.py take this back.
    monkeypatch.setenv("IPYREEL_TRUST", str(here))
    # Videos go beside the notebook, and an ipyreel.toml is looked for there: not in the repo.
    monkeypatch.chdir(here)


def is_loopback(host):
    """Tell whether a host name or address stays on this machine."""
    if host in {"", "localhost", None}:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse every connection and name beyond loopback, and fail the test that asked.

    The test fails at its end also when the code under test took the refusal for an ordinary
    fault. Names under `.invalid` (RFC 6761) may be asked for: they never resolve anywhere.
    """
    refused: list[str] = []
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def check(sock, address):
        if sock.family in {socket.AF_INET, socket.AF_INET6} and not is_loopback(address[0]):
            refused.append(f"{address[0]}:{address[1]}")
            raise NetworkRefusedError(f"a test may not connect to {refused[-1]}")

    def guarded_connect(self, address):
        check(self, address)
        return connect(self, address)

    def guarded_connect_ex(self, address):
        check(self, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        try:
            numeric = bool(name and ip_address(name))
        except ValueError:
            numeric = False
        if numeric or is_loopback(name):
            return getaddrinfo(host, *args, **kwargs)
        if not name.rstrip(".").endswith(".invalid"):
            refused.append(name)
        raise socket.gaierror(socket.EAI_NONAME, f"no name {name} in tests")

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
    yield refused
    assert refused == [], "the test reached for the network"


class LoudShell(InteractiveShell):
    """An IPython that raises what a cell raised, after it has shown it as it always does."""

    def run_cell(self, raw_cell, *args, **kwargs):
        result = super().run_cell(raw_cell, *args, **kwargs)
        result.raise_error()
        return result


@pytest.fixture
def shell():
    """An IPython shell with no history file, unloaded and cleared afterwards."""
    LoudShell.clear_instance()
    opened = LoudShell.instance(config=PLAIN)
    yield opened
    for name in list(opened.extension_manager.loaded):
        opened.extension_manager.unload_extension(name)
    # The shell puts its own namespace in place of the module that runs the tests.
    opened.restore_sys_module_state()
    LoudShell.clear_instance()
