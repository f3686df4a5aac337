"""Limits hold whatever the entrance, zero is one of them, and they can be taken back."""

from __future__ import annotations

import itertools
import threading
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
from ipyreel.notebook.panels.form import open_form
from ipyreel.session import Session
from ipyreel.settings import LIMITS, READERS
from ipyreel.values import VideoRequest

PRICE = Decimal("0.1")
"""USD for each second of the lab's model; the entrances below make 2 seconds."""


@pytest.fixture
def lab(reel, live):
    """The demo provider as one that charges; returns how many jobs were sent."""
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


# ---- every limit x every entrance x {set, zero, taken back} ----------------------------------


def by_cell(shell, _done):
    shell.run_cell("%%video -s 2 --size 64x64\nA boat")


def by_sweep_cell(shell, _done):
    shell.run_cell("%%video -s 1 --size 64x64 --vary seed=1,2\nA boat")


def by_submit(_shell, _done):
    ipyreel.submit("A boat", seconds=2, size="64x64")


def by_sweep(_shell, _done):
    ipyreel.sweep("A boat", seconds=1, size="64x64", seed=[1, 2])


def by_retry(_shell, done):
    api.screen().session.again(done)


def by_remix(shell, done):
    shell.run_cell(f'%video remix {done.id} "at night"')


def by_edit(_shell, done):
    api.job(done.id).edit("at night")


ENTRANCES = [by_cell, by_sweep_cell, by_submit, by_sweep, by_retry, by_remix, by_edit]


@pytest.mark.parametrize("limit", LIMITS)
def test_every_limit_holds_at_every_entrance(reel, lab, limit):
    done = reel.run_cell("%%video -s 2 --size 64x64 -w\nA boat").result.snapshot
    for entrance, way in itertools.product(ENTRANCES, ["use", "config"]):
        for usd in (0.19, 0):
            before = lab()
            set_limit(reel, limit, usd, way)
            with pytest.raises((UsageError, VideoError), match=r"would cost about 0\.20 USD"):
                entrance(reel, done)
            assert lab() == before, (entrance.__name__, way, usd)
            set_limit(reel, limit, None, way)
    for entrance in ENTRANCES:
        before = len(api.history())
        set_limit(reel, limit, None, "config")
        entrance(reel, done)
        assert len(api.history()) > before


def set_limit(shell, limit, usd, way):
    if way == "use":
        ipyreel.use(**{limit: usd})
    else:
        shell.run_cell(f"%config VideoMagics.{limit} = {usd!r}")


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


def env(name, value, monkeypatch):
    variable = f"IPYREEL_{name.upper()}"
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, str(value))


def toml(name, value, _monkeypatch):
    path = Path("home.toml")
    text = "" if value is None else f"{name} = {_toml(value)}\n"
    home = path.absolute().parent.parent / "home"
    home.mkdir(exist_ok=True)
    (home / "ipyreel.toml").write_text(text, encoding="utf-8")


def _toml(value):
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


@pytest.mark.parametrize("way", [env, toml])
@pytest.mark.parametrize("name", VALUES)
def test_a_setting_made_before_the_kernel_starts_is_set_zero_and_taken_back(name, way, monkeypatch):
    default = getattr(Session.open().settings, name)
    for value in VALUES[name]:
        way(name, value, monkeypatch)
        assert getattr(Session.open().settings, name) == value
    way(name, None, monkeypatch)
    assert getattr(Session.open().settings, name) == default


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("way", ["use", "%video use", "config"])
def test_a_setting_made_in_the_kernel_counts_at_once_and_is_taken_back(reel, name, way):
    session = api.screen().session
    default = getattr(session.settings, name)

    def make(value):
        if way == "use":
            value = "none" if name == "provider" and value is None else value
            ipyreel.use(**{name: value})
        elif way == "config":
            reel.run_cell(f"%config VideoMagics.{name} = {value!r}")
        else:
            reel.run_cell(f"%video use {name}={'none' if value is None else value}")

    for value in VALUES[name]:
        make(value)
        assert getattr(session.settings, name) == value
    make(None)
    assert getattr(session.settings, name) == default
    if name in LIMITS:
        for value in (0, False):
            make(value)
        assert getattr(session.settings, name) == default


def test_an_option_of_one_cell_is_gone_with_it(lab, reel):
    with pytest.raises(UsageError, match=r"max_cost of 0\.00 USD"):
        reel.run_cell("%%video -s 2 --size 64x64 --max-cost 0\nA boat")
    reel.run_cell("%%video -s 2 --size 64x64 -w\nA boat")
    assert lab() == 1


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


def test_a_budget_in_the_folder_of_the_site_holds(tmp_path, monkeypatch):
    site = tmp_path / "etc" / "ipyreel"
    site.mkdir(parents=True)
    (site / "ipyreel.toml").write_text("budget_total = 3\nbudget_day = 1\n", encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(site.parent))
    monkeypatch.setenv("IPYREEL_BUDGET_TOTAL", "20")
    settings = Session.open().settings
    assert (settings.budget_total, settings.budget_day) == (3, 1)
    assert str(settings.source_of("budget_total")).endswith("ipyreel.toml:1")


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


def test_a_sweep_that_does_not_fit_is_refused_whole(lab):
    ipyreel.use(budget=0.5)
    with pytest.raises(InvalidRequest, match=r"These 3 jobs would cost about 0\.60 USD"):
        ipyreel.sweep("A boat", seconds=2, size="64x64", seed=[1, 2, 3])
    assert (lab(), len(api.history())) == (0, 0)


@pytest.mark.usefixtures("lab")
def test_two_kernels_of_one_library_share_a_budget(monkeypatch):
    monkeypatch.setenv("IPYREEL_BUDGET_TOTAL", "0.5")
    others = [Session.open() for _ in range(4)]
    try:
        for other in others:
            price(other)
        start, refused = threading.Barrier(len(others)), []

        def send(session):
            plan = session.plan(VideoRequest(prompt="A boat", seconds=2, size="64x64"))
            start.wait()
            try:
                session.submit(plan)
            except InvalidRequest as error:
                refused.append(error)

        threads = [threading.Thread(target=send, args=(one,)) for one in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 2
        assert len(api.history()) == 2
    finally:
        for other in others:
            other.close()


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
