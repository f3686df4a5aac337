"""Media types by the first bytes, and addresses of videos in answers."""

import pytest

from ipyreel.wire.job_fields import read_envelope
from ipyreel.wire.media_types import sniff


@pytest.mark.parametrize(
    ("first", "media_type"),
    [
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00", "video/quicktime"),
        (b"\x1aE\xdf\xa3\x01\x00\x00\x00", "video/webm"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "video/x-msvideo"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"XXXX\x00\x00\x00\x00WEBPVP8 ", None),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
        (b'{"error":{"message":"no"}}', None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_a_file_is_known_by_its_first_bytes(first, media_type):
    assert sniff(first) == media_type


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (b'"https://h/x.mp4"', "https://h/x.mp4"),
        (b'["https://h/x.mp4"]', "https://h/x.mp4"),
        (b'{"data":{"result_url":"https://h/x.mp4"}}', "https://h/x.mp4"),
        (b'{"Response":{"FileUrl":"https://h/x.mp4?s=1"}}', "https://h/x.mp4?s=1"),
        (b'{"input":{"FileUrl":"https://h/x.mp4"}}', None),
        (b'{"url":"ftp://h/x.mp4"}', None),
        (b'{"url":"javascript:alert(1)"}', None),
        (b'{"url":"https://h/a b.mp4"}', "https://h/a%20b.mp4"),
        (b'{"url":"https://h/no such job: x"}', None),
        (b'{"error":{"message":"no"},"url":"https://h/x.mp4"}', None),
        (b"null", None),
        (b"\x00\x00\x00\x20ftypisom", None),
    ],
)
def test_an_envelope_names_its_film(body, url):
    assert read_envelope(body) == url
