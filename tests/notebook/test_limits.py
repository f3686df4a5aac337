"""Limits hold whatever the entrance, zero is one of them, and they can be taken back."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest
from IPython.core.error import UsageError

import ipyreel
from ipyreel.catalog.rows import Price
from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.notebook import api
from ipyreel.notebook.panels import gallery
from ipyreel.notebook.panels.form import open_form
from ipyreel.notebook.panels.gallery import Gallery
from ipyreel.session import Session
from ipyreel.settings import LIMITS, READERS
from ipyreel.values import VideoRequest
from tests.notebook.conftest import JUPYTER, hurry

PRICE = Decimal("0.1")
"""USD for each second of the lab's model; the entrances below make 2 seconds."""


@pytest.fixture
def lab(reel, live, monkeypatch):
    """The demo provider as one that charges; returns how many jobs were sent."""
    monkeypatch.setattr(gallery, "PAGE", 1)  # nobody looks at its tiles, and each takes a while
    price(api.screen().session)
    reel.user_ns["ipyreel"] = ipyreel
    return live.posts


def price(session):
    """Have the lab's model cost `PRICE`."""
    row = session.catalog.model("demo-1", session.catalog.provider("demo"))
    model = replace(row, prices=(Price(usd_per_second=PRICE),), providers=(), open_sizes=True)
    models = {**session.catalog.models, "demo-1": model}
    lab = replace(session.catalog.provider("lab"), default_model="demo-1")
    session.catalog = replace(
        session.catalog,
        models=MappingProxyType(models),
        providers=MappingProxyType({**session.catalog.providers, "lab": lab}),
    )


# ---- every limit x every layer x every entrance x {set, zero, taken back} -------------------

ROWS = [{"seed": 1}, {"seed": 2}]
CLIP = {"prompt": "A boat", "seconds": 2, "size": "64x64"}
SEEDS = {**CLIP, "seconds": 1, "seed": [1, 2]}
REQUEST = VideoRequest(**CLIP)
LEFT = VideoRequest(prompt="A job that was left unsent", seconds=2, size="64x64")


def cell(line, prompt="A boat"):
    def send(shell, _done, _left, max_cost=None):
        limit = "" if max_cost is None else f"--max-cost {max_cost}"
        return shell.run_cell(f"%%video --size 64x64 {line} {limit}\n{prompt}")

    return send


def by_verb(how):
    def send(shell, done, _left, max_cost=None):
        limit = "" if max_cost is None else f"--max-cost {max_cost}"
        return shell.run_cell(f"%video {how} {done} {limit} at night")

    return send


def by_job(how):
    return lambda _shell, done, _left, **limit: getattr(api.job(done), how)("at night", **limit)


def by_form(_shell, _done, _left):
    form = open_form(api.screen(), REQUEST, "lab")
    form._submit.click()
    return form.status.value


def by_gallery(how):
    def send(_shell, done, _left):
        opened = Gallery(api.screen())
        opened.opened.look_at(api.job(done).snapshot)
        opened.opened._ask_prompt(how)
        asked, bar = opened.opened._asked.children
        asked.children[0].value = "at night"
        bar.children[0].click()
        return opened.status.value

    return send


CHAINS = ("remix", "edit", "extend")
LIMITED = {
    "%%video": cell("-s 2"),
    "%%video --vary": cell("-s 1 --vary seed=1,2"),
    "%%video --count": cell("-s 1 -n 2"),
    "%%video with ---": cell("-s 1", "A boat\n---\nA ship"),
    "%%video --rows": cell("-s 1 --rows $rows"),
    "submit": lambda *_, **limit: ipyreel.submit(**CLIP, **limit),
    "sweep": lambda *_, **limit: ipyreel.sweep(**SEEDS, **limit),
    **{f"%video {how}": by_verb(how) for how in CHAINS},
    **{f"job.{how}": by_job(how) for how in CHAINS},
}
"""What sends 2 seconds for 0.20 USD, given a shell, a finished job's id and an unsent one's.

These take a limit of their own, `max_cost`.
"""

ENTRANCES = {
    **LIMITED,
    "%%video --reuse, left unsent": cell("-s 2 --reuse", LEFT.prompt),
    "%video resume": lambda shell, _done, left: shell.run_cell(f"%video resume {left}"),
    "sweep, rows": lambda *_: ipyreel.sweep("A boat", seconds=1, size="64x64", rows=ROWS),
    "resume": lambda _shell, _done, left: ipyreel.resume(left),
    "Retry on a card": lambda _shell, done, _left: api.screen()._again(done),
    "the form": by_form,
    **{f"{how} in the gallery": by_gallery(how) for how in CHAINS},
}


def by_use(name, value, _shell, _monkeypatch):
    value = "none" if name == "provider" and value is None else value
    ipyreel.use(**{name: value})


def by_use_verb(name, value, shell, _monkeypatch):
    shell.run_cell(f"%video use {name}={'none' if value is None else value}")


def by_config(name, value, shell, _monkeypatch):
    shell.run_cell(f"%config VideoMagics.{name} = {value!r}")


def by_environment(name, value, _shell, monkeypatch):
    variable = f"IPYREEL_{name.upper()}"
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, str(value))


def write(path, name, value):
    """Set a line of an `ipyreel.toml`, or take it out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if not line.startswith(f"{name} =")]
    said = [] if value is None else [f"{name} = {json.dumps(value)}"]
    path.write_text("\n".join([*said, *kept]), encoding="utf-8")


def by_user(name, value, _shell, _monkeypatch):
    write(Path("..", "home", "ipyreel.toml"), name, value)


def by_site(name, value, _shell, monkeypatch):
    site = Path("..", "etc").absolute()
    write(site / "ipyreel" / "ipyreel.toml", name, value)
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(site))


def by_folder(name, value, _shell, _monkeypatch):
    write(Path("ipyreel.toml"), name, value)


BEFORE = (by_environment, by_user, by_site, by_folder)
LAYERS = (by_use, by_config, *BEFORE)
"""How a limit is set: in the kernel, where it counts at once, or before the kernel starts."""


def said_by(entrance, *given, **limit):
    """Return what the entrance raised or shows."""
    try:
        return str(entrance(*given, **limit))
    except (UsageError, VideoError) as error:
        return str(error)


def restart():
    """Begin a new session, which reads its files and the environment."""
    api.close()
    hurry()
    price(api.screen().session)
    api.screen().host = JUPYTER


@pytest.fixture
def done(reel, lab):  # noqa: ARG001 - its prices
    """The id of a job that is finished."""
    reel.user_ns["rows"] = ROWS
    restart()
    return reel.run_cell("%%video -s 2 --size 64x64 -w\nA boat").result.id


def left_unsent():
    """Write a job into the library that an ended kernel had not sent; return its id."""
    session = api.screen().session
    job = session.plan(LEFT).job
    session.store.insert(job)
    session.store.release(job.id)
    return job.id


@pytest.mark.parametrize("limit", LIMITS)
def test_every_limit_holds_at_every_entrance(reel, lab, done, limit, monkeypatch):
    left = left_unsent()
    for usd in (0.19, 0):
        by_use(limit, usd, reel, monkeypatch)
        before = lab(), len(api.history())
        for name, entrance in ENTRANCES.items():
            said = said_by(entrance, reel, done, left)
            assert "would cost about 0.20 USD" in said, (name, usd, said)
            assert (lab(), len(api.history())) == before, (name, usd)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("limit", LIMITS)
def test_every_layer_sets_every_limit(reel, lab, limit, layer, monkeypatch):
    for usd in (0.19, 0):
        layer(limit, usd, reel, monkeypatch)
        if layer in BEFORE:
            restart()
        for name in ("%%video", "submit"):
            assert "would cost about 0.20 USD" in said_by(ENTRANCES[name], reel, "", ""), usd
        assert lab() == 0


def test_without_a_limit_or_with_all_taken_back_every_entrance_sends(reel, lab, done, monkeypatch):
    for usd in (0, None):
        for layer in LAYERS:
            for limit in LIMITS:
                layer(limit, usd, reel, monkeypatch)
        restart()
        assert (len(api.screen().session.limits()) == 0) is (usd is None)
    for name, entrance in ENTRANCES.items():
        left = left_unsent()
        posts, jobs = lab(), len(api.history(limit=500))
        entrance(reel, done, left)
        reel.run_cell("%video wait")
        added = len(api.history(limit=500)) - jobs
        assert lab() - posts == (added or 1), name


def test_what_was_left_unsent_is_reserved_as_soon_as_it_is_resumed(reel, lab):
    left = [left_unsent() for _ in range(6)]
    restart()
    reel.run_cell("%video use budget=0.2")

    def resume(job_id):
        try:
            return len(ipyreel.resume(job_id))
        except VideoError as error:
            return str(error)

    posts = lab()
    # At once: none of them has been marked as sent when the next one is asked for.
    with ThreadPoolExecutor(len(left)) as pool:
        said = list(pool.map(resume, left))
    reel.run_cell("%video wait")
    assert (said.count(1), lab() - posts) == (1, 1), said


def test_an_entrance_has_a_limit_of_its_own(reel, lab, done):
    refused = re.compile(r"cost about 0\.20 USD; max_cost of 0\.\d\d USD \(--max-cost\)")
    for name, entrance in LIMITED.items():
        posts, jobs = lab(), len(api.history())
        for usd in (0.19, 0):
            assert refused.search(said_by(entrance, reel, done, "", max_cost=usd)), name
        assert (lab(), len(api.history())) == (posts, jobs), name
        entrance(reel, done, "", max_cost=0.2)
        reel.run_cell("%video wait")
        assert len(api.history()) > jobs, name


# ---- every setting x every way x {set, zero, taken back} -------------------------------------

VALUES = {
    "provider": ("apiyi", "sglang"),
    "model": ("one", "two"),
    "seconds": (4, 8),
    "size": ("64x64", "720p"),
    "videos": ("a", "b"),
    "max_cost": (2, 0),
    "budget": (2, 0),
    "budget_day": (2, 0),
    "budget_total": (2, 0),
    "parallel": (2, 1),
    "show": ("link", "embed"),
    "embed_limit": (2, 0),
    "wait": (True, False),
    "width": (2, 1),
    "loop": (True, False),
    "muted": (True, False),
    "autoplay": (True, False),
    "deadline": (2, 1),
    "nest_asyncio": (True, False),
}
"""Two values of each setting, the second one zero or false where that is a value."""


def test_the_table_has_every_setting():
    assert set(VALUES) == set(READERS)


@pytest.mark.parametrize("way", [by_environment, by_user, by_use, by_use_verb, by_config])
def test_a_setting_is_set_zero_and_taken_back(reel, way, monkeypatch):
    session = api.screen().session
    by_folder("provider", None, reel, monkeypatch)  # it would come first

    def current(name):
        """Read it in this kernel, where it counts at once, or in one that starts now."""
        return getattr((Session.open() if way in BEFORE else session).settings, name)

    for name, values in VALUES.items():
        way(name, None, reel, monkeypatch)
        default = current(name)
        for value in values:
            way(name, value, reel, monkeypatch)
            assert current(name) == value, name
        for value in (None, 0, False) if name in LIMITS and way not in BEFORE else (None,):
            way(name, value, reel, monkeypatch)
        assert current(name) == default, name


def test_config_made_before_the_first_magic_counts(shell, live):
    shell.run_cell("%load_ext ipyreel\n%config VideoMagics.max_cost = 0")
    try:
        assert api.screen().session.settings.max_cost == 0
    finally:
        api.close()
    assert live.posts() == 0


def test_the_smallest_limit_of_all_layers_applies(monkeypatch):
    monkeypatch.setenv("IPYREEL_MAX_COST", "1")
    settings = Session.open().settings.with_values("use", max_cost=5)
    assert (settings.max_cost, str(settings.source_of("max_cost"))) == (1, "IPYREEL_MAX_COST")
    assert settings.with_values("option", max_cost=0).max_cost == 0


# ---- what counts ----------------------------------------------------------------------------


def test_what_is_sent_and_what_waits_is_reserved(lab):
    ipyreel.use(budget=0.6)
    sent = [ipyreel.submit("A boat", seconds=2, size="64x64") for _ in range(3)]
    with pytest.raises(InvalidRequest, match=r"budget of 0\.60 USD \(%video use\) leaves 0\.00"):
        ipyreel.submit("A boat", seconds=2, size="64x64")
    for job in sent:
        job.wait()
    assert lab() == 3
    with pytest.raises(InvalidRequest, match=r"leaves 0\.00 USD"):
        ipyreel.submit("A boat", seconds=2, size="64x64")


def test_three_times_ten_cents_are_thirty_cents(lab):
    films = ipyreel.sweep("A boat", seconds=1, size="64x64", seed=[1, 2, 3], max_cost=0.3)
    assert len(films) == 3
    films.wait()
    assert lab() == 3
    assert sum(job.estimate for job in films) == pytest.approx(0.3)
    assert api.screen().session.spent().usd == Decimal("0.3")


@pytest.mark.parametrize("reuse", [False, True])
def test_a_kernel_that_was_faster_by_a_moment_counts(lab, monkeypatch, reuse):
    monkeypatch.setenv("IPYREEL_BUDGET_TOTAL", "0.3")
    others = [Session.open() for _ in range(2)]
    slow, fast = others
    for other in others:
        price(other)
    found = []

    def between(_target):
        """Run in the slow kernel after its check, before it writes the job."""
        if not found:
            found.append(None)
            found[:] = fast.submit(fast.plan(REQUEST), reuse=reuse)

    monkeypatch.setattr("ipyreel.session.make_folder", between)
    if reuse:
        assert [job.id for job in slow.submit(slow.plan(REQUEST), reuse=True)] == [found[0].id]
    else:
        with pytest.raises(InvalidRequest, match=r"total budget of 0\.30 USD .* leaves 0\.10"):
            slow.submit(slow.plan(REQUEST))
    assert len(api.history()) == 1
    fast.future(found[0].id).result(60)
    for other in others:
        other.close()
    assert lab() == 1


@pytest.mark.usefixtures("lab")
def test_a_deleted_job_does_not_raise_what_is_left():
    job = ipyreel.submit("A boat", seconds=2, size="64x64")
    job.wait()
    session = api.screen().session
    session.delete(job.id).result()
    assert session.spent().usd == Decimal("0.2")
    ipyreel.use(budget_total=0.3)
    with pytest.raises(InvalidRequest, match=r"total budget of 0\.30 USD .* leaves 0\.10 USD"):
        ipyreel.submit("A boat", seconds=2, size="64x64")


def test_an_unknown_price_is_refused_by_any_limit_even_zero(lab):
    for usd in (5, 0):
        ipyreel.use(budget_day=usd)
        with pytest.raises(InvalidRequest, match=r"No price is known for other"):
            ipyreel.submit("A boat", model="other")
    assert lab() == 0


def test_an_extra_field_that_may_change_the_price_is_refused_by_a_limit(reel, lab):
    line = '%%video -s 2 --size 64x64 -x metadata={"quality":"best"} '
    unpriced = "No price is known for demo-1 with metadata.quality, so max_cost of 1.00 USD"
    with pytest.raises(UsageError, match=unpriced):
        reel.run_cell(f"{line} --max-cost 1\nA boat")
    dry = repr(reel.run_cell(f"{line} --dry-run\nA boat").result)
    assert "estimate  no price known with metadata.quality" in dry
    with pytest.raises(UsageError, match=r"would cost about 0\.60 USD; max_cost of 0\.50 USD"):
        reel.run_cell('%%video -s 2 --size 64x64 -x metadata={"duration":6} --max-cost 0.5\nA boat')
    assert lab() == 0


def test_a_dry_run_says_what_a_limit_would_do(reel, lab):
    cell = "%%video -s 2 --size 64x64"
    told = repr(reel.run_cell(f"{cell} --dry-run --max-cost 0.1\nA boat").result)
    assert "It would be refused: This would cost about 0.20 USD; max_cost of 0.10 USD" in told
    assert told.count("Nothing was sent.") == 1
    told = repr(reel.run_cell(f"{cell} --dry-run -n 3 --max-cost 0.5\nA boat").result)
    assert "It would be refused: These 3 jobs would cost about 0.60 USD" in told
    clip = reel.run_cell(f"{cell}\nA boat").result
    clip.wait()
    line = f"%video extend {clip.id} and on -s 8 --dry-run"
    told = repr(reel.run_cell(f"{line} --max-cost 0.5").result)
    assert "/v1/videos/extensions" in told
    assert '"seconds": "8"' in told
    assert "It would be refused: This would cost about 0.80 USD; max_cost of 0.50 USD" in told
    api.use(budget=0.9)
    assert "the budget of 0.90 USD (%video use) leaves 0.70 USD" in repr(reel.run_cell(line).result)
    assert "refused" not in repr(reel.run_cell(line.replace("-s 8", "-s 4")).result)
    assert lab() == 1


def test_a_dry_run_shows_what_would_be_paid_beside_the_jobs_that_are_reused(reel, lab):
    line = "%%video -s 2 --size 64x64 --reuse"
    done = reel.run_cell(f"{line} --seed 1 -w\nA boat").result.id
    dry = repr(reel.run_cell(f"{line} --seed 1 --max-cost 0 --dry-run\nA boat").result)
    assert f"{done} is an equal job, finished: it is used" in dry
    assert "estimate  free" in dry
    assert "refused" not in dry
    dry = repr(reel.run_cell(f"{line} --vary seed=1,2 --dry-run\nA boat").result)
    assert "1 of 2 jobs are equal to earlier ones" in dry
    assert "2 jobs, about $0.20 in total" in dry
    assert lab() == 1


@pytest.mark.usefixtures("lab")
def test_zero_lets_what_is_known_to_be_free_through():
    ipyreel.use(max_cost=0, budget=0, budget_day=0, budget_total=0)
    plan = api.screen().session.plan(VideoRequest(prompt="A boat"), provider="demo")
    assert api.screen().session.refusal(plan) is None


# ---- the form --------------------------------------------------------------------------------


def test_an_open_form_refuses_above_a_limit_that_was_made_after_it(reel, screen, lab):
    form = open_form(screen, VideoRequest(prompt="A boat", seconds=2, size="64x64"), "lab")
    assert not form._submit.disabled
    reel.run_cell("%config VideoMagics.max_cost = 0")
    form._submit.click()
    assert "would cost about 0.20 USD" in form.status.value
    assert (lab(), len(api.history())) == (0, 0)
    reel.run_cell("%config VideoMagics.max_cost = None")
    form._submit.click()
    assert len(api.history()) == 1
