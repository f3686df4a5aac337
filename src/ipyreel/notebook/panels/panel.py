"""What the form, the gallery and compare are built of.

May import `display`, `kept`, `still`, `errors` and `values`. Callbacks arrive on whatever
thread the front end's message is handled on, so each runs under one lock, and what goes wrong
in it is shown in the status line: anywhere else it would vanish.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Concatenate, ParamSpec, TypeVar

import ipywidgets as widgets

from ipyreel.errors import VideoError
from ipyreel.notebook.live.plain import Slot, told_of
from ipyreel.notebook.live.saved_copy import SavedCopy
from ipyreel.notebook.markup.job_html import Markup, element

P = ParamSpec("P")
B = TypeVar("B", bound="Panel")


@cache
def static(name: str) -> str:
    """Return the text of a file in `static/`."""
    return (files("ipyreel.notebook") / "static" / name).read_text("utf-8")


def sheet() -> Markup:
    """Return the style sheet of the workbench, with the script that hears its keys."""
    # `onload`, since a script that is put in by innerHTML does not run.
    return element("style", Markup(static("bench.css")), onload=static("keys.js"))


def status_html(*parts: object, bad: bool = False) -> Markup:
    """Return the status line, which screen readers say aloud when it changes."""
    name = "ipyreel-status bad" if bad else "ipyreel-status"
    return element("div", *parts, class_=name, role="status", aria_live="polite", dir="auto")


def hint_html(*parts: object) -> Markup:
    """Return a line of small print."""
    return element("div", *parts, class_="ipyreel-hint")


def told(error: BaseException) -> str:
    """Return what went wrong in a line; our own errors are sentences already."""
    return str(error) if isinstance(error, VideoError) else told_of(error)


def guarded(
    method: Callable[Concatenate[B, P], object],
) -> Callable[Concatenate[B, P], None]:
    """Make a method a callback: one at a time, and its errors stand in the status line."""

    @functools.wraps(method)
    def call(self: B, /, *args: P.args, **kwargs: P.kwargs) -> None:
        with self.lock:
            try:
                method(self, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - shown to the person who clicked
                self.say(told(error), bad=True)

    return call


class Panel(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A part of the workbench: its widgets, its status line, and what is saved in its place."""

    def __init__(self, *children: Any, name: str, classes: Sequence[str] = ()) -> None:
        self.lock = threading.RLock()
        self.status = widgets.HTML()
        self.kept: SavedCopy | None = None
        self._name = name
        self._sheet = widgets.HTML(sheet())
        self._sheet.add_class("ipyreel-sheet")
        super().__init__((*children, self._sheet), _dom_classes=("ipyreel-bench", *classes))

    def place(self, *children: Any) -> None:
        """Put in other children."""
        self.children = (*children, self._sheet)

    def say(self, *parts: object, bad: bool = False) -> None:
        """Put a sentence into the status line."""
        html = status_html(*parts, bad=bad)
        if self.status.value != html:
            self.status.value = html

    def still(self) -> tuple[str, str]:
        """Return what is saved, as HTML and as text: a widget is nothing without its kernel."""
        return element("div", repr(self), style="opacity:0.75"), repr(self)

    def renew(self) -> None:
        """Bring what is saved up to date."""
        if self.kept is not None:
            self.kept.renew()

    def _repr_mimebundle_(self, **wishes: Any) -> Mapping[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**wishes) or {}
        html, text = self.still()
        return {**bundle, "text/plain": text, "text/html": html}

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        if self.kept is None:
            Slot().display(bundle, raw=True)
            return
        # What stands below says it all, also where this notebook is not trusted.
        Slot().display({**bundle, "text/plain": "", "text/html": ""}, raw=True)
        self.kept.show()

    def __repr__(self) -> str:
        """Return a line on what stood here."""
        return f"The {self._name} needs a running kernel: %video {self._name} opens it."


class Choice(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """One field: a list where all values are known, else free text with the known ones offered."""

    def __init__(self, label: str, classes: Sequence[str] = ()) -> None:
        wide = widgets.Layout(width="auto")
        self._list = widgets.Dropdown(description=label, options=[("default", "")], layout=wide)
        self._free = widgets.Combobox(description=label, ensure_option=False, layout=wide)
        super().__init__((self._list,), _dom_classes=tuple(classes))

    @property
    def value(self) -> str:
        """What was chosen, "" for the default."""
        return str(self._shown.value or "").strip()

    @value.setter
    def value(self, text: str) -> None:
        known = [one for _, one in self._list.options]
        if self._shown is self._list and text not in known:
            self._list.options = [*self._list.options, (text, text)]
        self._shown.value = text

    @property
    def _shown(self) -> Any:
        return self.children[0]

    def offer(self, values: Sequence[str], *, free: bool, default: str) -> str:
        """Take other values; returns the value that had to go because it is none of them."""
        before = self.value
        shown = self._free if free else self._list
        self._free.options, self._free.placeholder = tuple(values), default
        options = [(default, ""), *((one.replace("x", "×"), one) for one in values)]
        if list(self._list.options) != options:
            self._list.options = options
        keeps = free or before in values
        shown.value = before if keeps else ""
        if self._shown is not shown:
            self.children = (shown,)
        return "" if keeps else before

    def watch(self, callback: Callable[[Any], None]) -> None:
        """Call back when the value changes."""
        for field in (self._list, self._free):
            field.observe(callback, "value")
