"""Random orders of what can happen to kernels: at most one POST per job may be accepted.

Everything runs on one thread and on made-up time. A kernel that is stopped gets no turn; one that
is killed never gets one again; on another host it can only be watched for its beats.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyreel.catalog import Provider
from ipyreel.errors import StoreError, SubmissionUnknown, TransportError
from ipyreel.jobs import manager as manager_module
from ipyreel.jobs import store as store_module
from ipyreel.jobs.manager import JobManager
from ipyreel.jobs.owners import BEAT, SILENCE
from ipyreel.jobs.run import JobConfig
from ipyreel.jobs.store import JobStore
from ipyreel.values import Failure, VideoPage, VideoRequest
from tests.jobs.fakes import START, make_job, video

KERNELS = 3
TURNS = 40
"""Turns of the loop after which all work that can continue has done so."""

ACTING = contextvars.ContextVar("acting")
"""The kernel whose code runs."""

ANSWERS = ("at once", "lost", "late", "refused", "refused, then at once")

STEPS = st.sampled_from([0, 1, 2, 3, 5, 8, TURNS])
"""Turns until the next thing happens: kernels are stopped and killed in the middle of work."""

KERNEL = st.integers(0, KERNELS - 1)
JOB = st.integers(0, 1)
RESUME = st.tuples(st.just("resume"), KERNEL, JOB, st.booleans(), st.booleans())
HOW = st.sampled_from(["take", "stale", "watch"])
OVERTAKE = st.tuples(st.just("overtake"), KERNEL, JOB, HOW, STEPS)
SEND = st.tuples(st.just("send"), KERNEL, st.sampled_from(ANSWERS))
ACTIONS = st.one_of(
    SEND,
    st.tuples(st.sampled_from(["stop", "wake", "kill"]), KERNEL),
    st.tuples(st.sampled_from(["stop", "wake"]), KERNEL),
    RESUME,
    RESUME,
    # A kernel is stopped in the middle of its work, and goes on after another had its turn.
    OVERTAKE,
    OVERTAKE,
    st.tuples(st.just("delete"), KERNEL, JOB),
    st.just(("move",)),
    st.just(("sleep",)),
    st.tuples(st.just("pass"), st.sampled_from([0.0, 2.0, 6.0, 31.0, 70.0])),
    st.just(("answer",)),
)


class Owned(JobStore):
    """A store that notes which write or claim of a job breaks a rule.

    It is not raised: the manager would take it for a bug of one job.
    """

    kernel: Kernel

    def save(self, job):
        before = self._current().get(job.id)
        super().save(job)
        self._check(job, before)

    def mark_sent(self, job):
        before = self._current().get(job.id)
        super().mark_sent(job)
        if before and (before.sent_at is not None or before.remote_id is not None):
            self._note(f"marked {job.id} as sent twice")
        self._check(job, before)

    def _check(self, job, before):
        ((owner,),) = self.database.rows("SELECT owner FROM jobs WHERE id = ?", (job.id,))
        if owner != self.owner:
            self._note(f"wrote {job.id} of {owner}")
        if before and before.remote_id not in {None, job.remote_id}:
            self._note(f"forgot that {job.id} is {before.remote_id}")
        if before is None and self.database.identity in self.kernel.world.deleted.get(job.id, ()):
            self._note(f"wrote the deleted {job.id}")

    def claim(self, job_id, *, silent=None, take=False, check=bool):
        before = self._current().sighting(job_id)
        claimed = super().claim(job_id, silent=silent, take=take, check=check)
        world, owner = self.kernel.world, before and before.owner
        if claimed and owner not in {None, self.owner} and not self.kernel.takes:
            alive = world.is_alive(owner)
            silence = self.kernel.looked - world.named(owner).heard.get(self.owner, 0.0)
            if alive or (alive is None and silence < SILENCE):
                self._note(f"took {job_id} from {owner}, silent for {silence} s")
        return claimed

    def beat(self):
        self.kernel.heard = {one.name: one.looked for one in self.kernel.world.kernels}
        return super().beat()

    def _current(self):
        """Have the file open that stands there now: reading alone goes on in a moved one."""
        self.database.change(lambda _connection: None)
        return self

    def _note(self, what):
        self.kernel.world.broken.append(f"{self.owner} {what}")


@dataclass
class Server:
    """Accepts POSTs; `plans` says for each prompt what becomes of them, in order."""

    plans: dict[str, list[str]] = field(default_factory=dict)
    accepted: dict[str, list[str]] = field(default_factory=dict)
    late: asyncio.Event = field(default_factory=asyncio.Event)

    def post(self, prompt):
        """Take a POST; returns what becomes of it."""
        plan = self.plans[prompt]
        fate = plan.pop(0) if len(plan) > 1 else plan[0]
        if fate != "refused":
            self.accepted.setdefault(prompt, []).append(f"r-{prompt}")
        return fate


class Kernel:
    """A process: its store, its manager, and whether it gets any turns."""

    def __init__(self, world, number):
        self.world, self.alive, self.takes = world, True, False
        # Seconds awake; how long each kernel had looked at our last beat; seconds asleep since.
        self.awake, self.heard, self.asleep = 0.0, {}, 0.0
        self.host = number % 2
        self.name = f"kernel {number} of host {self.host}"
        self.turns = asyncio.Event()
        self.turns.set()
        self.tasks = []
        self.provider = Provider(name="fake", title="fake", routes=frozenset({"list"}))
        self.store = Owned(world.path, owner=self.name, monotonic=world.clock)
        self.store.kernel = self
        self.manager = JobManager(
            store=self.store,
            loop=self,
            connect=self.connect,
            rules=JobConfig(
                clock=lambda: START + world.clock(),
                monotonic=world.clock,
                sleep=self.sleep,
                chance=lambda: 0.5,
                deadline=1e9,
            ),
        )

    @property
    def looked(self):
        """Seconds in which it looked; who wakes counts two beats of its sleep at most."""
        return self.awake + min(self.asleep, 2 * BEAT)

    # what the manager asks of its loop

    def submit(self, work):
        future = concurrent.futures.Future()
        with self.acting():
            task = asyncio.ensure_future(work)
        task.add_done_callback(self.world.note)
        self.tasks.append(task)
        return future

    def inside(self):
        return True

    @contextlib.contextmanager
    def acting(self):
        """Mark what is done, and the tasks begun meanwhile, as this process's."""
        before = ACTING.set(self)
        yield
        ACTING.reset(before)

    # the time, and the client, of this process

    async def sleep(self, seconds):
        await self.world.until(seconds)
        await self.turn()

    async def turn(self):
        """Wait until this process runs; a dead one never does."""
        await asyncio.sleep(0)
        while not self.turns.is_set():
            await self.turns.wait()
        # What it slept counts once it looks again, so that two sleeps are not taken for one.
        self.awake, self.asleep = self.looked, 0.0

    async def connect(self, _provider, _base_url):
        await self.turn()
        return self

    async def create(self, request, *, on_send):
        for _ in range(2):
            on_send(True)  # noqa: FBT003 - the shape of OnSend
            await self.turn()
            fate = self.world.server.post(request.prompt)
            await self.turn()
            if fate != "refused":
                break
            on_send(False)  # noqa: FBT003 - the shape of OnSend
            await self.sleep(1.0)
        if fate == "refused":
            raise TransportError("connection refused")
        if fate == "lost":
            raise SubmissionUnknown("no answer came")
        if fate == "late":
            await self.world.server.late.wait()
            await self.turn()
        return video(remote_id=f"r-{request.prompt}")

    async def retrieve(self, remote_id):
        await self.turn()
        assert [remote_id] == self.world.server.accepted[remote_id.removeprefix("r-")]
        return video("failed", remote_id=remote_id, failure=Failure(message="policy"))

    async def list(self, *, limit, after):
        await self.turn()
        assert (limit, after) == (100, None)
        found = [one for ids in self.world.server.accepted.values() for one in ids]
        return VideoPage(
            jobs=tuple(
                video(
                    remote_id=one,
                    prompt=one.removeprefix("r-"),
                    model="m-1",
                    created_at=START + self.world.clock(),
                )
                for one in found
            )
        )


def move_away(path):
    for ending in ("-wal", "-shm", ""):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(path.with_name(f"aside{ending}"))


class World:
    """Kernels on one library, a server, and time."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "library.sqlite"
        self.now, self.sleepers, self.broken = 0.0, [], []
        self.server = Server()
        self.kernels = [Kernel(self, number) for number in range(KERNELS)]
        self.jobs, self.deleted, self.moved = [], {}, False

    def named(self, owner):
        return next(one for one in self.kernels if one.name == owner)

    def clock(self):
        return self.now

    async def until(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now + seconds, woken))
        await woken

    def note(self, task):
        if not task.cancelled() and task.exception() is not None:
            self.broken.append(task.exception())

    def is_alive(self, owner):
        """Answer as `owners.is_alive` does for the kernel that is doing something now."""
        found = self.named(owner)
        return None if found.host != ACTING.get().host else found.alive

    async def do_pass(self, seconds):
        end = self.now + seconds
        while True:
            due = sorted((at for at, _ in self.sleepers if at <= end))
            if not due:
                break
            self._age(max(self.now, due[0]))
            for at, woken in [one for one in self.sleepers if one[0] <= self.now]:
                self.sleepers.remove((at, woken))
                if not woken.done():
                    woken.set_result(None)
            await self.settle()
        self._age(end)

    def _age(self, now):
        for kernel in self.kernels:
            if kernel.turns.is_set():
                kernel.awake, kernel.asleep = kernel.looked + now - self.now, 0.0
            else:
                kernel.asleep += now - self.now
        self.now = now

    async def settle(self, turns=TURNS):
        for _ in range(turns):
            await asyncio.sleep(0)
        assert not self.broken, self.broken

    async def do(self, turns, action, *of):
        if action in {"pass", "answer", "move", "overtake", "sleep"}:
            await getattr(self, f"do_{action}")(*of)
        else:
            self.act(self.kernels[of[0]], action, *of[1:])
        await self.settle(turns)
        for prompt, accepted in self.server.accepted.items():
            assert len(accepted) == 1, f"{prompt} was sent twice"

    def act(self, kernel, action, *of):
        if action == "kill":
            kernel.alive = False
            kernel.turns.clear()
        elif not kernel.alive:
            pass
        elif action == "stop":
            kernel.turns.clear()
        elif action == "wake":
            kernel.turns.set()
        elif kernel.turns.is_set():
            self.command(kernel, action, *of)

    async def do_answer(self):
        self.server.late.set()

    def command(self, kernel, action, *of):
        if action == "send":
            prompt = f"p{len(self.jobs)}"
            self.server.plans[prompt] = [part.strip() for part in of[0].split(", then")]
            job = make_job(self.folder, request=VideoRequest(prompt=prompt, model="m-1"))
            self.jobs.append(job)
            with kernel.acting():
                kernel.manager.submit(job)
        else:
            job = self.job(of[0])
            with contextlib.suppress(StoreError), kernel.acting():
                if action == "delete":
                    self.delete(kernel, job)
                else:
                    self.resume(kernel, job, *of[1:])

    def job(self, which):
        return self.jobs[-1 - min(which, len(self.jobs) - 1)]

    def resume(self, kernel, job, take, stale):
        """Resume a job; `stale`: as it was when it was made, as an old handle has it."""
        kernel.takes = take
        found = kernel.store.get(job.id)
        if found is not None:
            kernel.manager.resume(job if stale else found, take=take)
        kernel.takes = False

    def delete(self, kernel, job):
        kernel.takes = True
        if kernel.store.claim(job.id, take=True):
            kernel.store.delete(job.id)
            self.deleted.setdefault(job.id, []).append(kernel.store.database.identity)
        kernel.takes = False

    async def do_move(self):
        """Move the library away, as a kernel does that finds it damaged; once is enough."""
        if not self.moved:
            self.moved = True
            move_away(self.path)

    async def do_sleep(self):
        """Have everybody sleep for a while, as the containers of one laptop do."""
        awake = [kernel for kernel in self.kernels if kernel.turns.is_set()]
        for kernel in awake:
            kernel.turns.clear()
        await self.do_pass(70.0)
        for kernel in awake:
            kernel.turns.set()

    async def do_overtake(self, quick, which, how, turns):
        """Stop the kernel that has a job, have another one resume it, and let the first go on."""
        job, quick = self.job(which), self.kernels[quick]
        sighting = quick.store.sighting(job.id)
        slow = self.named(sighting.owner) if sighting and sighting.owner else quick
        if slow is quick or not (slow.alive and quick.alive):
            return
        slow.turns.clear()
        quick.turns.set()
        self.command(quick, "resume", which, how == "take", how == "stale")
        await self.settle(turns)
        if how == "watch":
            await self.do_pass(70.0)
        slow.turns.set()

    async def end(self):
        """Let everybody wake, let time pass, and see what the library says."""
        self.server.late.set()
        for kernel in self.kernels:
            if kernel.alive:
                kernel.turns.set()
        await self.settle()
        await self.do_pass(400.0)
        library = JobStore(self.path, owner="who looks")  # a dead kernel has the old file open
        for job in self.jobs:
            row = library.get(job.id)
            if row is None:
                assert self.moved or job.id in self.deleted
            elif self.server.accepted.get(job.request.prompt):
                # Known by its id, or at least as one that may have arrived.
                assert row.remote_id is not None or row.sent_at is not None
        library.close()
        for kernel in self.kernels:
            for task in kernel.tasks:
                task.cancel()
            await asyncio.gather(*kernel.tasks, return_exceptions=True)
            if kernel.manager._beating is not None:
                kernel.manager._beating.cancel()
            kernel.store.close()


@settings(max_examples=120, deadline=None)
@given(st.tuples(STEPS, SEND), st.lists(st.tuples(STEPS, ACTIONS), min_size=5, max_size=30))
def test_in_any_order_a_job_is_sent_once_and_written_by_its_owner(tmp_path_factory, first, actions):
    folder = tmp_path_factory.mktemp("world")

    async def play():
        world = World(folder)
        with pytest.MonkeyPatch.context() as patch:
            for module in (store_module, manager_module):
                patch.setattr(module, "is_alive", world.is_alive)
            for turns, action in [first, *actions]:
                await world.do(turns, *action)
            await world.end()

    asyncio.run(play())
