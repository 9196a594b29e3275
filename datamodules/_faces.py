"""Drawn faces in the manner of anime: what belongs to a face, drawn from numbers into pixels and a map of its parts.

A face is polygons in a square of unit size, x to the right and y down, drawn on a canvas some times larger than the
picture and averaged down; parts are taken where the middles of the picture's pixels fall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["EYES", "HAIR", "MARKS", "PARTS", "TAGS", "draw_face", "face_tags"]

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]] | np.ndarray[Any, np.dtype[np.float64]]
Tags = np.ndarray[Any, np.dtype[np.float32]]

HAIR: dict[str, Colour] = {
    "blonde hair": (250, 214, 96),
    "brown hair": (128, 78, 42),
    "black hair": (42, 38, 50),
    "blue hair": (72, 112, 224),
    "pink hair": (255, 146, 190),
    "purple hair": (140, 74, 190),
    "green hair": (72, 178, 92),
    "red hair": (206, 40, 44),
    "white hair": (240, 240, 246),
}
EYES: dict[str, Colour] = {
    "blue eyes": (40, 110, 255),
    "red eyes": (226, 24, 34),
    "brown eyes": (128, 70, 24),
    "green eyes": (20, 170, 60),
    "purple eyes": (158, 44, 214),
    "yellow eyes": (250, 204, 10),
}
MARKS = ("long hair", "twin tails", "blush", "smile", "open mouth", "hat", "ribbon", "glasses")
TAGS = (*HAIR, *MARKS, *EYES)
PARTS = ("background", "hair", "skin", "eyes", "mouth", "clothes", "hat", "ribbon", "glasses")

MARK_CHANCE = 0.25
SKINS: tuple[Colour, ...] = ((255, 228, 206), (250, 214, 186), (236, 190, 154), (222, 170, 130))
MIDDLE = np.array([0.5, 0.55])
CIRCLE = np.array([(-math.cos(t), -math.sin(t)) for t in np.arange(25) * (math.pi / 12)])  # from the leftmost point up
SEED = 20_170_818  # of all faces: they are the same ones for everybody


def face_tags(number: int) -> Tags:
    """Tags of the face of a number, float32 (T,) in {0, 1}, in the order of ``TAGS``: one hair colour and one eye colour, each as
    likely as the others; every mark by itself, with probability 1/4."""
    return _tags(np.random.RandomState([SEED, number]))


def draw_face(number: int, side: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The face of a number: pixels uint8 (3, side, side) and parts uint8 (side, side), places in ``PARTS``."""
    random = np.random.RandomState([SEED, number])
    tags = _tags(random)  # the first draws
    return _Painter(random, dict(zip(TAGS, tags.astype(bool).tolist(), strict=True))).paint(side)


def _tags(random: np.random.RandomState) -> Tags:
    tags = np.zeros(len(TAGS), np.float32)
    tags[random.randint(len(HAIR))] = 1
    tags[len(TAGS) - len(EYES) + random.randint(len(EYES))] = 1
    tags[len(HAIR) : len(HAIR) + len(MARKS)] = random.uniform(size=len(MARKS)) < MARK_CHANCE
    return tags


class _Canvas:
    """Pixels and parts of the same shapes, turned, scaled and moved by ``pose``."""

    def __init__(self, side: int, background: Colour, pose: tuple[float, float, float, float]) -> None:
        self.image = Image.new("RGB", (side, side), background)
        self.parts = Image.new("L", (side, side), 0)
        self._image, self._parts = ImageDraw.Draw(self.image), ImageDraw.Draw(self.parts)
        angle, scale, right, down = pose
        cosine, sine = math.cos(angle) * scale * side, math.sin(angle) * scale * side
        self._unit = scale * side  # pixels
        self._turn = np.array([[cosine, sine], [-sine, cosine]])
        self._shift = (
            side * (MIDDLE + np.array((right, down))) - MIDDLE @ self._turn
        )  # turned about the middle of the face

    def _place(self, points: Points) -> list[float]:
        """Unit coordinates to the canvas', x and y in turn."""
        placed: list[float] = (np.asarray(points) @ self._turn + self._shift).ravel().tolist()
        return placed

    def fill(self, points: Points, colour: Colour, part: str | None) -> None:
        """A polygon; ``part`` None leaves the map as it is."""
        placed = self._place(points)
        self._image.polygon(placed, fill=colour)
        if part is not None:
            self._parts.polygon(placed, fill=PARTS.index(part))

    def line(self, points: Points, thick: float, colour: Colour, part: str | None) -> None:
        """A line of unit thickness ``thick``."""
        placed, pixels = self._place(points), max(1, round(thick * self._unit))
        self._image.line(placed, fill=colour, width=pixels)
        if part is not None:
            self._parts.line(placed, fill=PARTS.index(part), width=pixels)


class _Painter:
    """Draws one face: colours and proportions from ``random``, the rest from tags."""

    def __init__(self, random: np.random.RandomState, tags: dict[str, bool]) -> None:
        self.random, self.tags = random, tags
        hair = next(colour for name, colour in HAIR.items() if tags[name])
        eyes = next(colour for name, colour in EYES.items() if tags[name])
        self.hair, self.eyes = self._near(hair, 10), self._near(eyes, 8)
        self.skin = self._near(SKINS[random.randint(len(SKINS))], 5)
        self.cloth, self.accent = self._any(), self._any()
        self.face_wide, self.chin = random.uniform(0.235, 0.265), random.uniform(0.855, 0.885)
        self.apart, self.eye_high = random.uniform(0.118, 0.132), random.uniform(0.60, 0.625)
        self.eye_wide, self.eye_tall = random.uniform(0.072, 0.082), random.uniform(0.088, 0.102)
        self.gaze = random.uniform(-0.012, 0.012)
        self.fringe = random.randint(3)
        self.pose = (
            random.uniform(-0.10, 0.10),  # radians
            random.uniform(1.0, 1.1),
            random.uniform(-0.025, 0.025),
            random.uniform(-0.02, 0.02),
        )

    def paint(self, side: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Pixels (3, side, side) and parts (side, side)."""
        background = self._mix(self._any(), (255, 255, 255), self.random.uniform(0.3, 0.75))
        self.canvas = _Canvas(side * max(2, -(-128 // side)), background, self.pose)
        self._hair_behind()
        self._body()
        self._head()
        for sign in (-1, 1):
            self._eye(sign)
        self._mouth()
        if self.tags["glasses"]:
            self._glasses()
        self._hair_in_front()
        if self.tags["hat"]:
            self._hat()
        if self.tags["ribbon"]:
            self._ribbon()
        pixels = np.asarray(self.canvas.image.resize((side, side), Image.Resampling.BOX))
        parts = np.asarray(self.canvas.parts.resize((side, side), Image.Resampling.NEAREST))
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)), parts

    # ---------------------------------------------------------------- colours

    def _near(self, colour: Colour, by: int) -> Colour:
        return self._clip([value + self.random.randint(-by, by + 1) for value in colour])

    def _any(self) -> Colour:
        return self._clip(self.random.randint(40, 236, 3))

    @staticmethod
    def _clip(values: Sequence[float] | np.ndarray[Any, Any]) -> Colour:
        red, green, blue = (min(255, max(0, int(value))) for value in values)
        return red, green, blue

    def _mix(self, colour: Colour, other: Colour, share: float) -> Colour:
        """``share`` of the other colour."""
        return self._clip([a + (b - a) * share for a, b in zip(colour, other, strict=True)])

    def _dark(self, colour: Colour, share: float = 0.3) -> Colour:
        return self._mix(colour, (20, 10, 40), share)

    # ---------------------------------------------------------------- parts, from the back to the front

    def _hair_behind(self) -> None:
        shade = self._dark(self.hair, 0.22)
        self.canvas.fill(_ellipse(0.5, 0.49, 0.335, 0.345), shade, "hair")
        if self.tags["twin tails"]:
            for sign in (-1, 1):
                bunch = [(0.5 + sign * x, y) for x, y in ((0.26, 0.34), (0.46, 0.38), (0.50, 0.62), (0.40, 0.93))]
                bunch += [(0.5 + sign * x, y) for x, y in ((0.345, 0.66), (0.30, 0.52))]
                self.canvas.fill(bunch, self.hair, "hair")
                self.canvas.fill(_ellipse(0.5 + sign * 0.325, 0.385, 0.04, 0.04), self.accent, "hair")
        if self.tags["long hair"]:
            for sign in (-1, 1):
                fall = [(0.5 + sign * x, y) for x, y in ((0.0, 0.45), (0.33, 0.45), (0.365, 0.75), (0.37, 1.2))]
                self.canvas.fill([*fall, (0.5, 1.2)], shade, "hair")
                self.canvas.line([(0.5 + sign * 0.31, 0.6), (0.5 + sign * 0.325, 1.2)], 0.014, self.hair, "hair")

    def _body(self) -> None:
        shoulders = [(0.44, 0.90), (0.56, 0.90), (0.74, 0.97), (0.80, 1.3), (0.20, 1.3), (0.26, 0.97)]
        self.canvas.fill(shoulders, self.cloth, "clothes")
        self.canvas.fill([(0.435, 0.80), (0.565, 0.80), (0.575, 0.93), (0.5, 0.985), (0.425, 0.93)],
                         self._dark(self.skin, 0.16), "skin")  # fmt: skip

    def _head(self) -> None:
        wide, chin = self.face_wide, self.chin
        for sign in (-1, 1):
            self.canvas.fill(_ellipse(0.5 + sign * wide, 0.60, 0.035, 0.055), self._dark(self.skin, 0.08), "skin")
        cheeks = [(0.5 + wide, 0.60), (0.5 + 0.90 * wide, 0.70), (0.5 + 0.56 * wide, 0.80), (0.5 + 0.14 * wide, chin)]
        left = [(1.0 - x, y) for x, y in reversed(cheeks)]
        self.canvas.fill([*_dome(0.5, 0.55, wide, 0.27), *cheeks, *left], self.skin, "skin")
        if self.tags["blush"]:
            for sign in (-1, 1):
                self.canvas.fill(_ellipse(0.5 + sign * 0.155, 0.735, 0.058, 0.03), self._mix(self.skin, (250, 60, 80), 0.55),
                                 None)  # fmt: skip
        self.canvas.line([(0.5, 0.715), (0.494, 0.732)], 0.012, self._dark(self.skin, 0.3), None)

    def _eye(self, sign: int) -> None:
        x, y, wide, tall = 0.5 + sign * self.apart, self.eye_high, self.eye_wide, self.eye_tall
        self.canvas.fill(_ellipse(x, y, wide, tall), (255, 255, 255), "eyes")
        x += self.gaze
        self.canvas.fill(_ellipse(x, y + 0.008, 0.82 * wide, 0.92 * tall), self.eyes, "eyes")
        self.canvas.fill(_ellipse(x, y - 0.016, 0.36 * wide, 0.38 * tall), self._dark(self.eyes, 0.75), "eyes")
        self.canvas.fill(_ellipse(x - 0.024, y - 0.036, 0.022, 0.026), (255, 255, 255), "eyes")
        self.canvas.line(_dome(x - self.gaze, y, 1.12 * wide, 1.06 * tall)[2:-2], 0.026, (40, 26, 34), "eyes")
        brow = [(x - 0.06, y - tall - 0.03 - 0.012 * sign), (x + 0.06, y - tall - 0.03 + 0.012 * sign)]
        self.canvas.line(brow, 0.014, self._dark(self.hair, 0.4), "hair")

    def _mouth(self) -> None:
        smile, high = self.tags["smile"], 0.785
        inside, lips = (150, 26, 40), (120, 40, 44)
        if self.tags["open mouth"]:
            if smile:  # a half moon
                moon = [
                    (0.5 + 0.075 * math.cos(t), high - 0.012 + 0.068 * math.sin(t)) for t in _angles(0.0, math.pi, 9)
                ]
                self.canvas.fill(moon, inside, "mouth")
                self.canvas.line([moon[-1], moon[0]], 0.012, (255, 250, 250), "mouth")
            else:
                self.canvas.fill(_ellipse(0.5, high + 0.006, 0.036, 0.042), inside, "mouth")
        elif smile:
            curve = [
                (0.5 + 0.085 * math.cos(t), high - 0.03 + 0.048 * math.sin(t)) for t in _angles(0.1, math.pi - 0.1, 9)
            ]
            self.canvas.line(curve, 0.02, lips, "mouth")
        else:
            self.canvas.line([(0.466, high), (0.534, high)], 0.026, lips, "mouth")

    def _glasses(self) -> None:
        frame, high = self._dark(self.accent, 0.65), self.eye_high + 0.006
        for sign in (-1, 1):
            rim = _ellipse(0.5 + sign * self.apart, high, 0.108, 0.112)
            self.canvas.line(rim, 0.022, frame, "glasses")
            self.canvas.line([(0.5 + sign * (self.apart + 0.105), high - 0.02), (0.5 + sign * 0.29, high - 0.05)], 0.018,
                             frame, "glasses")  # fmt: skip
        self.canvas.line([(0.478, high - 0.01), (0.522, high - 0.01)], 0.02, frame, "glasses")

    def _hair_in_front(self) -> None:
        cap = _dome(0.5, 0.47, 0.325, 0.335)
        locks = {
            0: [(0.80, 0.70), (0.755, 0.52), (0.69, 0.43), (0.63, 0.50), (0.56, 0.42), (0.50, 0.51), (0.44, 0.42),
                (0.37, 0.50), (0.31, 0.43), (0.245, 0.52), (0.20, 0.70)],
            1: [(0.81, 0.74), (0.76, 0.54), (0.70, 0.46), (0.60, 0.40), (0.45, 0.33), (0.36, 0.46), (0.29, 0.50),
                (0.24, 0.56), (0.19, 0.74)],
            2: [(0.80, 0.68), (0.75, 0.49), (0.62, 0.485), (0.5, 0.49), (0.38, 0.485), (0.25, 0.49), (0.20, 0.68)],
        }[int(self.fringe)]  # fmt: skip
        self.canvas.fill(cap + locks, self.hair, "hair")
        light = self._mix(self.hair, (255, 255, 255), 0.35)
        shine = [(0.5 + 0.22 * math.cos(t), 0.37 - 0.10 * math.sin(t)) for t in _angles(0.7, 2.0, 7)]
        self.canvas.line(shine, 0.022, light, "hair")

    def _hat(self) -> None:
        shade = self._dark(self.accent, 0.35)
        self.canvas.fill(_dome(0.5, 0.31, 0.30, 0.26), self.accent, "hat")
        self.canvas.fill([(0.10, 0.345), (0.16, 0.285), (0.84, 0.285), (0.90, 0.345)], shade, "hat")

    def _ribbon(self) -> None:
        red = self._near((224, 40, 60), 16)
        for sign in (-1, 1):
            wing = [(0.5, 0.925), (0.5 + sign * 0.135, 0.865), (0.5 + sign * 0.135, 0.995)]
            self.canvas.fill(wing, red, "ribbon")
        self.canvas.fill(_ellipse(0.5, 0.928, 0.032, 0.036), self._dark(red, 0.35), "ribbon")


def _angles(start: float, stop: float, count: int) -> list[float]:
    return [start + (stop - start) * step / (count - 1) for step in range(count)]


def _ellipse(x: float, y: float, wide: float, tall: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """25 corners of an ellipse about (x, y), (25, 2), clockwise from its leftmost point and back to it."""
    corners: np.ndarray[Any, np.dtype[np.float64]] = CIRCLE * (wide, tall) + (x, y)
    return corners


def _dome(x: float, y: float, wide: float, tall: float) -> list[tuple[float, float]]:
    """The upper half of an ellipse, from the left to the right."""
    return [(float(across), float(down)) for across, down in _ellipse(x, y, wide, tall)[:13]]
