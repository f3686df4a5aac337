"""The part file: what is written and kept, and how it gets its final name."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from ipyreel.client import part as part_module
from ipyreel.client.part import Part, disk_errors
from ipyreel.client.part_record import PartRecord, ProcessMemory, Source, content_range
from ipyreel.errors import DownloadError
from tests.client.support.films import mp4
from tests.client.support.windows import FakeMsvcrt

FILM = mp4(b"abc" * 1000)
SOURCE = Source(address="https://host/film", etag='"one"', length=len(FILM))


@pytest.fixture
def memory(tmp_path):
    return ProcessMemory(tmp_path / "clip.mp4")


@pytest.fixture
def part(memory):
    part = Part(memory.target, memory)
    part.open()
    yield part
    part.close()


def filled(part, data=FILM):
    part.restart(SOURCE)
    part.write([data[:100], data[100:]])
    part.sync()
    return part


def test_bytes_are_hashed_as_they_come(part):
    filled(part)
    assert part.size == len(FILM)
    assert part.sha256 == hashlib.sha256(FILM).hexdigest()
    assert part.is_complete


def reopened(memory):
    again = Part(memory.target, memory)
    again.open()
    return again


def test_a_reopened_part_knows_its_bytes(part, memory):
    part.restart(SOURCE)
    part.write([FILM[:700]])
    part.close()
    again = reopened(memory)
    assert (again.path, again.size, again.source) == (part.path, 700, SOURCE)
    again.write([FILM[700:]])
    assert again.sha256 == hashlib.sha256(FILM).hexdigest()
    again.close()


def test_a_record_survives_being_written_down(part, memory):
    for _ in range(2):
        record = memory.load()
        assert PartRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
        part.restart(SOURCE)


def test_a_part_that_was_replaced_is_not_published(part):
    filled(part)
    part.path.rename(part.path.with_name("aside"))
    part.path.write_bytes(FILM)
    with pytest.raises(DownloadError, match="another file now has the name"):
        part.publish("video/mp4")
    assert not part.target.exists()


def test_a_part_in_another_folder_is_removed_and_begun_anew(part, memory, tmp_path):
    filled(part)
    part.close()
    (tmp_path / "elsewhere").mkdir()
    moved = Part(tmp_path / "elsewhere" / "clip.mp4", memory)
    moved.open()
    assert moved.size == 0
    assert not part.path.exists()
    moved.close()


def test_a_longer_part_from_before_is_cut_to_what_came(part):
    filled(part, FILM + b"x" * 5000)
    part.restart(SOURCE)
    part.write([FILM])
    part.sync()
    assert part.path.read_bytes() == FILM


def test_without_hard_links_the_name_is_claimed_first(part, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    filled(part)
    assert part.publish("video/mp4").read_bytes() == FILM
    assert [path.name for path in part.target.parent.glob("clip*")] == ["clip.mp4"]
    other = Part(part.target, ProcessMemory(part.target))
    other.open()
    other.restart(Source(address="x"))
    other.write([b"other"])
    with pytest.raises(DownloadError, match="not overwritten"):
        other.publish("video/mp4")
    assert part.target.read_bytes() == FILM


@pytest.mark.parametrize("links", [True, False])
def test_the_empty_claim_of_a_kernel_killed_in_the_move_is_taken_over(part, monkeypatch, links):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    part.target.touch()
    filled(part)
    assert part.publish("video/mp4").read_bytes() == FILM
    assert [path.name for path in part.target.parent.glob("clip*")] == ["clip.mp4"]


def test_a_link_to_an_empty_file_is_not_taken_over(part, tmp_path):
    (tmp_path / "other").touch()
    part.target.symlink_to(tmp_path / "other")
    filled(part)
    with pytest.raises(DownloadError, match="not overwritten"):
        part.publish("video/mp4")
    assert part.target.is_symlink()


def test_a_claim_that_cannot_be_used_is_given_up(part, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    filled(part)
    with pytest.raises(DownloadError) as caught:
        part.publish("video/mp4")
    assert not part.target.exists()
    assert Path(caught.value.path).read_bytes() == FILM


def test_a_part_whose_kernel_was_killed_while_it_was_created_is_removed(memory, monkeypatch):
    killed = Part(memory.target, memory)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            killed.open()
    assert killed.path.exists()
    part = reopened(memory)
    assert [part.path] == list(memory.target.parent.glob("clip*"))
    part.close()
    # What lies there by now, and is not empty, is not ours.
    part.path.write_bytes(b"mine")
    memory.save(PartRecord(path=part.path))
    reopened(memory).close()
    assert part.path.read_bytes() == b"mine"


def test_where_there_are_no_locks_it_goes_on(memory, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(part_module.fcntl, "flock", refuse)
    assert filled(reopened(memory)).publish("video/mp4").exists()


@pytest.fixture(params=["posix", "windows"])
def kind(request, monkeypatch):
    """The class `Part` as this system has it, and as Windows has it."""
    if request.param == "posix":
        return Part
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", FakeMsvcrt())
    spec = importlib.util.spec_from_file_location("part_on_windows", part_module.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.Part


def test_one_writer_at_a_time(kind, memory):
    part, other = kind(memory.target, memory), kind(memory.target, memory)
    part.open()
    with pytest.raises(DownloadError, match="Another program"):
        other.open()
    other.close()
    part.write([FILM])
    part.close()
    again = kind(memory.target, memory)
    again.open()
    assert again.path == part.path
    filled(again)
    assert again.publish("video/mp4").read_bytes() == FILM


def test_a_part_that_was_closed_before_it_opened_stays_closed(tmp_path, memory):
    part = Part(memory.target, memory)
    part.close()
    part.open()
    assert list(tmp_path.glob("clip*")) == []


def test_a_closed_part_says_so(part):
    part.close()
    with pytest.raises(DownloadError, match="closed"):
        part.write([b"x"])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "may write to"),
        (errno.EACCES, "may write to"),
        (errno.ENOENT, "Create the folder"),
        (errno.EFBIG, "files of this size"),
    ],
)
def test_every_refusal_of_the_disk_says_what_to_do(tmp_path, code, words):
    with pytest.raises(DownloadError) as caught, disk_errors(tmp_path / "a", tmp_path / "b"):
        raise OSError(code, os.strerror(code))
    assert os.strerror(code) in caught.value.message
    assert words in caught.value.hint
    assert caught.value.path == str(tmp_path / "b")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 10-99/100", (10, 100)),
        ("bytes 10-99/*", (10, None)),
        ("bytes */100", (None, 100)),
        ("items 1-2/3", (None, None)),
        ("bytes 1-2", (None, None)),
        ("", (None, None)),
        (f"bytes 0-9/{'9' * 5000}", (None, None)),
        (f"bytes {'9' * 5000}-9/10", (None, None)),
    ],
)
def test_content_ranges_are_read(text, found):
    assert content_range({"content-range": text}) == found


def test_weak_tags_are_not_trusted_and_queries_not_written_down():
    source = Source.of("https://u:p@host/a?sig=secret", {"etag": 'W/"x"'}, 5)
    assert source == Source(address="https://host/a", length=5)
    assert source.validator is None


@pytest.mark.parametrize("etag", ['"\xe9"', '"a\nb"', "one", '"a"b"', '"' + "x" * 500 + '"', '""x'])
def test_a_validator_that_cannot_be_sent_is_none(etag):
    headers = {"etag": etag, "last-modified": "\u65e5"}
    assert Source.of("https://host/a", headers, 5).validator is None
