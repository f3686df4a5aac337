"""The demo engine behind Ray Serve: what is lost without affinity, what the advice keeps.

    python -m tests.clusters.ray_serve          # `.ci/long ray`; needs ray[serve]

First one address with two replicas, each with jobs of its own. Then what
`notebooks/40_your_own_server.ipynb` advises: one replica for each address, which keeps its jobs on
a disk; half way through 100 jobs one of the replicas is killed. Exit code: 1 when a job is lost or
sent twice, 0 with a sentence where Ray Serve is not installed.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx

from ipyreel.demo.server import DemoConfig, create_app
from ipyreel.jobs.poller import PollPolicy
from ipyreel.jobs.run import JobConfig
from ipyreel.session import Session
from ipyreel.values import VideoRequest

KEY = "sk-cluster-0123456789abcdef"
JOBS, SHOWN, OK = 100, 20, 200
PATIENCE = 180.0
"""Seconds for a killed replica to come back and the jobs to end."""


def engine(folder, *, own_folder):
    """Return an ASGI application for each replica: the demo server, below any prefix."""

    def build():
        home = Path(folder) / (uuid.uuid4().hex if own_folder else "jobs")
        config = DemoConfig(home=home, dialect="openai", stub=True, key=KEY, speed=2)
        app = create_app(config)

        async def below(scope, receive, send):
            if scope["type"] == "http":
                path = scope["path"].removeprefix(scope.get("root_path", ""))
                scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
            await app(scope, receive, send)

        return below

    return build


def deploy(serve, port, name, folder, *, replicas, own_folder):
    """Serve the engine at `/NAME`; returns its base URL."""

    @serve.deployment(
        name=f"engine_{name}",
        num_replicas=replicas,
        ray_actor_options={"num_cpus": 0.1},
        health_check_period_s=1,
    )
    @serve.ingress(engine(folder, own_folder=own_folder))
    class Engine:
        pass

    serve.run(Engine.bind(), name=name, route_prefix=f"/{name}")
    return f"http://127.0.0.1:{port}/{name}/v1"


def without_affinity(url, kill):
    """Create jobs, then ask for each once, and ten times after a replica was killed.

    Returns how many the server did not know at once, and how many it never knew again.
    """
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as http:
        body = {"prompt": "a red balloon", "model": "sora-2", "seconds": "4"}
        made = [http.post(f"{url}/videos", json=body) for _ in range(SHOWN)]
        ids = [reply.raise_for_status().json()["id"] for reply in made]
        missed = [http.get(f"{url}/videos/{one}").status_code for one in ids].count(404)
        kill()
        left = set(ids)
        for _ in range(10):
            left = {one for one in left if http.get(f"{url}/videos/{one}").status_code != OK}
            time.sleep(1)
    return missed, len(left)


def as_advised(urls, folder, kill):
    """Make 100 jobs at two addresses, `kill` one half way.

    Returns the jobs, how many POSTs were lost with the replica, and how many were accepted.
    """
    rows = "".join(
        f'[providers.{name}]\nbase_url = "{url}"\ndialect = "openai"\nkey_vars = ["CLUSTER_KEY"]\n'
        f'routes = ["list"]\n'
        for name, url in urls.items()
    )
    (folder / "ipyreel.toml").write_text(rows)
    environ = {"IPYREEL_HOME": str(folder / "home"), "CLUSTER_KEY": KEY}
    session = Session.open(environ={**environ, "IPYREEL_TRUST": str(folder)}, cwd=folder)
    session.manager.rules = JobConfig(pace=PollPolicy(first=0.2, floor=0.2, cap=1.0))
    ids = []
    for number in range(JOBS):
        if number == JOBS // 2:
            kill()
        name = list(urls)[number % len(urls)]
        request = VideoRequest(prompt=f"balloon {number}", model="sora-2", seconds=4)
        (job,) = session.submit(session.plan(request, provider=name), parallel=8)
        ids.append(job.id)
    settle(session, ids)
    # A POST whose answer was lost with the replica is looked for in the list of jobs. A person
    # sends again what is not there; nothing else does.
    for job in map(session.snapshot, ids):
        if job.status == "unknown":
            session.resume(job.id)
    settle(session, ids)
    lost = [job for job in map(session.snapshot, ids) if job.status == "unknown"]
    ids = [one for one in ids if one not in {job.id for job in lost}]
    ids += [session.again(job).id for job in lost]
    settle(session, ids)
    jobs = [session.snapshot(job_id) for job_id in ids]
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as http:
        pages = [http.get(f"{url}/videos?limit=100").json()["data"] for url in urls.values()]
    session.close()
    return jobs, len(lost), sum(map(len, pages))


def settle(session, ids):
    """Wait until each job has ended, or nobody knows what became of it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        jobs = map(session.snapshot, ids)
        if all(job.ended or job.status == "unknown" for job in jobs):
            return
        time.sleep(0.5)


def main():
    """Show both; return the exit code."""
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("ray.serve") is None:
        print("Ray Serve is not installed (pip install 'ray[serve]'): skipped.")  # noqa: T201 - a command says what it does
        return 0
    import ray  # noqa: PLC0415 - optional
    from ray import serve  # noqa: PLC0415 - optional

    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # on this machine only, for a minute
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        serve.start(http_options={"host": "127.0.0.1", "port": port})

        def kill(app):
            actors = ray.util.list_named_actors(all_namespaces=True)
            one = next(actor for actor in actors if f"SERVE_REPLICA::{app}#" in actor["name"])
            ray.kill(ray.get_actor(one["name"], namespace=one["namespace"]))

        url = deploy(serve, port, "both", folder / "both", replicas=2, own_folder=True)
        missed, gone = without_affinity(url, lambda: kill("both"))
        print(  # noqa: T201 - a command says what it does
            f"ray {ray.__version__}, two replicas at one address: {missed} of {SHOWN} jobs were"
            f" unknown to the replica asked next; {gone} were gone after one was killed."
        )
        serve.delete("both")
        urls = {
            one: deploy(serve, port, one, folder / one, replicas=1, own_folder=False)
            for one in "ab"
        }
        begun = time.monotonic()
        jobs, again, posts = as_advised(urls, folder, lambda: kill("a"))
        done = [job for job in jobs if job.status == "completed" and Path(job.target).exists()]
        print(  # noqa: T201 - a command says what it does
            f"one replica for each address, one killed half way: {len(done)} of {JOBS} jobs"
            f" completed with their file, {posts} accepted, {again} lost before they were accepted"
            f" and sent again, {time.monotonic() - begun:.0f} s."
        )
        serve.shutdown()
    ray.shutdown()
    return 0 if missed and gone and len(done) == JOBS == posts else 1


if __name__ == "__main__":
    sys.exit(main())
