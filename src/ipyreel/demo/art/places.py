"""From the scene to the list of layers that make its picture."""

from __future__ import annotations

from collections.abc import Callable

from ipyreel.demo.art import air, city, coast, garden, lands, wonders
from ipyreel.demo.art.stage import Part, Stage

_PLACES: dict[str, Callable[[Stage], list[Part]]] = {
    "beach": coast.beach,
    "sea": coast.sea,
    "mountain": lands.mountain,
    "desert": lands.desert,
    "meadow": lands.meadow,
    "forest": lands.forest,
    "city": city.city,
    "garden": garden.garden,
    "underwater": wonders.underwater,
    "space": wonders.space,
    "studio": wonders.studio,
    "silk": wonders.silk,
}


def build(stage: Stage) -> list[Part]:
    """Return the layers of the scene in the order in which they are drawn, the farthest first."""
    layers = [*_PLACES[stage.scene.place](stage), *air.in_front(stage)]
    # What is far away belongs right over the sky, which every place draws first.
    layers[1:1] = air.behind(stage)
    if "fog" in stage.scene.air:
        layers.append(air.fog(stage))
    return layers
