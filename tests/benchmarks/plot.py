"""A plot of lateness against requests, written as SVG by hand: nothing to install."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 860, 520, 70, 50, 20
RIGHT = 610
COLOURS = ("#0b6e4f", "#1f77b4", "#d62728", "#ff7f0e", "#9467bd", "#7f7f7f")
LOW_X, HIGH_X = 1.0, 1000.0
LOW_Y, HIGH_Y = 0.001, 3.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """One way of watching one model: requests per job, lateness over the model's limit."""

    kind: str
    model: str
    late: float
    asked: float


def draw(points: Sequence[Point]) -> str:
    """Return the SVG. On the line, lateness times requests is the limit; below is nothing."""
    kinds = list(dict.fromkeys(point.kind for point in points))
    colours = dict(zip(kinds, COLOURS, strict=False))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_axes(),
        *(_dot(point, colours[point.kind]) for point in points),
        *(_key(kind, colours[kind], row) for row, kind in enumerate(kinds)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(asked: float) -> float:
    return LEFT + (RIGHT - LEFT) * math.log(asked / LOW_X) / math.log(HIGH_X / LOW_X)


def _y(late: float) -> float:
    part = math.log(late / LOW_Y) / math.log(HIGH_Y / LOW_Y)
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * part


def _axes() -> list[str]:
    parts = []
    for asked in (1, 10, 100, 1000):
        x = _x(asked)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 32}" text-anchor="middle">{asked}</text>')
    for late in (0.001, 0.01, 0.1, 1):
        y = _y(late)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{late:g}</text>')
    line = f"M{_x(LOW_X):.1f} {_y(1):.1f}L{_x(HIGH_X):.1f} {_y(1 / HIGH_X):.1f}"
    middle = (LEFT + RIGHT) / 2
    parts += [
        f'<path d="{line}" stroke="#000" stroke-width="1.5"/>',
        f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">requests per job, R</text>',
        f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">',
        "mean lateness L, over the model's limit of L x R</text>",
    ]
    return parts


def _dot(point: Point, colour: str) -> str:
    x, y = _x(point.asked), _y(point.late)
    ratio = point.late * point.asked
    title = escape(f"{point.model}, {point.kind}: {ratio:.2f} x the limit")
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity="0.75">'
        f"<title>{title}</title></circle>"
    )


def _key(kind: str, colour: str, row: int) -> str:
    y = TOP + 14 + 20 * row
    return (
        f'<circle cx="{RIGHT + 20}" cy="{y - 4}" r="5" fill="{colour}"/>'
        f'<text x="{RIGHT + 32}" y="{y}">{escape(kind)}</text>'
    )
