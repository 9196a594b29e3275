"""Draw scores over iterations, from one or more runs' metrics.csv or from JSON of ``lightning-gans evaluate``, as an SVG.

    python benchmarks/curve.py runs/dcgan-digits/1/metrics.csv --out curve.svg
    python benchmarks/curve.py 1000.json 3000.json --floor test.json --out curve.svg

The iteration of a JSON file is the one that its protocol names. Logarithmic score; nothing but the standard library.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from pathlib import Path

from plot import HEIGHT, LEFT, WIDTH, Plot

RIGHT = 24
COLOUR = "#1f77b4"


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
    plot = Plot([value for _, value in curve] + ([floor] if floor else []), max(curve)[0], RIGHT)
    plot.axes([f"{plot.end * tick // 4:,}" for tick in range(5)])
    plot.text((LEFT + WIDTH) / 2, HEIGHT - 8, f"iterations; {score}")
    if floor:
        plot.level(floor, 'stroke="#888" stroke-dasharray="6 4"')
        plot.text(WIDTH - RIGHT, plot.at(0, floor)[1] - 6, f"held-out images: {floor:.3g}", "end")
    plot.curve([plot.at(*point) for point in curve], COLOUR)
    for iteration, value in curve:
        x, y = plot.at(iteration, value)
        plot.dot(x, y, COLOUR)
        plot.text(x + 6, y - 8, f"{value:.3g}", "start" if iteration < plot.end else "end")
    return plot.svg()


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
