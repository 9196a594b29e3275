"""Scores as curves on a logarithmic axis, as an SVG. Nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Iterable

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 64, 48, 16

Point = tuple[float, float]


class Plot:
    """An empty picture; what is drawn later lies above.

    Args:
        values: all scores that are to be seen.
        end: what the other axis ends with; it begins with 0.
        right: pixels beside the curves.
    """

    def __init__(self, values: Iterable[float], end: float, right: int) -> None:
        seen = list(values)
        self.low, self.high = math.floor(math.log10(min(seen))), math.ceil(math.log10(max(seen)))
        self.end, self.right = end, right
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        ]

    def at(self, position: float, value: float) -> Point:
        """Where a score stands, in pixels."""
        across = LEFT + (WIDTH - LEFT - self.right) * position / self.end
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (self.high - math.log10(value)) / (self.high - self.low)

    def axes(self, ticks: list[str]) -> None:
        """A line for each power of ten, and labels at equal distances below."""
        for power in range(self.low, self.high + 1):
            self.level(10.0**power, 'stroke="#ddd"')
            self.text(LEFT - 8, self.at(0, 10.0**power)[1] + 4, f"{10.0**power:g}", "end")
        for number, label in enumerate(ticks):
            self.text(self.at(self.end * number / (len(ticks) - 1), 1)[0], HEIGHT - BOTTOM + 20, label)

    def level(self, value: float, style: str) -> None:
        """A line from one side to the other."""
        (left, y), (right, _) = self.at(0, value), self.at(self.end, value)
        self._parts.append(f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" {style}/>')

    def curve(self, points: Iterable[Point], colour: str) -> None:
        """A curve through pixels."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def dot(self, x: float, y: float, colour: str) -> None:
        """A filled circle at a pixel."""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')

    def text(self, x: float, y: float, words: str, anchor: str = "middle", style: str = "") -> None:
        """Words at a pixel, which is their start, middle or end."""
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{words}</text>')

    def svg(self) -> str:
        """The picture."""
        return "\n".join([*self._parts, "</svg>", ""])
