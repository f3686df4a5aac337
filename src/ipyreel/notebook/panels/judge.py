"""Asks which of two videos is better, blind, until there are enough votes; then shows the result.

Its buttons work everywhere. The keys need anywidget, both here and where JupyterLab runs: the
page reports when they work; if it has not after some seconds, the panel says what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import ipywidgets as widgets

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.pairs import Pair, is_between, next_pair
from ipyreel.experiments.ratings import Vote, Winner, current_user
from ipyreel.notebook.handles.compare import blind_html
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.handles.opinions import opinions_of, results_of_list, settings_of
from ipyreel.notebook.live.live_output import MimeBundle, output, set_button, set_traits
from ipyreel.notebook.markup.html import element, static
from ipyreel.notebook.markup.tables import Notice
from ipyreel.notebook.panels.panel import Panel, bar, button, guarded, hint_html
from ipyreel.notebook.screen import Screen

PATIENCE = 5.0
"""Seconds until the keys are considered missing."""

KEYS = (
    "Keys, while the focus is in this frame: ← and → for the better video, ↓ for a tie, Space "
    "plays and pauses, U removes the last vote."
)
NO_PACKAGE = (
    "For keys, pip install 'ipyreel[experiments]' where the kernel and JupyterLab run, and "
    "restart both. The buttons do the same."
)
NO_PAGE = (
    "The keys do not work: anywidget is not installed where JupyterLab runs. pip install "
    "anywidget there and reload the page. The buttons do the same."
)


class Judge(Panel):
    """Two videos in sync, a button for each answer, and the result at the end."""

    def __init__(
        self,
        screen: Screen,
        jobs: Jobs,
        labels: Mapping[str, str],
        *,
        votes: int,
        who: str,
        rng: Random,
    ) -> None:
        self._jobs, self._labels, self._who, self._rng = jobs, labels, who, rng
        self._of = {job.file.sha256: job for job in jobs.snapshots if job.file is not None}
        self._more = self._goal = votes
        self._pair: Pair | None = None
        self._turn = 0
        self._stage = widgets.Output(_dom_classes=("ipyreel-stage",))
        self._result, self._hint = widgets.HTML(), widgets.HTML()
        self._undo = button("Undo", "Remove your last vote", self._take_back)
        self._stop = button("", "", self._end)
        self._again = button("", "", self._go_on)
        self._keys = _keys(self._heard)
        answers = (
            button("← Left", "The left video is better", lambda _: self._cast("left")),
            button("↓ Tie", "Both are equally good", lambda _: self._cast("tie")),
            button("Right →", "The right video is better", lambda _: self._cast("right")),
        )
        self._judging = widgets.VBox(
            (
                self._stage,
                widgets.HBox(answers, _dom_classes=("ipyreel-bar-row", "ipyreel-answers")),
                self._hint,
            )
        )
        super().__init__(screen, name=f"judge {jobs.id or 'JOBS'}", wide=True)
        self.add_class("ipyreel-judge")
        head = bar(self.status, self._undo, self._stop, self._again)
        # Hidden: if anywidget is missing, an error is shown in its place.
        keys = () if self._keys is None else (self._keys,)
        hidden = widgets.Box(keys, _dom_classes=("ipyreel-sheet",))
        self.place(self._result, head, self._judging, hidden)
        self._hint.value = "" if self._keys is not None else hint_html(NO_PACKAGE)
        self._ask()

    @property
    def _opinions(self) -> Any:
        return opinions_of(self._screen.session)

    def _votes(self) -> list[Vote]:
        found = self._opinions.votes(self._labels)
        return [vote for vote in found if is_between(vote, self._labels)]

    @property
    def _cast_so_far(self) -> int:
        return sum(vote.who == self._who for vote in self._votes())

    def _ask(self) -> None:
        """Show the next pair, or the result if there are enough votes or no more pairs."""
        votes = self._votes()
        enough = sum(vote.who == self._who for vote in votes) >= self._goal
        pair = None if enough else next_pair(self._labels, votes, self._who, self._rng)
        if pair is None:
            self._finish(can_go_on=enough)
        else:
            self._show(pair)

    def _show(self, pair: Pair) -> None:
        self._pair = pair
        self._turn += 1
        left, right = (self._screen.video(self._of[one]) for one in (pair.left, pair.right))
        html = blind_html(left, right, self._jobs.info.prompt, self._turn)
        self._stage.outputs = (output({"text/html": html, "text/plain": "Two videos"}),)
        count = self._cast_so_far
        self.say(f"{count} of {self._goal} votes. Which video is better?")
        self._turn_to(judging=True, more="")

    def _turn_to(self, *, judging: bool, more: str) -> None:
        """Show the pair or the result; the widgets are kept, since new views would miss a key."""
        self._result.layout.display = "none" if judging else None
        self._judging.layout.display = None if judging else "none"
        set_button(self._stop, "Stop and show the result" if judging else "", "Votes are kept")
        set_button(self._again, more, "Show more pairs")
        self.renew()

    def _finish(self, *, can_go_on: bool) -> None:
        self._pair = None
        self._stage.outputs = ()
        self._result.value = results_of_list(self._screen.session, self._jobs).html
        self.say(*([] if can_go_on else ["Every pair was judged. "]), "Votes are in the library.")
        self._turn_to(judging=False, more=f"Judge {self._more} more" if can_go_on else "")

    @guarded
    def _cast(self, winner: Winner) -> None:
        pair = self._pair
        if pair is not None:
            self._opinions.vote(
                pair.left, pair.right, winner, who=self._who, balanced=pair.balanced
            )
            self._ask()

    @guarded
    def _take_back(self, _button: object) -> None:
        gone = self._opinions.undo(who=self._who, among=self._labels)
        if gone is None:
            self.say("There is no vote to remove.")
        else:
            self._show(Pair(left=gone.left, right=gone.right, balanced=gone.balanced))

    @guarded
    def _end(self, _button: object) -> None:
        self._finish(can_go_on=True)

    @guarded
    def _go_on(self, _button: object) -> None:
        self._goal = self._cast_so_far + self._more
        self._ask()

    # ---- the keys ------------------------------------------------------------------------

    def _heard(self, _widget: object, message: Mapping[str, Any], _buffers: object) -> None:
        key = message.get("key")
        if key == "here":
            set_traits(self._hint, value=hint_html(KEYS))
        elif message.get("turn") == self._turn:  # not for the previous pair
            if key == "undo":
                self._take_back(None)
            elif key in {"left", "right", "tie"}:
                self._cast(key)

    async def notice_absence(self, after: float = PATIENCE) -> None:
        """Say after some seconds what to do if the keys are missing."""
        await asyncio.sleep(after)
        if not self._hint.value:
            set_traits(self._hint, value=hint_html(NO_PAGE))

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        if self._screen.host.pushes:
            self._screen.session.loop.submit(self.notice_absence())

    # ---- what is saved -------------------------------------------------------------------

    def static_copy(self) -> MimeBundle:
        """Return the result once it is shown; before, nothing that could influence votes."""
        html = element("div", repr(self), style="opacity:0.75")
        if self._pair is None:
            result = results_of_list(self._screen.session, self._jobs)
            return {"text/html": result.html + html, "text/plain": f"{result.text}\n{self!r}"}
        return {"text/html": html, "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Return a line on how to continue."""
        name = self._jobs.id or "JOBS"
        return (
            f"{self._cast_so_far} votes by {self._who}. %video judge {name} asks for more, "
            f"%video results {name} shows the results."
        )


def open_judge(screen: Screen, jobs: Jobs, *, votes: int, who: str | None) -> Judge | Notice:
    """Return the panel; without widgets, a notice that says what to use instead."""
    snapshots = jobs.snapshots
    there = {one.file.sha256 for one in snapshots if one.file and Path(one.file.path).exists()}
    _, known = settings_of(jobs, snapshots)
    labels = {video: label for video, label in known.items() if video in there}
    if len(set(labels.values())) < 2:  # noqa: PLR2004 - a pair
        raise InvalidRequest(
            "Judging needs finished videos of at least two settings.",
            hint="%video wait waits for jobs that are active.",
        )
    if not screen.host.widgets:
        return Notice(
            "%video judge needs a front end with widgets (JupyterLab, Notebook 7, Voila).",
            "Use %video vote BETTER WORSE instead.",
        )
    rng = Random()  # noqa: S311 - pairs and sides, no secrets
    return Judge(screen, jobs, labels, votes=votes, who=who or current_user(), rng=rng)


def _keys(heard: Callable[..., None]) -> Any:
    """Return the widget that receives keys on the page; None without anywidget."""
    try:
        import anywidget  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None

    class Keys(anywidget.AnyWidget):
        """Sends keys, each with the turn of the pair that is visible."""

        _esm = static("judge.js")

    keys = Keys()
    keys.on_msg(heard)
    return keys
