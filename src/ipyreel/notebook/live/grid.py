"""The grid of a sweep under its cell: a tile for each job, then one static grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook.live.live_output import (
    BUTTONS,
    CardContext,
    JobsView,
    LiveOutput,
    MimeBundle,
    output,
    set_button,
    set_traits,
    short_error,
)
from ipyreel.notebook.live.plain import EmbedBudget
from ipyreel.notebook.markup import job_text, sweep_html, sweep_text
from ipyreel.notebook.markup.html import Markup, element, style_sheet
from ipyreel.notebook.markup.matrix import groups
from ipyreel.notebook.markup.sweep_html import TileVideo
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.values import JobSnapshot


class TileButtons(widgets.Box):  # type: ignore[misc] # ipywidgets has no types
    """The buttons of each tile by name; `on_click` is called with the name and the tile's index."""

    def __init__(self, labels: Sequence[str], on_click: Callable[[str, int], None]) -> None:
        layout, style = widgets.Layout(), widgets.ButtonStyle()  # shared by all buttons
        self._labels = labels
        self.buttons = {
            name: tuple(
                widgets.Button(
                    layout=layout, style=style, _dom_classes=_classes(index, hidden=True)
                )
                for index in range(len(labels))
            )
            for name in BUTTONS
        }
        for name, some in self.buttons.items():
            for index, button in enumerate(some):
                button.on_click(partial(self._clicked, on_click, name, index))
        children = tuple(chain.from_iterable(self.buttons.values()))
        super().__init__(children, _dom_classes=("ipyreel-tile-buttons",))

    @staticmethod
    def _clicked(
        on_click: Callable[[str, int], None], name: str, index: int, _button: object
    ) -> None:
        on_click(name, index)

    def paint(self, names: Sequence[str], busy: Sequence[str]) -> bool:
        """Show the buttons with these names, "": none; `busy` has what one says while it works."""
        changed = [
            self._paint(button, name if name == names[index] else "", index, busy[index])
            for name, some in self.buttons.items()
            for index, button in enumerate(some)
        ]
        return any(changed)

    def _paint(self, button: Any, name: str, index: int, busy: str) -> bool:
        traits: dict[str, Any] = {"_dom_classes": _classes(index, hidden=not name)}
        if name:
            tooltip = f"{name} {self._labels[index]}"
            traits |= {"description": busy or name, "tooltip": tooltip, "disabled": bool(busy)}
        return set_traits(button, **traits)


def _classes(index: int, *, hidden: bool) -> tuple[str, ...]:
    gone = ("ipyreel-gone",) if hidden else ()
    return ("ipyreel-tile-button", *gone, f"ipyreel-at-{index}")


class SweepView(JobsView):
    """The jobs of a sweep as they are shown without widgets.

    The videos of a grid together may add `embed_limit` bytes to the notebook. `name` is the name
    of the sweep for `%video show`, if it has one.
    """

    def __init__(
        self,
        info: SweepInfo,
        jobs: Sequence[JobSnapshot],
        context: CardContext,
        embed_limit: float,
        cancel_all: Callable[[], object] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(jobs, context)
        self.info = info
        self._name = name
        self.cancel_all = cancel_all
        self._budget = EmbedBudget(embed_limit)
        self._videos: dict[str, TileVideo] = {}

    @property
    def name(self) -> str | None:
        """The sweep's id, if it has one."""
        return self._name

    def line(self) -> str:
        """Return counts, money and time."""
        parts = sweep_text.counts(self.info, self.jobs)
        return " · ".join([*parts, sweep_text.lasted(self.jobs, self.context.clock())])

    def text(self) -> str:
        """Return a line for each job."""
        lines = {job.id: self._file_line(job) for job in self.jobs if job.status == "completed"}
        return sweep_text.text(self.info, self.jobs, lines)

    def _file_line(self, job: JobSnapshot) -> str:
        size = f" ({job_text.amount(job.file.size)})" if job.file else ""
        return self.context.place(job_text.path(job)) + size

    def bundle(self, *, hidden: bool = False) -> MimeBundle:
        """Return the whole sweep as it is saved."""
        videos = self.videos(self.jobs)
        lines = {job_id: video.path or video.where for job_id, video in videos.items()}
        if hidden:
            videos = {job_id: replace(one, preload="none") for job_id, one in videos.items()}
        coming = {job.id: self._coming(job) for job in self.jobs if job_text.is_moving(job)}
        note = ""
        if coming:
            players = all(video.src for video in coming.values())
            note = job_text.unfinished(self.context.show(self._name or "ID"), player=players)
            lines |= dict.fromkeys(coming, sweep_text.COMING)
        text = f"{sweep_text.text(self.info, self.jobs, lines, saved=True)}\n{note}".strip()
        magics = self._name is not None and self.context.show(self._name).startswith("%")
        if magics and not note and len(videos) > 1:
            # Text and no button: this is saved, and a button would need a kernel.
            note = (
                f"%video judge {self._name} asks which is better, in blind pairs; "
                f"%video rate {self._name} asks for stars and notes."
            )
        html = sweep_html.grid_html(self.info, self.jobs, {**videos, **coming}, note)
        return {"text/html": html, "text/plain": text}

    def _coming(self, job: JobSnapshot) -> TileVideo:
        link = self.context.link(job)
        where = sweep_text.COMING if link is None else job.id
        return TileVideo(src=link, where=where, preload="none")

    def videos(self, jobs: Iterable[JobSnapshot]) -> dict[str, TileVideo]:
        """Return the videos of the completed jobs, by the jobs' ids."""
        return {job.id: self._video(job) for job in jobs if job.status == "completed"}

    def _video(self, job: JobSnapshot) -> TileVideo:
        if job.id not in self._videos:
            place = self.context.place(job_text.path(job))
            try:
                self._videos[job.id] = self._tile_video(self.context.video(job), place)
            except Exception as error:  # noqa: BLE001 - shown in the tile, the others continue
                self._videos[job.id] = TileVideo(src=None, where=f"{place}: {short_error(error)}")
        return self._videos[job.id]

    def _tile_video(self, video: Any, place: str) -> TileVideo:
        unasked = video.chosen == "embedded" and video.how == "auto"
        if unasked and not self._budget.take(video.size or 0):
            return TileVideo(src=None, where=self._budget.refusal(place))
        tile: TileVideo = video.as_tile()
        return tile


class Grid(LiveOutput):
    """The live grid: a summary line, Cancel all, and a tile with a button for each job.

    All unfinished tiles are one widget, so that forty jobs need one message; a finished tile is
    a separate output, in which the link to its file is resolved.
    """

    view: SweepView

    def __init__(self, view: SweepView) -> None:
        info, number = view.info, len(view.jobs)
        self._places, self._heads, columns = sweep_html.places(info)
        self._groups, self._within = groups(info.matrices)
        self._live_tiles: dict[int, tuple[JobSnapshot, Markup]] = {}
        self._sums, self._clock, self._button = widgets.HTML(), widgets.HTML(), widgets.Button()
        self._prompt = widgets.HTML(_dom_classes=("ipyreel-wide",))
        self._moving = widgets.HTML(_dom_classes=("ipyreel-moving",))
        self._buttons = TileButtons([info.label(index) for index in range(number)], self._clicked)
        places = sweep_html.style_of_places(self._places)
        sheet = widgets.HTML(style_sheet("grid.css") + places)
        sheet.layout.display = "none"  # the style sheet still applies
        # All of them now: a widget that is created on another thread may not reach the page.
        layout = widgets.Layout(width=f"{info.tile}px", max_width="100%")  # one for all of them
        self._outputs = [
            widgets.Output(layout=layout, _dom_classes=(f"ipyreel-at-{at}",))
            for at in range(number)
        ]
        self._bar = widgets.Output(_dom_classes=("ipyreel-wide",))
        self._tiles = widgets.Box((self._moving, self._buttons), _dom_classes=("ipyreel-box",))
        if columns:
            self._tiles.add_class("ipyreel-matrix")
            self._tiles.layout.grid_template_columns = columns
        head = (self._sums, self._clock, self._button, self._prompt)
        self._button.on_click(lambda _button: self._run("", "Cancelling…", self._cancel_all))
        children = (
            widgets.Box(head, _dom_classes=("ipyreel-head",)),
            self._tiles,
            self._bar,
            sheet,
        )
        super().__init__(view, children, name="ipyreel-grid")
        if not self.ended:
            self.layout.max_width = f"{sweep_html.width_of(info)}px"

    # ---- inside; everything below runs under the lock ------------------------------------

    def _paint_parts(self, now: float) -> int:
        info, jobs = self.view.info, self.view.jobs
        cancels = self.view.moving and self.view.cancel_all is not None
        sent = (
            set_traits(self._sums, value=sweep_html.head_html(info, jobs)),
            set_traits(self._clock, value=sweep_html.clock_html(jobs, now)),
            set_traits(self._prompt, value=sweep_html.prompt_html(info, self._trouble)),
            set_button(
                self._button,
                "Cancel all" if cancels else "",
                "Cancel every job of this sweep that has not ended",
                self._busy.get("", ""),
            ),
            self._buttons.paint(
                [self.view.offered(job) for job in jobs],
                [self._busy.get(job.id, "") for job in jobs],
            ),
            self._paint_tiles(),
        )
        return int(any(sent))

    def _paint_tiles(self) -> bool:
        info, jobs = self.view.info, self.view.jobs
        done = {index for index, job in enumerate(jobs) if job.status == "completed"}
        new = [index for index in sorted(done) if not self._outputs[index].outputs]
        videos = self.view.videos(jobs[index] for index in new)
        for index in new:
            job = jobs[index]
            within = self._within.get(index)
            tile = sweep_html.static_tile(info, index, job, videos[job.id], within)
            bundle = {"text/html": str(tile), "text/plain": job_text.text(job)}
            self._outputs[index].outputs = (output(bundle),)
        moving = (self._tile(index) for index in range(len(jobs)) if index not in done)
        changed = set_traits(self._moving, value=sweep_html.tiles_html(moving, self._heads))
        if new:
            # At the end: children before a new one are not redrawn, so they keep playing.
            shown = (self._outputs[index] for index in new)
            self._tiles.children = (*self._tiles.children, *shown)
        if len(done) > 1 and not self._bar.outputs:
            bar = element("div", *sweep_html.play_bar(names=self._groups))
            self._bar.outputs = (output({"text/html": bar, "text/plain": ""}),)
        return changed or bool(new)

    def _tile(self, index: int) -> Markup:
        """Return a tile, from a cache: one changed job must not redraw a thousand tiles."""
        job = self.view.jobs[index]
        known = self._live_tiles.get(index)
        if known is None or known[0] is not job:
            tile = sweep_html.live_tile(self.view.info, index, job, self._places[index])
            known = self._live_tiles[index] = (job, tile)
        return known[1]

    def _clicked(self, name: str, index: int) -> None:
        with self._lock:
            job_id = self.view.jobs[index].id
        self._click(name, job_id)

    def _cancel_all(self) -> object:
        return self.view.cancel_all() if self.view.cancel_all is not None else None
