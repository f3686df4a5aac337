"""Attacks by a web page in another tab: it must neither read nor change the demo's jobs."""

from __future__ import annotations

import http.server
import json
import threading
from contextlib import contextmanager

import httpx
import pytest

from tests.support.demo import Clock, running_demo
from tests.support.lab import find_chromium, launch_chromium

playwright_api = pytest.importorskip("playwright.sync_api")

CANARY = "canary-prompt-of-the-victim"

ATTACKS = {
    "list by fetch": "read(fetch(demo + '/v1/videos'))",
    "list without cors": "read(fetch(demo + '/v1/videos', {mode: 'no-cors'}))",
    "job by fetch": "read(fetch(demo + '/v1/videos/' + id))",
    "log by fetch": "read(fetch(demo + '/__demo__/requests'))",
    "simple post of JSON": (
        "read(fetch(demo + '/v1/videos', {method: 'POST', mode: 'no-cors',"
        " headers: {'content-type': 'text/plain'}, body: order}))"
    ),
    "post of JSON": (
        "read(fetch(demo + '/v1/videos', {method: 'POST',"
        " headers: {'content-type': 'application/json'}, body: order}))"
    ),
    "post of a form by fetch": (
        "read(fetch(demo + '/v1/videos', {method: 'POST', mode: 'no-cors', body: form()}))"
    ),
    "post of a form by submit": "submit('/v1/videos')",
    "beacon": "(navigator.sendBeacon(demo + '/v1/videos', form()), 'sent')",
    "delete": "read(fetch(demo + '/v1/videos/' + id, {method: 'DELETE'}))",
    "remix by form": "submit('/v1/videos/' + id + '/remix')",
    "faults by form": "submit('/__demo__/faults')",
    "pixels of a video": "pixels(demo + '/v1/videos/' + id + '/content')",
    "video element with cors": "play(demo + '/v1/videos/' + id + '/content', 'anonymous')",
    "frame": "frame(demo + '/v1/videos')",
    "event source": "listen(new EventSource(demo + '/v1/videos'))",
    "web socket": "listen(new WebSocket(demo.replace('http', 'ws') + '/v1/videos'))",
    "a guessed key": (
        "read(fetch(demo + '/v1/videos', {headers: {authorization: 'Bearer sk-guess'}}))"
    ),
}

SCRIPT = """async ([demo, id, order, attack]) => {
  const read = async answer => (await (await answer).text());
  const form = () => { const data = new FormData(); data.append('prompt', 'evil');
    data.append('model', 'demo-1'); return data; };
  const later = () => new Promise(done => setTimeout(done, 500));
  const submit = async path => {
    const target = document.body.appendChild(document.createElement('iframe'));
    target.name = 'target' + Math.random();
    const made = document.body.appendChild(document.createElement('form'));
    Object.assign(made, {action: demo + path, method: 'post', enctype: 'multipart/form-data',
                         target: target.name});
    made.innerHTML = '<input name=prompt value=evil><input name=model value=demo-1>';
    const loaded = new Promise(done => { target.onload = done; });
    made.submit();
    await Promise.race([loaded, later()]);
    try { return target.contentDocument.body.innerText; } catch { return 'not readable'; } };
  const frame = async url => {
    const made = document.body.appendChild(document.createElement('iframe'));
    const loaded = new Promise(done => { made.onload = done; });
    made.src = url;
    await Promise.race([loaded, later()]);
    try { return made.contentDocument.body.innerText; } catch { return 'not readable'; } };
  const play = (url, cors) => new Promise(done => {
    const made = document.body.appendChild(document.createElement('video'));
    if (cors) made.crossOrigin = cors;
    made.onloadedmetadata = () => done('played ' + made.videoWidth);
    made.onerror = () => done('refused');
    made.src = url; });
  const pixels = url => new Promise(done => {
    const made = document.body.appendChild(document.createElement('video'));
    made.muted = true;
    made.onloadeddata = () => {
      const canvas = document.createElement('canvas');
      canvas.getContext('2d').drawImage(made, 0, 0);
      try { done('pixels ' + canvas.toDataURL()); } catch { done('not readable'); } };
    made.onerror = () => done('refused');
    made.src = url; });
  const listen = source => new Promise(done => {
    source.onmessage = event => done('heard ' + event.data);
    source.onopen = () => done('opened');
    source.onerror = () => done('refused'); });
  try { return String(await eval(attack)); } catch (error) { return 'error: ' + error; }
}"""


@contextmanager
def evil_site():
    """Serve an empty page; return its port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>evil</title><body>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    """Return the Chromium of this machine."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with playwright_api.sync_playwright() as playwright:
        rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
        browser = launch_chromium(playwright, executable, rules)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def evil_port():
    with evil_site() as port:
        yield port


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """Return the worst case, a server without a key: (its demo, the id of its only job)."""
    home = tmp_path_factory.mktemp("victim")
    clock = Clock()
    with running_demo(home, stub=True, clock=clock, control_key="sk-of-the-tests") as demo:
        wanted = {"model": "demo-1", "prompt": CANARY, "seconds": "4", "size": "640x360"}
        job_id = httpx.post(f"{demo.url}/videos", json=wanted).json()["id"]
        demo.video_bytes(job_id)
        clock.later(60)  # there is a video to be stolen
        yield demo, job_id


@pytest.fixture(scope="module", params=["127.0.0.1", "evil.example"])
def page(request, chromium, evil_port):
    """Return a page of the attacker, on the same site as the server or on another."""
    page = chromium.new_page()
    page.goto(f"http://{request.param}:{evil_port}/")
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_of_another_origin_reads_and_changes_nothing(page, victim, attack):
    demo, job_id = victim
    order = json.dumps({"model": "demo-1", "prompt": "evil"})
    # By its address, and by a name of the attacker that leads to it.
    for origin in (demo.origin, demo.origin.replace("127.0.0.1", "rebound.example")):
        seen = page.evaluate(SCRIPT, [origin, job_id, order, ATTACKS[attack]])
        assert CANARY not in seen
        assert not seen.startswith(("pixels", "played", "heard", "opened"))
        assert demo.job_ids() == [job_id]


@pytest.mark.browser
def test_a_name_that_leads_to_the_server_makes_no_page_of_it(chromium, victim):
    """A page of that name and port is no other origin: only `Host` tells."""
    demo, _ = victim
    page = chromium.new_page()
    reply = page.goto(demo.url.replace("127.0.0.1", "rebound.example") + "/videos")
    assert reply.status == 403
    page.close()
