"""Attacks by a folder: links, pipes and foreign files under the names that a download uses."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ipyreel.jobs.files import sidecar_path
from tests.conformance.shop import Kernel, Shop, told
from tests.hostile.rawserver import answer, raw_server
from tests.support.demo import Clock

SECRET = "export PATH=/bin  # the victim's own start-up file\n"
OTHER_FILM = b"\x00\x00\x00\x18ftypisom" + b"the attacker's video" * 100


@pytest.fixture
def secret(tmp_path):
    """Return a file outside the notebook's folder that nobody may change."""
    path = tmp_path / "bashrc"
    path.write_text(SECRET)
    return path


def link(path, secret):
    path.symlink_to(secret)


def hard_link(path, secret):
    path.hardlink_to(secret)


def dangling_link(path, secret):
    path.symlink_to(secret.with_name("new-file"))


def pipe(path, _secret):
    os.mkfifo(path)


def endless(path, _secret):
    path.symlink_to("/dev/zero")


def folder(path, _secret):
    path.mkdir()


def other_film(path, _secret):
    path.write_bytes(OTHER_FILM)


def deep_json(path, _secret):
    path.write_text("[" * 200_000)


def false_record(path, _secret):
    path.write_text(json.dumps({"etag": '"x"', "address": "http://127.0.0.1/", "size": 5}))


TRAPS = [link, hard_link, dangling_link, pipe, endless, folder, other_film, deep_json, false_record]
ENDINGS = [".mp4.part", ".mp4.part.json", ".json.part", ".part"]


def buy(server, home, on_wait=None):
    """Request a video, let the attacker act while it is made, and return the job."""
    shop = Shop(kind="openai", demo=None, clock=Clock())
    with Kernel(shop, home, base_url=server.url, deadline=60.0) as kernel:
        if on_wait is not None:
            kernel.on_wait = lambda _seconds: on_wait(kernel.session.history()[0])
        return kernel.order()


def trapped(trap, secret, ending):
    """Return what an attacker does while a job is waited for."""

    def set_trap(job):
        path = Path(job.target).with_suffix(ending)
        if not os.path.lexists(path):
            path.parent.mkdir(exist_ok=True)
            trap(path, secret)

    return set_trap


@pytest.mark.parametrize(
    ("trap", "ending"),
    [*((trap, ".json") for trap in TRAPS), *((link, ending) for ending in ENDINGS)],
)
def test_a_trap_under_a_name_of_the_download_catches_nothing(film, home, secret, trap, ending):
    with raw_server(film) as server:
        job = buy(server, home, trapped(trap, secret, ending))
    assert job.status == "completed", told(job)
    assert Path(job.target).read_bytes() == film
    assert not Path(job.target).is_symlink()
    assert secret.read_text() == SECRET
    assert not secret.with_name("new-file").exists()


@pytest.mark.parametrize("trap", [link, hard_link, dangling_link, pipe, folder, other_film])
def test_a_trap_under_the_name_of_the_video_is_not_written(film, home, secret, trap):
    with raw_server(film) as server:
        job = buy(server, home, trapped(trap, secret, ".mp4"))
    assert job.status == "failed"
    assert "not overwritten" in told(job)
    assert secret.read_text() == SECRET
    assert not secret.with_name("new-file").exists()


@pytest.mark.parametrize("trap", [link, hard_link, dangling_link, endless, pipe, other_film])
def test_a_part_that_was_replaced_is_not_continued(film, home, secret, trap):
    """Half of the file is here; while no kernel runs, somebody replaces it."""
    headers = {"etag": '"film"', "content_type": "video/mp4", "accept_ranges": "bytes"}
    half = answer(film[: len(film) // 2], length=len(film), **headers)
    with raw_server(film, content=half) as server:
        job = buy(server, home)
        assert job.status == "failed", told(job)
        (part,) = [path for path in (home / "videos").iterdir() if ".part" in path.suffixes]
        part.unlink()
        trap(part, secret)
        server.answers.clear()
        shop = Shop(kind="openai", demo=None, clock=Clock())
        with Kernel(shop, home, base_url=server.url, deadline=60.0) as kernel:
            again, _ = kernel.resume(job.id)
    assert again.status == "completed", told(again)
    assert Path(again.target).read_bytes() == film
    assert secret.read_text() == SECRET
    assert not secret.with_name("new-file").exists()


def test_what_is_written_is_private(film, home):
    with raw_server(film) as server:
        job = buy(server, home)
    assert job.status == "completed", told(job)

    def mode(path):
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(home / "library.sqlite") == 0o600
    assert mode(sidecar_path(Path(job.target))) == 0o600
    for path in home.glob("library.sqlite-*"):
        assert mode(path) == 0o600


def test_a_part_is_private_from_its_first_byte(film, home):
    half = answer(film[:1000], length=len(film), content_type="video/mp4")
    before = os.umask(0)
    try:
        with raw_server(film, content=half) as server:
            job = buy(server, home)
    finally:
        os.umask(before)
    assert job.status == "failed"
    parts = [path for path in (home / "videos").iterdir() if ".part" in path.suffixes]
    assert [stat.S_IMODE(path.stat().st_mode) for path in parts] == [0o600] * len(parts)
