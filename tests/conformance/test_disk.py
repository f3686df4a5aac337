"""Jobs on a disk that is full or read-only: a clear error, and the server's id is kept.

Root may write everywhere, so a folder is also blocked by a file in its place.
"""

from __future__ import annotations

import os
import resource
import shutil
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ipyreel.errors import StoreError
from ipyreel.jobs.files import sidecar_path
from tests.conformance.shop import (
    Kernel,
    finals,
    open_shop,
    parts,
    reopened,
    sha256,
    sidecar,
    told,
)
from tests.conformance.table import rule
from tests.support.films import padded

FILM = 3_000_000
ENOUGH = 1_500_000
"""File size limit of a full disk, in bytes: the library fits, the video does not."""


@pytest.fixture(scope="module", params=["openai"])
def shop(request, tmp_path_factory):
    with open_shop(tmp_path_factory.mktemp("shop"), request.param) as shop:
        stub = shop.demo.jobs.folder / "stub.mp4"
        padded(stub, stub, FILM)
        yield shop


@contextmanager
def full_disk(size=0):
    """Let no file of this process grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def check_kept(home, job, *words):
    """The job failed with these words, and the library still has the server's id."""
    assert job.status == "failed"
    for word in (*words, f"%video resume {job.id} downloads it"):
        assert word in told(job)
    assert job.ready
    assert job.remote_id is not None
    assert reopened(home, job.id) == job


def check_resumed(shop, home, job):
    """A new kernel downloads the same job, whose POST is not repeated."""
    with Kernel(shop, home) as kernel:
        again, _ = kernel.resume(job.id)
    assert again.status == "completed", told(again)
    assert again.remote_id == job.remote_id
    assert sha256(Path(again.target)) == again.file.sha256 == shop.film
    assert parts(home) == []
    assert len(shop.seen("create")) == shop.accepted == 1


# -------------------------------------------------------------------------------------- full


def test_a_disk_that_is_full_during_the_download(shop, home):
    shop.open()
    with Kernel(shop, home) as kernel, full_disk(ENOUGH):
        job = kernel.order()
    check_kept(home, job, "File too large", "then resume")
    assert finals(home) == []
    assert 0 < max(path.stat().st_size for path in parts(home)) <= ENOUGH
    check_resumed(shop, home, job)
    assert any(one.range for one in shop.seen("content", "file"))


def test_a_disk_that_is_full_before_anything_is_sent(shop, home):
    shop.open()
    with Kernel(shop, home) as kernel, full_disk(), pytest.raises(StoreError) as caught:
        kernel.order()
    assert "free some space" in caught.value.hint
    assert shop.seen() == []


def test_a_disk_that_fills_right_before_the_post_keeps_it_back(shop, home):
    shop.open()
    with ExitStack() as full, Kernel(shop, home) as kernel:
        job = kernel.order(on_submitted=lambda: full.enter_context(full_disk()))
    assert shop.seen("create") == []
    assert "free some space" in told(job)
    # The job could not be released, either: it is free, since its session has ended.
    with Kernel(shop, home) as kernel:
        again, _ = kernel.resume(job.id)
    assert again.status == "completed"
    assert len(shop.seen("create")) == 1


def test_a_disk_that_fills_while_the_post_is_answered_loses_no_id(shop, home):
    # The answer takes half a second, so that the disk is full when it is here.
    shop.open(rule("create", slow=1000))
    with ExitStack() as full:

        def fill_when_accepted():
            while not shop.accepted:
                pass
            full.enter_context(full_disk())

        def on_wait(_seconds):
            if len(kernel.waits) == 1:
                full.close()

        with Kernel(shop, home, on_wait=on_wait) as kernel:
            filler = threading.Thread(target=fill_when_accepted)
            job = kernel.order(on_submitted=filler.start)
            filler.join()
    assert job.status == "completed", told(job)
    assert any("could not be used" in (one.note or "") for one in kernel.seen)
    assert reopened(home, job.id) == job
    assert job.remote_id == shop.demo.job_ids()[0]


# ---------------------------------------------------------------------------------- read-only


def block(folder):
    """Replace a folder by a file."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.write_text("no folder")


def forbid(folder):
    folder.mkdir(exist_ok=True)
    folder.chmod(0o500)


def allow(folder):
    if folder.is_dir():
        folder.chmod(0o700)
    else:
        folder.unlink()


READ_ONLY = [
    block,
    pytest.param(
        forbid, marks=pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    ),
]


@pytest.mark.parametrize("close", READ_ONLY)
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_sent(shop, home, close):
    shop.open()
    close(home / "videos")
    with Kernel(shop, home) as kernel, pytest.raises(StoreError) as caught:
        kernel.order()
    allow(home / "videos")
    assert str(home / "videos") in caught.value.message
    assert "--output" in caught.value.hint
    assert shop.seen() == []


@pytest.mark.parametrize("close", READ_ONLY)
def test_a_folder_that_cannot_be_written_any_more(shop, home, close):
    shop.open()

    def on_wait(_seconds):
        if len(kernel.waits) == 1:
            close(home / "videos")

    with Kernel(shop, home, on_wait=on_wait) as kernel:
        job = kernel.order()
    allow(home / "videos")
    check_kept(home, job, f"The folder {home / 'videos'} cannot be written", "--output")
    check_resumed(shop, home, job)


# --------------------------------------------------------------------------------- file exists


def order_with(shop, home, make):
    """Submit while `make(target)` creates an obstacle."""

    def on_wait(_seconds):
        if len(kernel.waits) == 1:
            make(Path(kernel.session.history()[0].target))

    with Kernel(shop, home, on_wait=on_wait) as kernel:
        return kernel.order()


@pytest.mark.parametrize("size", [10, FILM])
def test_a_file_that_is_there_is_not_overwritten(shop, home, size):
    shop.open()
    data = bytes(size)
    job = order_with(shop, home, lambda target: target.write_bytes(data))
    check_kept(home, job, "was not overwritten", "Move it away")
    target = Path(job.target)
    assert target.read_bytes() == data
    target.rename(target.with_suffix(".aside"))
    check_resumed(shop, home, job)
    assert target.with_suffix(".aside").read_bytes() == data


def test_an_explanation_of_something_else_is_left_alone(shop, home):
    shop.open()
    job = order_with(shop, home, lambda target: sidecar_path(target).write_text("{}"))
    assert job.status == "completed"
    assert "was not changed" in job.note
    assert sidecar(Path(job.target)) == {}
    assert sha256(Path(job.target)) == shop.film


def test_a_part_of_something_else_does_not_get_into_the_film(shop, home):
    shop.open()
    job = order_with(
        shop, home, lambda target: target.with_name(target.name + ".part").write_bytes(b"x" * 999)
    )
    assert job.status == "completed"
    assert sha256(Path(job.target)) == shop.film
    assert [path.read_bytes() for path in parts(home)] == [b"x" * 999]
