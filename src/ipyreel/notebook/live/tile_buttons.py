"""The buttons on the tiles of a live grid.

They are widgets apart from the tiles, which are replaced with every update and would lose the
focus. They are made with the grid: a widget that is made on another thread may not reach the
page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook.live.live_output import set_traits


class TileButtons(widgets.Box):  # type: ignore[misc] # ipywidgets has no types
    """One button for each tile; `on_click` is called with the index of the tile."""

    def __init__(self, labels: Sequence[str], on_click: Callable[[int], None]) -> None:
        layout, style = widgets.Layout(), widgets.ButtonStyle()  # one of each for all of them
        self._labels = labels
        self.buttons = tuple(
            widgets.Button(layout=layout, style=style, _dom_classes=_classes(index, hidden=True))
            for index in range(len(labels))
        )
        for index, button in enumerate(self.buttons):
            button.on_click(partial(self._clicked, on_click, index))
        super().__init__(self.buttons, _dom_classes=("ipyreel-tile-buttons",))

    @staticmethod
    def _clicked(on_click: Callable[[int], None], index: int, _button: object) -> None:
        on_click(index)

    def paint(self, names: Sequence[str], busy: Sequence[str]) -> bool:
        """Name the buttons, "" hides one; `busy` has what one says while it works."""
        changed = [self._paint(*one) for one in enumerate(zip(names, busy, strict=True))]
        return any(changed)

    def _paint(self, index: int, words: tuple[str, str]) -> bool:
        name, busy = words
        traits: dict[str, Any] = {"_dom_classes": _classes(index, hidden=not name)}
        if name:
            tooltip = f"{name} {self._labels[index]}"
            traits |= {"description": busy or name, "tooltip": tooltip, "disabled": bool(busy)}
        return set_traits(self.buttons[index], **traits)


def _classes(index: int, *, hidden: bool) -> tuple[str, ...]:
    gone = ("ipyreel-gone",) if hidden else ()
    return ("ipyreel-tile-button", *gone, f"ipyreel-at-{index}")
