"""The filters, the tiles and the posters of the gallery."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ipywidgets as widgets

from ipyreel.errors import VideoError
from ipyreel.experiments.ratings import Rating
from ipyreel.jobs.query import Query
from ipyreel.media import save_poster, thumbnail
from ipyreel.notebook.live.live_output import set_traits
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import Markup, element
from ipyreel.notebook.markup.sweep_text import COMING
from ipyreel.notebook.panels.panel import webp_uri
from ipyreel.values import JobSnapshot, JobStatus

SMALL = 100
"""Height in pixels of a poster in a saved notebook: about 2 kB each."""


class Posters:
    """The posters of a library; `folder` is created with the first one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._without: set[str] = set()

    def cached(self, job: JobSnapshot) -> bytes | None:
        """Return a poster that was made before, as WebP; None if there is none yet."""
        path = self._path(job)
        try:
            return path.read_bytes() if path is not None else None
        except OSError:
            return None

    def wanting(self, job: JobSnapshot) -> bool:
        """Return whether a poster could be made but does not exist yet."""
        path = self._path(job)
        return path is not None and path.name not in self._without and not path.exists()

    def make(self, job: JobSnapshot) -> bytes | None:
        """Make a poster, once; None if it cannot be made: no PyAV, no file, no video in it."""
        path = self._path(job)
        if path is None or job.file is None:
            return None
        try:
            if self.wanting(job):
                save_poster(Path(job.file.path), path)
        except (VideoError, OSError):
            self._without.add(path.name)
        return self.cached(job)

    def small(self, job: JobSnapshot) -> bytes | None:
        """Return a poster that was made before, in the size for a saved notebook."""
        poster = self.cached(job)
        return thumbnail(poster, SMALL) if poster is not None else None

    def _path(self, job: JobSnapshot) -> Path | None:
        """Return the path of a job's poster, named after its video, which jobs may share."""
        if job.file is None or not re.fullmatch(r"[0-9a-f]{16,}", job.file.sha256):
            return None
        return self._folder / f"{job.file.sha256[:32]}.webp"


DAY = 86400.0
STATES: Mapping[str, tuple[JobStatus, ...]] = MappingProxyType(
    {
        "Finished": ("completed",),
        "In progress": ("submitting", "queued", "in_progress", "downloading", "unknown"),
        "Failed": ("failed",),
        "Cancelled": ("cancelled",),
    }
)
TIMES = (("Any time", 0.0), ("Last day", DAY), ("Last 7 days", 7 * DAY), ("Last 30 days", 30 * DAY))
STARS = (*((f"{n} star{'s' * (n > 1)}", n) for n in range(1, 6)), ("No rating", 0))
LEAST = (("Any", 0), *((f"{n} and more", n) for n in range(1, 5)), ("5", 5))
SORTS = (
    ("Newest first", "newest"),
    ("Oldest first", "oldest"),
    ("By prompt", "prompt"),
    ("Most expensive first", "most_expensive"),
)
_GRID = "display:flex;flex-wrap:wrap;gap:12px;margin:0"
_CELL = "flex:1 1 150px;max-width:220px;min-width:0;margin:0;font-size:13px"
_IMG = "display:block;width:100%;height:auto;border-radius:6px"
_SMALL = "font-size:12px;opacity:0.75;overflow-wrap:anywhere"


class Filters(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Search, provider, model, state, date and order; `on_change` is called when one changes."""

    def __init__(self, on_change: Callable[[Any], None]) -> None:
        auto = widgets.Layout(width="auto")
        self.text = widgets.Text(description="Search prompts", layout=auto)
        self.provider = _list("Provider", [("All", "")])
        self.model = _list("Model", [("All", "")])
        self.state = _list("State", [("All", ()), *STATES.items()])
        self.time = _list("Created", TIMES)
        self.sort = _list("Order", SORTS)
        self.stars = _list("Stars", LEAST)
        self.opinion = widgets.Text(description="Search tags and notes", layout=auto)
        made = (self.text, self.provider, self.model, self.state, self.time)
        self._narrowing = (*made, self.stars, self.opinion)
        fields = (*made, self.sort, self.stars, self.opinion)
        for field in fields:
            field.add_class("ipyreel-third")
            field.observe(on_change, "value")
        super().__init__(fields, _dom_classes=("ipyreel-fields",))

    @property
    def narrow(self) -> bool:
        """Whether anything but the order is set."""
        return any(field.value for field in self._narrowing)

    def offer(self, makers: Sequence[tuple[str, str | None]]) -> None:
        """Offer the providers and models of the library; a choice that still exists is kept."""
        for field, column in ((self.provider, 0), (self.model, 1)):
            names = sorted({row[column] or "" for row in makers} - {""})
            options = (("All", ""), *((name, name) for name in names))
            if tuple(field.options) != options:
                kept = field.value if field.value in names else ""
                field.options = options
                field.value = kept

    def query(self, now: float, *, limit: int, offset: int) -> Query:
        """Return the query; `now` is in seconds since the epoch."""
        return Query(
            text=self.text.value,
            stars=self.stars.value,
            opinion=self.opinion.value,
            provider=self.provider.value or None,
            model=self.model.value or None,
            states=self.state.value,
            since=now - self.time.value if self.time.value else None,
            order=self.sort.value,
            limit=limit,
            offset=offset,
        )


def _list(label: str, options: Any) -> Any:
    return widgets.Dropdown(
        description=label, options=tuple(options), layout=widgets.Layout(width="auto")
    )


class Stars(widgets.ToggleButtons):  # type: ignore[misc] # ipywidgets has no types
    """Five stars to click; `on_rate` gets the number of stars, 0 if they were removed."""

    def __init__(self, on_rate: Callable[[int], None]) -> None:
        self._shown = 0
        super().__init__(
            options=STARS, value=0, _dom_classes=("ipyreel-stars",), layout=widgets.Layout()
        )
        self._on_rate = on_rate
        self.observe(self._rated, "value")

    def show(self, rating: Rating | None) -> None:
        """Show the stars of a rating."""
        self._shown = (rating.stars if rating is not None else None) or 0
        set_traits(self, value=self._shown)

    def _rated(self, change: Mapping[str, Any]) -> None:
        if change["new"] != self._shown:  # by the user, and not by `show`
            self._shown = change["new"]
            self._on_rate(self._shown)


class OpinionFields(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Note and tags of a video; `on_change` gets the changed field as a keyword."""

    def __init__(self, rating: Rating | None, on_change: Callable[..., None]) -> None:
        layout = widgets.Layout(width="auto")
        note, tags = (rating.note, ", ".join(rating.tags)) if rating is not None else ("", "")
        self.note = widgets.Textarea(
            note, description="Note", rows=2, continuous_update=False, layout=layout
        )
        self.tags = widgets.Text(
            tags, description="Tags, separated by commas", continuous_update=False, layout=layout
        )
        super().__init__((self.note, self.tags), _dom_classes=("ipyreel-note",))
        self.note.observe(lambda change: on_change(note=change["new"].strip()), "value")
        self.tags.observe(lambda change: on_change(tags=_tags(change["new"])), "value")


def _tags(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (tag.strip() for tag in text.split(","))))


def stars_text(stars: int | None) -> str:
    """Return stars as five characters, "" if there are none."""
    return f"{'★' * stars}{'☆' * (5 - stars)}" if stars else ""


class Tile(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """One video of the page; a click anywhere on it opens it, one on a star rates it."""

    def __init__(self, on_click: Callable[[Any], None], on_rate: Callable[[int], None]) -> None:
        self._picture, self._facts = widgets.HTML(), widgets.HTML()
        self.button = widgets.Button()
        self.button.on_click(on_click)
        self.stars = Stars(on_rate)
        parts = (self._picture, self.button, self._facts, self.stars)
        super().__init__(parts, _dom_classes=("ipyreel-pick",))

    def show_stars(self, job: JobSnapshot, rating: Rating | None) -> None:
        """Show the stars of a rating; none if there is no video."""
        self.stars.show(rating)
        set_traits(self.stars.layout, display=None if job.file is not None else "none")

    def show(self, job: JobSnapshot | None, poster: bytes | None, now: float) -> None:
        """Show a job, or nothing; `now` is in seconds since the epoch."""
        shown = None if job is not None else "none"
        if self.layout.display != shown:
            self.layout.display = shown
        if job is None:
            return
        set_traits(self._picture, value=picture_html(job, poster))
        set_traits(self._facts, value=element("div", facts(job, now), class_="ipyreel-hint"))
        prompt = job_text.one_line(job.request.prompt, 300)
        tooltip = f"Open {job.id}: {prompt}"
        description = job_text.one_line(prompt, 90) or job.id
        set_traits(self.button, description=description, tooltip=tooltip)


def picture_html(job: JobSnapshot, poster: bytes | None) -> Markup:
    """Return the poster, or an empty tile with the job's state."""
    if poster is None:
        word = "" if job.status == "completed" else job_text.phase(job)
        return element("div", word or "▶", class_="ipyreel-plain")
    return element("img", src=webp_uri(poster), alt="", class_="ipyreel-poster")


def facts(job: JobSnapshot, now: float) -> str:
    """Return the line below a tile: provider, model, settings and age."""
    line = (job_text.maker(job), *job_text.settings(job), _age(now - job.created_at))
    return " · ".join(line)


def _age(seconds: float) -> str:
    for size, name in ((DAY, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {name} ago"
    return "just now"


def page_html(
    jobs: Sequence[tuple[JobSnapshot, bytes | None]], ratings: Mapping[str, Rating]
) -> str:
    """Return a page of tiles as plain HTML that needs no kernel; `ratings` are by SHA-256."""
    cells = []
    for job, poster in jobs:
        picture = element("img", src=webp_uri(poster), alt="", style=_IMG) if poster else None
        prompt = element("div", job_text.one_line(job.request.prompt, 90), dir="auto")
        # The date and not the age, the end and not the progress: this is saved.
        day = time.strftime("%Y-%m-%d", time.localtime(job.created_at))
        state = COMING if job_text.is_moving(job) else job_text.phase(job)
        line = [state, job_text.maker(job), *job_text.settings(job), day, job.id]
        if job.file is not None and (rating := ratings.get(job.file.sha256)) is not None:
            line += filter(None, ("★" * (rating.stars or 0), rating.note, ", ".join(rating.tags)))
        small = element("div", " · ".join(line), style=_SMALL)
        cells.append(element("figure", picture, prompt, small, style=_CELL))
    return element("div", *cells, style=_GRID)
