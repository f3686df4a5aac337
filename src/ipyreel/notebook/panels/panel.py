"""What form and gallery share: the status line, guarded callbacks, and the saved copy.

Callbacks run on whatever thread handles the front end's message, so each runs under one lock;
their errors are shown in the status line, since they would be lost elsewhere.
"""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import ipywidgets as widgets

from ipyreel.errors import VideoError
from ipyreel.notebook.handles.opinions import change_rating
from ipyreel.notebook.live.live_output import (
    MimeBundle,
    OutputHandle,
    SavedCopy,
    close_tree,
    set_traits,
    short_error,
)
from ipyreel.notebook.markup.html import Markup, element, static
from ipyreel.notebook.screen import Screen
from ipyreel.values import JobSnapshot

P = ParamSpec("P")
B = TypeVar("B", bound="Panel")


def status_html(*parts: object, bad: bool = False) -> Markup:
    """Return the status line, which screen readers announce when it changes."""
    name = "ipyreel-status bad" if bad else "ipyreel-status"
    return element("div", *parts, class_=name, role="status", aria_live="polite", dir="auto")


def hint_html(*parts: object) -> Markup:
    """Return a line of small print."""
    return element("div", *parts, class_="ipyreel-hint")


def button(name: str, hint: str, hook: Callable[[Any], object]) -> Any:
    """Return a button; `hook` is called with it."""
    made = widgets.Button(description=name, tooltip=hint)
    made.on_click(hook)
    return made


def bar(*children: Any) -> Any:
    """Return widgets in a row that wraps."""
    return widgets.HBox(children, _dom_classes=("ipyreel-bar-row",))


def webp_uri(picture: bytes) -> str:
    """Return a WebP picture as a data URI."""
    return "data:image/webp;base64," + base64.b64encode(picture).decode("ascii")


def error_text(error: BaseException) -> str:
    """Return an error as one line; our own errors are sentences already."""
    return str(error) if isinstance(error, VideoError) else short_error(error)


def guarded(
    method: Callable[Concatenate[B, P], object],
) -> Callable[Concatenate[B, P], None]:
    """Make a method a callback: one runs at a time, and errors appear in the status line."""

    @functools.wraps(method)
    def call(self: B, /, *args: P.args, **kwargs: P.kwargs) -> None:
        with self.lock:
            if self.retired:
                return
            try:
                method(self, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - shown to the person who clicked
                self.say(error_text(error), bad=True)

    return call


class Panel(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A form or a gallery: its widgets, its status line, and its saved copy."""

    def __init__(self, screen: Screen, *children: Any, name: str, wide: bool = False) -> None:
        self.lock = threading.RLock()
        self.status = widgets.HTML()
        self.retired = False
        self._screen = screen
        self._name = name
        # `onload`, since a script that innerHTML inserts does not run.
        sheet = element("style", Markup(static("panel.css")), onload=static("keys.js"))
        self._sheet = widgets.HTML(sheet)
        self._sheet.add_class("ipyreel-sheet")
        classes = ("ipyreel-panel", "ipyreel-wide-panel") if wide else ("ipyreel-panel",)
        super().__init__((*children, self._sheet), _dom_classes=classes)
        self.saved: SavedCopy | None = screen.saved_copy(self.static_copy)
        screen.open_panels.add(self)

    def place(self, *children: Any) -> None:
        """Replace the children."""
        self.children = (*children, self._sheet)

    def say(self, *parts: object, bad: bool = False) -> None:
        """Show a sentence in the status line."""
        set_traits(self.status, value=status_html(*parts, bad=bad))

    @guarded
    def keep_opinion(self, /, job: JobSnapshot, **new: Any) -> None:
        """Store the user's new `stars`, `note` or `tags` for a video, and say so."""
        change_rating(self._screen.session, job, **new)
        self.say(f"{job.id}: {' and '.join(new)} saved.")
        self.renew()

    def static_copy(self) -> MimeBundle:
        """Return what is saved: a widget shows nothing without its kernel."""
        return {
            "text/html": element("div", repr(self), style="opacity:0.75"),
            "text/plain": repr(self),
        }

    def renew(self) -> None:
        """Bring the saved copy up to date."""
        if self.saved is not None:
            self.saved.renew()

    def retire(self) -> None:
        """Remove everything that could be clicked, because the session was closed."""
        with self.lock:
            self.retired = True
            self.say(
                f"This {self._name} belongs to a session that was closed. "
                f"%video {self._name} opens a new one.",
                bad=True,
            )
            self.place(self.status)

    def close(self) -> None:
        """Close all widgets of the panel, when no callback is at work."""
        with self.lock:
            close_tree(self)

    def _repr_mimebundle_(self, **options: Any) -> Mapping[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options) or {}
        return {**bundle, **self.static_copy()}

    def _ipython_display_(self) -> None:
        self._screen.keep_panel(self)
        bundle = self._repr_mimebundle_()
        if self.saved is None:
            OutputHandle().display(bundle, raw=True)
            return
        # The copy below has all of it, also in a notebook that is not trusted.
        OutputHandle().display({**bundle, "text/plain": "", "text/html": ""}, raw=True)
        self.saved.show()

    def __repr__(self) -> str:
        """Return a line that says how to open the panel again."""
        return f"The {self._name} needs a running kernel: %video {self._name} opens it."


def typed(field: Any) -> Any:
    """Return a text field with a hidden copy of the text that the kernel knows.

    ipywidgets holds a text back while an earlier one is being processed, and a click overtakes
    it. So `keys.js` holds the click until both texts are equal.
    """
    known = widgets.HTML(element("span", data_text=field.value), _dom_classes=("ipyreel-sheet",))

    def note(change: Mapping[str, Any]) -> None:
        known.value = element("span", data_text=change["new"])

    field.observe(note, "value")
    return widgets.VBox((field, known), _dom_classes=("ipyreel-typed",))


class Choice(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """One field: a list if all values are known, else free text with suggestions."""

    def __init__(self, label: str) -> None:
        wide = widgets.Layout(width="auto")
        self._list = widgets.Dropdown(description=label, options=[("default", "")], layout=wide)
        self._free = widgets.Combobox(description=label, ensure_option=False, layout=wide)
        self._typed = typed(self._free)
        super().__init__((self._list,))

    @property
    def value(self) -> str:
        """The chosen value, "" for the default."""
        return str(self._shown.value or "").strip()

    @value.setter
    def value(self, text: str) -> None:
        known = [one for _, one in self._list.options]
        if self._shown is self._list and text not in known:
            self._list.options = [*self._list.options, (text, text)]
        self._shown.value = text

    @property
    def _shown(self) -> Any:
        return self._list if self.children[0] is self._list else self._free

    def offer(self, values: Sequence[str], *, free: bool, default: str) -> str:
        """Offer other values; return the chosen value if it was removed as not among them."""
        before = self.value
        shown = self._free if free else self._list
        self._free.options, self._free.placeholder = tuple(values), default
        options = [(default, ""), *((one.replace("x", "×"), one) for one in values)]
        if list(self._list.options) != options:
            self._list.options = options
        keeps = free or before in values
        shown.value = before if keeps else ""
        self.children = (self._typed if free else self._list,)
        return "" if keeps else before

    def watch(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` when the value changes."""
        for field in (self._list, self._free):
            field.observe(callback, "value")
