"""The form: fields, the price as you type, Submit, and the cards of what was sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ipyreel.catalog import Model
from ipyreel.errors import InvalidRequest, StoreError
from ipyreel.experiments.recipe import cell_of
from ipyreel.jobs.files import slug
from ipyreel.notebook.live.live_output import MimeBundle
from ipyreel.notebook.live.plain import SavedJobs
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import element
from ipyreel.notebook.markup.tables import Notice
from ipyreel.notebook.panels.fields import Fields
from ipyreel.notebook.panels.panel import Panel, bar, button, error_text, guarded
from ipyreel.notebook.screen import Screen
from ipyreel.plan import Plan
from ipyreel.sweeps import expand
from ipyreel.values import Image, VideoRequest

_STAND_IN = "a prompt"
"""Checked instead of the prompt as it is typed: it only matters whether there is one."""

_NO_PROMPT = "Write a prompt."


class Form(Panel):
    """Fields, an estimate, Submit and Copy as cell, and below them the cards of submitted jobs."""

    def __init__(self, screen: Screen, saved_jobs: SavedJobs | None = None) -> None:
        # Within the gallery, the gallery is saved.
        self._saved_jobs = saved_jobs or screen.saved_jobs(self.renew)
        self._checked: tuple[object, str | None] = (None, None)
        self._busy = False
        self._submit = button("Submit", "", self._send_jobs)
        self._submit.add_class("ipyreel-submit")
        self._copy = button(
            "Copy as cell", "Show the %%video cell that sends the same request", self._show_cell
        )
        self._cell = widgets.VBox()
        self.cards = widgets.VBox(_dom_classes=("ipyreel-cards",))
        self.fields = Fields(screen.session.catalog, self._changed)
        buttons = bar(self._submit, self._copy)
        buttons.add_class("ipyreel-wide")
        super().__init__(screen, self.fields, self.cards, name="form")
        self._cell.add_class("ipyreel-wide")
        self.status.add_class("ipyreel-wide")
        self.fields.children = (*self.fields.children, self.status, buttons, self._cell)
        self.fields.pictures.upload.observe(self._uploaded, "value")
        self.fields.provider.value = screen.session.planner().choice().name
        self._changed({"name": "value", "owner": self.fields.provider})

    def static_copy(self) -> MimeBundle:
        """Return what is saved: the videos that were sent from here."""
        head, jobs = super().static_copy(), self._saved_jobs.bundle()
        return {
            "text/html": f"{head['text/html']}\n{jobs['text/html']}".strip(),
            "text/plain": f"{head['text/plain']}\n{jobs['text/plain']}".strip(),
        }

    def fill(self, request: VideoRequest, provider: str) -> None:
        """Fill in a request, to be changed and sent again."""
        self._busy = True
        try:
            again = replace(request, remix_of=None, edit_of=None, extend_of=None)
            missing = self.fields.fill(again, provider)
        finally:
            self._busy = False
        self._changed({"name": "value", "owner": self.fields.provider})
        if missing:
            self.say(missing)

    # ---- as you type --------------------------------------------------------------------

    @guarded
    def _changed(self, change: Mapping[str, Any]) -> None:
        if self._busy:
            return
        lost = ""
        if change.get("owner") in (self.fields.provider, self.fields.model):
            self._busy = True
            try:
                lost = self.fields.follow(self._model(), self._defaults())
            finally:
                self._busy = False
        self._cell.children = ()
        self._judge(lost)

    @guarded
    def _uploaded(self, change: Mapping[str, Any]) -> None:
        self.fields.pictures.take(change["new"])

    def _defaults(self) -> dict[str, Any]:
        settings = self._screen.session.settings
        return {name: getattr(settings, name) for name in ("model", "size", "seconds")}

    def _model(self) -> Model | None:
        catalog, row = self._screen.session.catalog, self.fields.row
        name = self.fields.model.value.strip() or self._defaults()["model"] or row.default_model
        return catalog.model(name, row)

    def _judge(self, lost: str = "") -> None:
        """Show what Submit would send, or why it cannot."""
        try:
            request = self.fields.request()
            line = self._estimate(request)
            problem = None if request.prompt else _NO_PROMPT
        except Exception as error:  # noqa: BLE001 - shown as the reason why nothing can be sent
            problem, line = _in_form(error_text(error)), None
        self._submit.disabled = problem is not None
        if problem not in {None, _NO_PROMPT}:
            self.say(problem, bad=True)
        else:
            self.say(*filter(None, (lost, " " if lost else "", problem, " " if problem else "")),
                     element("span", line))  # fmt: skip

    def _estimate(self, request: VideoRequest) -> str:
        """Return the line on price and warnings; the prompt's text does not change it."""
        what = replace(request, prompt=_STAND_IN)
        session = self._screen.session
        key = (what, self.fields.provider.value, self.fields.count.value, session.settings)
        if self._checked[0] != key:
            plans = self._plans(what)
            refusal = session.refusal(*plans)
            if refusal is not None:
                raise refusal
            self._checked = (key, _line(plans))
        return self._checked[1] or ""

    def _plans(self, request: VideoRequest) -> list[Plan]:
        session, name = self._screen.session, self.fields.provider.value
        if self.fields.row.needs_key:
            session.keys.require(self.fields.row)
        folder, now = session.settings.videos_dir, session.clock()
        planner = session.planner(provider=name)
        every = expand(request, prompts=[request.prompt], count=self.fields.count.value).variants
        return [planner.plan(one.request, folder=folder, now=now) for one in every]

    # ---- the buttons --------------------------------------------------------------------

    @guarded
    def _send_jobs(self, _button: object) -> None:
        request = self.fields.request()
        if not request.prompt:
            raise InvalidRequest(_NO_PROMPT)
        sent = self._screen.session.submit(*self._plans(request))
        cards = [self._screen.card(self._screen.job(job.id), self._saved_jobs) for job in sent]
        self.cards.children = (*cards, *self.cards.children)
        self.say(f"Sent: {', '.join(job.id for job in sent)}.")

    @guarded
    def _show_cell(self, _button: object) -> None:
        request = self.fields.request()
        if not request.prompt:
            raise InvalidRequest(_NO_PROMPT)
        paths = [self._path_of(image) for image in request.images]
        count = self.fields.count.value
        text = cell_of(request, provider=self.fields.provider.value, images=paths, count=count)
        field = widgets.Textarea(
            text,
            description="As a cell",
            rows=min(12, text.count("\n") + 3),
            disabled=False,
        )
        field.layout.width = "auto"
        field.add_class("ipyreel-code")
        # The page does it when clicked: a kernel cannot write to the clipboard.
        copies = "navigator.clipboard?.writeText(this.dataset.text).catch(() => {})"
        hook = widgets.HTML(element("style", data_text=text, onload=copies))
        hook.add_class("ipyreel-sheet")
        self._cell.children = (field, hook)
        self.say(
            "The cell is below, and on the clipboard if the browser allows it. ",
            _saved(paths, request.images),
        )

    def _path_of(self, image: Image) -> str:
        """Return an image's path for a cell; an upload is saved next to the videos."""
        if image.data is None or Path(image.source).is_file():
            return image.source
        name = Path(image.filename)
        digest = hashlib.sha256(image.data).hexdigest()[:8]
        folder = self._screen.session.settings.videos_dir / "inputs"
        path = folder / f"{slug(name.stem)}-{digest}{name.suffix}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image.data)
        except OSError as error:
            raise StoreError(f"Could not save {path}: {error.strerror or error}.") from error
        return _short(path)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _saved(paths: list[str], images: tuple[Image, ...]) -> str:
    new = [path for path, image in zip(paths, images, strict=True) if path != image.source]
    return f"Its images were saved: {', '.join(new)}." if new else ""


def _line(plans: list[Plan]) -> str:
    """Return the number of jobs, their cost, provider, settings and warnings."""
    first = plans[0]
    costs = [plan.estimate.usd for plan in plans]
    total = None if None in costs else sum(cost or 0 for cost in costs)
    number = f"{len(plans)} videos" if len(plans) > 1 else ""
    facts = (
        number,
        job_text.money(total),
        job_text.maker(first.job),
        *job_text.settings(first.job),
    )
    line = " · ".join(filter(None, facts))
    return " ".join([f"{line}.", *first.warnings, *first.once])


def _in_form(text: str) -> str:
    """Replace an option such as `--size` by the name of the form's field."""
    return text[2:3].upper() + text[3:] if text.startswith("--") else text


def open_form(
    screen: Screen, request: VideoRequest | None = None, provider: str | None = None
) -> Form | Notice:
    """Return the form, empty or filled in; without widgets, a notice that says so."""
    if not screen.host.widgets:
        # Not an error: a notebook that contains a form must run without a front end, too.
        return Notice(
            "The form needs a front end with widgets (JupyterLab, Notebook 7, VS Code, Colab).",
            "Use %%video with options instead; %%video? lists them.",
        )
    form = Form(screen)
    if request is not None:
        form.fill(request, provider or screen.session.planner().choice().name)
    return form
