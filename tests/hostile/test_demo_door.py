"""Requests without the key, from pages, or with hostile bodies: the demo server gives nothing."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import resource
import socket
import stat
import struct
import threading
import time
import zlib
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ipyreel.demo.dialects import DIALECTS
from ipyreel.demo.exchange import RequestLog
from ipyreel.demo.render import still
from tests.support.demo import Clock, running_demo

KEY = "door-key-4711"
ASK = {"prompt": "a canary in a coal mine", "seconds": 1, "size": "64x64"}
RIGHT = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Serve with a key, and as `--no-key` does: the API is open, the control routes are not."""
    homes = [tmp_path_factory.mktemp(name) for name in ("closed", "open")]
    with (
        running_demo(homes[0], stub=True, key=KEY) as closed,
        running_demo(homes[1], stub=True, control_key=KEY) as opened,
    ):
        yield closed, opened


def emptied(server):
    """Return a server without jobs and with nothing in its log."""
    for job_id in server.job_ids():
        server.jobs.remove(job_id)
    server.app.log = RequestLog()
    return server


@pytest.fixture
def demo(servers):
    return emptied(servers[0])


@pytest.fixture
def open_demo(servers):
    return emptied(servers[1])


HTTP = httpx.Client(trust_env=False, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all requests: making one reads all certificates of the machine."""


def send(demo, method, path, **options):
    return HTTP.request(method, demo.origin + path, **options)


def create(demo, **options):
    return send(demo, "POST", "/v1/videos", **{"headers": RIGHT, "json": ASK, **options})


# ------------------------------------------------------------------------- without the key


ROUTES = [
    "POST /v1/videos",
    "GET /v1/videos",
    "GET /v1/videos/ID",
    "GET /v1/videos/ID/content",
    "HEAD /v1/videos/ID/content",
    "GET /v1/videos/ID/content?variant=thumbnail",
    "DELETE /v1/videos/ID",
    "POST /v1/videos/ID/remix",
    "POST /v1/videos/edits",
    "POST /v1/videos/extensions",
    "POST /v1/videos/characters",
    "GET /v1/models",
    "GET /__demo__/requests",
    "POST /__demo__/faults",
    "DELETE /__demo__/faults",
    "POST /__demo__/clock",
]
NO_KEYS = [None, "Bearer", "Bearer other", "Bearer *", "Bearer é", KEY, f"Basic {KEY}"]
NO_KEYS.append("Bearer " + "a" * 5000)


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_works_without_the_key(demo, route):
    job = create(demo).json()["id"]
    method, path = route.replace("ID", job).split()
    body = {"json": ASK} if method == "POST" else {}
    for key in NO_KEYS:
        headers = {} if key is None else {"authorization": key.encode()}
        reply = send(demo, method, path, headers=headers, **body)
        assert reply.status_code == 401
        assert KEY not in reply.text
        assert ASK["prompt"] not in reply.text
        assert demo.job_ids() == [job]


def test_the_control_routes_need_their_key_even_where_the_api_is_open(open_demo):
    assert send(open_demo, "POST", "/v1/videos", json=ASK).status_code == 200
    for method, route in (("GET", "requests"), ("POST", "faults"), ("POST", "clock")):
        body = {} if method == "GET" else {"json": {}}
        assert send(open_demo, method, f"/__demo__/{route}", **body).status_code == 401
    assert send(open_demo, "GET", "/__demo__/requests", headers=RIGHT).status_code == 200


@pytest.mark.parametrize("ticket", ["", "0", "a" * 32, "../../../etc/passwd"])
def test_an_address_of_a_video_cannot_be_guessed(demo, ticket):
    job = create(demo).json()["id"]
    path = f"/files/{demo.jobs.stem(job)}-{ticket.replace('/', '%2F')}.mp4"
    assert send(demo, "GET", path).status_code == 404


# ---------------------------------------------------------------- pages: names and origins


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "[::2]"],
)
def test_another_host_name_is_refused(open_demo, host):
    reply = send(open_demo, "GET", "/v1/videos", headers={"host": host})
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("own", "mine", "others"),
    [
        ("lab.example", ["lab.example:8000", "LAB.example"], ["evil.example", "10.0.0.7"]),
        ("0.0.0.0", ["10.0.0.7:8000"], ["evil.example", "10.0.0.7.evil.example"]),  # noqa: S104
    ],
)
def test_a_server_for_others_has_one_more_name(tmp_path, own, mine, others):
    with running_demo(tmp_path, stub=True, key=KEY, host=own) as demo:
        for host in [*mine, *others]:
            reply = send(demo, "GET", "/v1/videos", headers={**RIGHT, "host": host})
            assert reply.status_code == (200 if host in mine else 403), host


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:8888", "https://127.0.0.1", "file://", ""],
)
def test_a_page_of_another_origin_is_refused(open_demo, origin):
    for method, body in (("GET", {}), ("POST", {"json": ASK})):
        reply = send(open_demo, method, "/v1/videos", headers={"origin": origin}, **body)
        assert reply.status_code == 403
        assert not [name for name in reply.headers if name.startswith("access-control")]
    assert open_demo.job_ids() == []


def test_its_own_names_and_origin_are_accepted(open_demo):
    port = urlsplit(open_demo.url).port
    for name in ("127.0.0.1", "localhost", "LocalHost"):
        headers = {"host": f"{name}:{port}", "origin": f"http://{name.lower()}:{port}"}
        assert send(open_demo, "GET", "/v1/videos", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain; application/json", "", "application/jsonp", "text/json"]
)
def test_what_a_page_can_send_without_asking_is_not_read_as_json(open_demo, kind):
    headers = {"content-type": kind}
    reply = send(open_demo, "POST", "/v1/videos", headers=headers, content=json.dumps(ASK))
    assert reply.status_code == 415
    assert open_demo.job_ids() == []


# -------------------------------------------------------------------------------- bodies


def memory():
    """Return the most memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(
    ("kind", "declared"),
    [("application/json", True), ("multipart/form-data; boundary=x", False)],
)
def test_a_body_of_700_megabytes_is_not_held(demo, kind, declared):
    before, sent = memory(), 0
    piece = b" " * 2**20
    if kind.startswith("multipart"):
        first = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    else:
        first = b"{"
    parts = urlsplit(demo.url)
    with socket.create_connection((parts.hostname, parts.port), 20) as sock:
        framing = "content-length: 734003200" if declared else "transfer-encoding: chunked"
        head = f"POST /v1/videos HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: {kind}\r\n"
        sock.sendall(f"{head}authorization: Bearer {KEY}\r\n{framing}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            while sent < 700:
                data = first if sent == 0 else piece
                sock.sendall(data if declared else b"%x\r\n%s\r\n" % (len(data), data))
                sent += 1
        with contextlib.suppress(OSError):
            reply = sock.recv(4096)
            assert reply.startswith(b"HTTP/1.1 413")
    assert sent < 200
    assert memory() - before < 350 * 2**20
    assert create(demo).status_code == 200


def test_a_body_is_not_read_before_the_key_is_seen(demo):
    parts = urlsplit(demo.url)
    with socket.create_connection((parts.hostname, parts.port), 20) as sock:
        head = f"POST /v1/videos HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        sock.sendall(f"{head}content-type: application/json\r\ncontent-length: 9\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "x", "seconds": 1' + b"0" * 400 + b"}",
        b'{"prompt": "x", "seconds": 1e400}',
        b'{"prompt": "x", "seed": 1' + b"0" * 400 + b"}",
        b'{"prompt": "x", "seed": "1' + b"0" * 5000 + b'"}',
        b'{"prompt": "x", "seed": 9223372036854775808}',
        b'{"prompt": "x", "seconds": NaN}',
        b'{"prompt": "x", "metadata": ' + b"[" * 200_000 + b"}",
        b'{"prompt": "x", "metadata": "' + b"{" * 60_000 + b'", "seconds": 0}',
        b'{"prompt": ' * 100_000,
        b'{"prompt": "x", "size": "999999x999999"}',
        b'{"prompt": "x", "size": "' + b"1" * 10_000 + b'x64"}',
        b'{"prompt": "x", "images": [' + b'{"image_url": {"url": 1}},' * 1000 + b"0]}",
        b'{"prompt": "x", "input_reference": {"file_id": "file-1"}}',
        b'{"prompt": "x", "input_reference": 7}',
        # Few bytes each, and in memory thirty times as many.
        b'{"prompt": "x", "metadata": [' + b"{}," * 300_000 + b"0]}",
    ],
    ids=range(15),
)
def test_numbers_and_nesting_out_of_bounds_are_400(demo, body):
    headers = {**RIGHT, "content-type": "application/json"}
    reply = send(demo, "POST", "/v1/videos", headers=headers, content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]
    assert demo.job_ids() == []


@pytest.mark.parametrize(
    "query",
    ["limit=" + "9" * 5000, "limit=%C2%B2", "limit=-0", "after=%00", "order[]=asc&limit=1e9"],
)
def test_queries_out_of_bounds_are_400(demo, query):
    assert send(demo, "GET", f"/v1/videos?{query}", headers=RIGHT).status_code == 400


def test_a_range_out_of_bounds_is_no_crash(tmp_path):
    clock = Clock()
    with running_demo(tmp_path, stub=True, clock=clock) as demo:
        job = send(demo, "POST", "/v1/videos", json=ASK).json()["id"]
        demo.video_bytes(job)  # it is rendered
        clock.later(60)
        for wanted in ("bytes=" + "9" * 5000 + "-", "bytes=-" + "9" * 5000, "bytes=0-²"):
            headers = {"range": wanted.encode()}
            reply = send(demo, "GET", f"/v1/videos/{job}/content", headers=headers)
            assert reply.status_code in {200, 206, 416}


def test_a_form_of_a_million_fields_is_refused(demo):
    form = "&".join(f"a{n}=1" for n in range(100_000))
    headers = {**RIGHT, "content-type": "application/x-www-form-urlencoded"}
    reply = send(demo, "POST", "/v1/videos", headers=headers, content=form)
    assert reply.status_code == 400


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ["prompt", "model", "seconds", "duration", "size", "seed", "n", "image", "images"]
FIELDS += ["input_reference", "video", "metadata", "name", "width", "height", "aspect_ratio"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_body_makes_the_server_fail(tmp_path_factory, dialect):
    routes = ["/v1/videos", "/v1/videos/edits", "/v1/videos/extensions", "/v1/videos/characters"]
    home = tmp_path_factory.mktemp("fuzz")
    with (
        running_demo(home, stub=True, dialect=dialect) as demo,
        httpx.Client(base_url=demo.origin, trust_env=False) as http,
    ):

        @settings(max_examples=15, deadline=None)
        @given(
            st.sampled_from(routes),
            st.dictionaries(st.sampled_from(FIELDS), ANYTHING),
            st.booleans(),
        )
        def attempt(route, fields, prompted):
            fields = {**fields, "prompt": "x", "model": "veo3"} if prompted else fields
            reply = http.post(
                route, content=json.dumps(fields), headers={"content-type": "application/json"}
            )
            assert reply.status_code < 500 or reply.json()["error"]["code"] == "model_not_found"

        attempt()


# -------------------------------------------------------------------------------- images


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(width, height):
    """Return a PNG of a few kilobytes that claims a size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def other_image(kind):
    target = io.BytesIO()
    Image.new("RGB", (64, 64)).save(target, kind)
    return target.getvalue()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/tmp/canary) (w) file\n"


@pytest.mark.parametrize(
    "image",
    [
        EPS,
        b"\xc5\xd0\xd3\xc6" + bytes(60),
        b"\x89PNG\r\n\x1a\n" + EPS,
        other_image("BMP"),
        other_image("TIFF"),
        b"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'/>",
        bomb(13_000, 13_000),
        bomb(2**31 - 1, 2**31 - 1),
        bomb(0, 64),
        b"GIF89a" + b"\xff" * 4 + bytes(20),
        b"\xff\xd8\xff" + b"\xff" * 100_000,
        b"RIFF\x00\x00\x00\x00WEBPVP8X" + bytes(8) + b"\xff" * 6 + bytes(10),
        b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(30),
        b"",
    ],
    ids=range(14),
)
def test_only_four_kinds_of_image_of_a_bounded_size_are_read(demo, image):
    before, began = memory(), time.process_time()
    files = {"prompt": (None, "x"), "input_reference": ("a.png", image, "image/png")}
    reply = send(demo, "POST", "/v1/videos", headers=RIGHT, files=files)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_image"
    assert demo.job_ids() == []
    assert memory() - before < 100 * 2**20
    assert time.process_time() - began < 5


def test_the_renderer_opens_those_four_kinds_only():
    """An EPS never reaches Ghostscript, even if one came past the door."""
    for image in (EPS, other_image("BMP"), other_image("TIFF")):
        with pytest.raises(ValueError, match="input image cannot be read"):
            still("x", seed=1, width=64, height=64, image=image)


# ---------------------------------------------------------------------------- the queue


def test_a_hundred_jobs_may_wait_and_no_more(tmp_path):
    with running_demo(tmp_path, speed=1) as demo:
        gate = threading.Event()
        demo.provider.queue._pool.submit(gate.wait, 60)  # the renderer is busy
        try:
            codes = [send(demo, "POST", "/v1/videos", json=ASK).status_code for _ in range(102)]
            assert codes == [200] * 100 + [429] * 2
            reply = send(demo, "POST", "/v1/videos", json=ASK)
            assert reply.headers["retry-after"]
            assert "waiting" in reply.json()["error"]["message"]
            for job_id in demo.job_ids():
                demo.jobs.remove(job_id)
        finally:
            gate.set()


# ----------------------------------------------------------------------- other local users


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX")
def test_jobs_are_for_their_owner_only(tmp_path):
    old = os.umask(0)
    try:
        with running_demo(tmp_path, speed=1000) as demo:
            image = "data:image/png;base64," + base64.b64encode(other_image("PNG")).decode()
            fields = {**ASK, "input_reference": {"image_url": image}}
            job = send(demo, "POST", "/v1/videos", json=fields).json()["id"]
            demo.video_bytes(job)
            files = [path for path in demo.jobs.folder.iterdir() if path.is_file()]
            assert {path.suffix for path in files} == {".json", ".image", ".mp4"}
            for path in files:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert stat.S_IMODE(demo.jobs.folder.stat().st_mode) == 0o700
    finally:
        os.umask(old)
