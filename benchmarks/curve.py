"""Draw scores over iterations, from one or more runs' metrics.csv or from JSON of ``lightning-gans evaluate``, as an SVG.

    python benchmarks/curve.py runs/dcgan-digits/1/metrics.csv --out curve.svg
    python benchmarks/curve.py 1000.json 3000.json --floor test.json --out curve.svg

The iteration of a JSON file is the one that its protocol names. Logarithmic score; nothing but the standard library.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 64, 48, 16, 24


def points(path: Path, score: str) -> list[tuple[int, float]]:
    """(iteration, value) of every row or file that has the score."""
    if path.suffix == ".json":
        found = json.loads(path.read_text())[score]
        iteration = re.search(r"at iteration (\d+)", found["protocol"])
        return [(int(iteration[1]) if iteration else -1, found["value"])]
    with path.open(newline="") as file:
        rows = [(int(row["step"]), row.get(score)) for row in csv.DictReader(file)]
    # Rows count from 0: what follows the 50th iteration has step 49; the untrained generator's is 0.
    return [(step + 1 if step else 0, float(value)) for step, value in rows if value]


def svg(curve: list[tuple[int, float]], floor: float | None, score: str) -> str:
    """The picture."""
    values = [value for _, value in curve] + ([floor] if floor else [])
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    end = max(iteration for iteration, _ in curve)

    def at(iteration: float, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * iteration / end
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (high - math.log10(value)) / (high - low)

    def line(start: tuple[float, float], stop: tuple[float, float], style: str) -> str:
        return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{stop[0]:.1f}" y2="{stop[1]:.1f}" {style}/>'

    def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for power in range(low, high + 1):
        parts.append(line(at(0, 10.0**power), at(end, 10.0**power), 'stroke="#ddd"'))
        parts.append(text(LEFT - 8, at(0, 10.0**power)[1] + 4, f"{10.0**power:g}", "end"))
    for tick in range(5):
        parts.append(text(at(end * tick / 4, 1)[0], HEIGHT - BOTTOM + 20, f"{end * tick // 4:,}"))
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 8, f"iterations; {score}"))
    if floor:
        parts.append(line(at(0, floor), at(end, floor), 'stroke="#888" stroke-dasharray="6 4"'))
        parts.append(text(WIDTH - RIGHT, at(0, floor)[1] - 6, f"held-out images: {floor:.3g}", "end"))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in curve))
    parts.append(f'<polyline points="{path}" fill="none" stroke="#1f77b4" stroke-width="2"/>')
    for point in curve:
        x, y = at(*point)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f77b4"/>')
        parts.append(text(x + 6, y - 8, f"{point[1]:.3g}", "start" if point[0] < end else "end"))
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="metrics.csv, or JSON of evaluate")
    parser.add_argument("--score", default="fid_domain")
    parser.add_argument("--floor", type=Path, help="JSON of evaluate: the score of held-out images")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    curve = sorted(point for path in options.files for point in points(path, options.score))
    floor = points(options.floor, options.score)[0][1] if options.floor else None
    options.out.write_text(svg(curve, floor, options.score))


if __name__ == "__main__":
    main()
