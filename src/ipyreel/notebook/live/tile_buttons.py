"""The buttons on the tiles of a live grid, and the jobs that they are about.

May import `board`, `still` and `values`. Buttons are widgets of their own, since the tiles are
drawn anew with each news and would lose the focus. They are made with the grid: a widget that
is made on another thread may not reach the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook.live.plain import older
from ipyreel.values import JobSnapshot

_NAME, _GONE = "ipyreel-touch", "ipyreel-gone"


class Jobs:
    """The jobs of a grid as they stand, in their order."""

    def __init__(self, jobs: Iterable[JobSnapshot]) -> None:
        self.all = list(jobs)
        self._at = {job.id: index for index, job in enumerate(self.all)}
        self._early: dict[str, JobSnapshot] = {}

    def take(self, job: JobSnapshot) -> bool:
        """Take the next snapshot of one job; tell whether it is news."""
        index = self._at.get(job.id)
        if index is None:
            self._early[job.id] = job  # of a retry, which is put in its place in a moment
            return False
        if older(job, self.all[index]) or job == self.all[index]:
            return False
        self.all[index] = job
        return True

    def swap(self, job_id: str, new: JobSnapshot) -> None:
        """Put the retry of a job in its place."""
        index = self._at.pop(job_id)
        self._at[new.id] = index
        self.all[index] = self._early.pop(new.id, new)

    @property
    def ended(self) -> bool:
        """Whether all of them have ended."""
        return all(job.ended for job in self.all)

    @property
    def moving(self) -> bool:
        """Whether one of them has not ended, of which somebody knows."""
        return any(not job.ended and job.status != "unknown" for job in self.all)


class TileButtons(widgets.Box):  # type: ignore[misc] # ipywidgets has no types
    """A button for each tile; `on_click` is called with the place of the tile."""

    def __init__(self, labels: Sequence[str], on_click: Callable[[int], None]) -> None:
        layout, style = widgets.Layout(), widgets.ButtonStyle()  # one of each for all of them
        self._labels = labels
        self.buttons = tuple(
            widgets.Button(layout=layout, style=style, _dom_classes=(_NAME, _GONE, _at(place)))
            for place in range(len(labels))
        )
        for place, button in enumerate(self.buttons):
            button.on_click(partial(self._clicked, on_click, place))
        super().__init__(self.buttons, _dom_classes=("ipyreel-touches",))

    @staticmethod
    def _clicked(on_click: Callable[[int], None], place: int, _button: object) -> None:
        on_click(place)

    def paint(self, names: Sequence[str], busy: Sequence[str]) -> bool:
        """Name the buttons, "" hides one; in `busy` is what one says instead while it works."""
        changed = [self._paint(*one) for one in enumerate(zip(names, busy, strict=True))]
        return any(changed)

    def _paint(self, place: int, words: tuple[str, str]) -> bool:
        name, busy = words
        button = self.buttons[place]
        classes = (_NAME, *(() if name else (_GONE,)), _at(place))
        wanted: dict[str, Any] = {"_dom_classes": classes}
        if name:
            tooltip = f"{name} {self._labels[place]}"
            wanted |= {"description": busy or name, "tooltip": tooltip, "disabled": bool(busy)}
        news = {key: value for key, value in wanted.items() if getattr(button, key) != value}
        with button.hold_sync():
            for key, value in news.items():
                setattr(button, key, value)
        return bool(news)


def _at(place: int) -> str:
    return f"ipyreel-at-{place}"
