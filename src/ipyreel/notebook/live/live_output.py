"""One output with two lives: a live widget, and static HTML once there is nothing to move.

May import `still`. What is shown by `display_id` reaches the page that the cell ran in, the
widget reaches a page that was reloaded since: so the end goes to both, and the widgets are
closed once no page shows them any more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook.live.plain import Bundle, Slot


class LiveOutput(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The part of a live output that is the same whatever stands in it.

    `parts` are all widgets that are closed with it. Everything that changes it holds `_lock`:
    snapshots come from the poller's thread, clicks from any.
    """

    def __init__(
        self,
        children: Iterable[Any],
        parts: Iterable[Any],
        *,
        name: str,
        threads_deliver: bool,
    ) -> None:
        self._lock = threading.RLock()
        self._handle: Any = None
        self._final: Bundle | None = None
        self._parts = tuple(parts)
        self._name = name
        self._threads_deliver = threads_deliver
        self._final_view = widgets.Output()
        super().__init__(tuple(children), _dom_classes=(name,), _view_count=0)
        self.observe(self._looked_at, "_view_count")

    @property
    def ended(self) -> bool:
        """Whether it is static, so that nothing will change it."""
        return self._final is not None

    def show(self) -> None:
        """Show it in the cell that is running; call it once, from the cell's thread."""
        with self._lock:
            self._handle = Slot()
            if self._final is not None:
                self._handle.display(self._final, raw=True)
                self._dispose()
            else:
                self._handle.display(self)

    def close(self) -> None:
        """Close all widgets; what the page shows of them goes away with them."""
        for part in (*self._parts, self._final_view):
            part.layout.close()
            if hasattr(part, "style"):
                part.style.close()
            part.close()
        self.layout.close()
        super().close()

    def _may_send(self) -> bool:
        main = threading.current_thread() is threading.main_thread()
        return main or self._threads_deliver

    def _end(self, bundle: Bundle) -> None:
        self._final = bundle
        if self._handle is not None:
            self._handle.update(bundle, raw=True)
        # Only now, and for pages that were reloaded: elsewhere the view is already gone.
        self._final_view.outputs = (output(bundle),)
        self.remove_class(self._name)
        self.children = (self._final_view,)
        if self._handle is not None:
            self._dispose()

    def _dispose(self) -> None:
        """Close the widgets unless a page still shows them."""
        if not self._view_count:
            self.close()
            self._final_view.outputs = ()

    def _looked_at(self, _change: object) -> None:
        with self._lock:
            if self.ended and self._handle is not None and self.comm is not None:
                self._dispose()


def output(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle as an `Output` widget holds it."""
    return {"output_type": "display_data", "data": dict(bundle), "metadata": {}}
