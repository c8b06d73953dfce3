"""Divergence and perplexity over size, as one SVG that is readable on light and on dark ground."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .report import GOALS
from .systems import Row

WIDTH, HEIGHT = 520, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 64, 48
CHARACTER, LINE = 7.0, 14

# Plain rules, no variables: programs that are no browsers know none.
STYLE = """
svg { font: 12px system-ui, sans-serif; }
.ground { fill: #ffffff; } text { fill: #1f2328; } .muted { fill: #59636e; }
.grid { stroke: #d8dee4; } .axis { stroke: #59636e; fill: none; } .goal { stroke: #59636e; fill: none; }
.lathe { fill: #0550ae; stroke: #0550ae; } .peer { fill: #bc4c00; stroke: #bc4c00; }
text.lathe, text.peer { stroke: none; } .line { fill: none; stroke-opacity: 0.5; }
.title { font-weight: 600; font-size: 14px; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; } text { fill: #e6edf3; } .muted { fill: #9198a1; }
.grid { stroke: #30363d; } .axis, .goal { stroke: #9198a1; }
.lathe { fill: #6cb6ff; stroke: #6cb6ff; } .peer { fill: #f0883e; stroke: #f0883e; }
text.lathe, text.peer { stroke: none; } .line { fill: none; }
}
"""


@dataclass(frozen=True)
class Point:
    series: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Axis:
    """A scale from a least to a largest value along `low` to `high` on the page."""

    least: float
    largest: float
    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        scaled: Callable[[float], float] = math.log if self.logarithmic else float
        share = (scaled(value) - scaled(self.least)) / (scaled(self.largest) - scaled(self.least))
        return self.low + share * (self.high - self.low)

    def ticks(self) -> list[float]:
        if self.logarithmic:
            lowest, highest = math.floor(math.log10(self.least)), math.ceil(math.log10(self.largest))
            every = [digit * 10.0 ** power for power in range(lowest, highest + 1) for digit in (1, 2, 5)]
        else:
            raw = (self.largest - self.least) / 6
            power = 10.0 ** math.floor(math.log10(raw))
            step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
            first = math.ceil(self.least / step - 1e-9)
            every = [step * (first + index) for index in range(12)]
        return [tick for tick in every if self.least * (1 - 1e-9) <= tick <= self.largest * (1 + 1e-9)]


def mark(point: Point, x: float, y: float) -> str:
    """A circle for lathe, a square for llama.cpp, a hollow diamond for a goal."""
    if point.series == "lathe":
        return f'<circle class="lathe" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if point.series == "peer":
        return f'<rect class="peer" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<path class="goal" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6-6z"/>'


def frontier(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no smaller file is as good as, from the smallest file on; low on the page is good."""
    result: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not result or y > result[-1][1]:
            result.append((x, y))
    return result


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """The area that two boxes (left, top, right, bottom) share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def labels(points: list[tuple[Point, float, float]]) -> list[str]:
    """A label for each point, at the first of the places around it that touches the fewest others."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for _, x, y in points]
    result = []
    for point, x, y in points:
        width = CHARACTER * len(point.label)
        best: tuple[float, tuple[float, ...]] | None = None
        for distance in (0, LINE, 2 * LINE, 3 * LINE):
            for left, top in ((x + 9, y - 7 - distance), (x + 9, y - 7 + distance), (x - 9 - width, y - 7 - distance),
                              (x - 9 - width, y - 7 + distance), (x - width / 2, y - 22 - distance),
                              (x - width / 2, y + 8 + distance)):
                box = (left, top, left + width, top + LINE)
                outside = left < LEFT or left + width > WIDTH or top < TOP or top + LINE > HEIGHT - BOTTOM
                cost = sum(overlap(box, other) for other in taken) + (1e6 if outside else 0) + distance
                if best is None or cost < best[0]:
                    best = (cost, box)
        assert best
        taken.append(best[1])
        style = point.series if point.series != "goal" else "muted"
        result.append(f'<text class="{style}" x="{best[1][0]:.1f}" y="{best[1][1] + 11:.1f}">'
                      f"{escape(point.label)}</text>")
    return result


def panel(title: str, points: list[Point], xs: list[float], logarithmic: bool) -> str:
    """One panel of the plot; its scale across takes in all of `xs`."""
    ys = [point.y for point in points]
    margin = 0.08 * (max(xs) - min(xs)) or 1
    across = Axis(max(0, min(xs) - margin), max(xs) + 2 * margin, LEFT, WIDTH - RIGHT)
    if logarithmic:
        up = Axis(min(ys) / 1.5, max(ys) * 1.5, HEIGHT - BOTTOM, TOP, True)
    else:
        spread = (max(ys) - min(ys)) or 0.1
        up = Axis(min(ys) - 0.05 * spread, max(ys) + 0.08 * spread, HEIGHT - BOTTOM, TOP)
    parts = [f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>']
    for tick in across.ticks():
        x = across.at(tick)
        parts += [f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>',
                  f'<text class="muted" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>']
    for tick in up.ticks():
        y = up.at(tick)
        parts += [f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>',
                  f'<text class="muted" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>']
    parts += [f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>',
              f'<text class="muted" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
              "whole file, MB</text>"]
    placed = [(point, across.at(point.x), up.at(point.y)) for point in points]
    for series in ("peer", "lathe"):
        line = frontier([(x, y) for point, x, y in placed if point.series == series])
        if len(line) > 1:
            parts.append(f'<polyline class="{series} line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in line)}"/>')
    parts += [mark(point, x, y) for point, x, y in placed] + labels(placed)
    return "\n".join(parts)


def legend() -> str:
    parts, x = [], LEFT + 8.0
    for series, text in (("lathe", "lathe"), ("peer", "llama.cpp"), ("goal", "goal: here or below, and no larger")):
        point = Point(series, text, 0, 0)
        parts += [mark(point, x, 44), f'<text x="{x + 10:.1f}" y="48">{text}</text>']
        x += 32 + CHARACTER * len(text)
    return "\n".join(parts)


def draw(rows: list[Row], description: str) -> str:
    """Both panels; references are left out, since all is measured against them."""
    shown = [row for row in rows if not row.reference and row.failure is None]

    def points(value: Callable[[Row], float], goals: list[tuple[float, float | None]]) -> list[Point]:
        result = []
        for row in shown:
            label = row.name.replace("--weights ", "").replace("--", "")
            result.append(Point("lathe" if row.system == "lathe" else "peer", label, row.bytes / 1e6, value(row)))
        return result + [Point("goal", "", x, y) for x, y in goals if y is not None]

    divergences = points(lambda row: max(row.kl_mean or 0, 1e-7),
                         [(goal.megabytes, goal.divergence(rows)) for goal in GOALS])
    ratios = points(lambda row: row.ratio, [(goal.megabytes, goal.ratio) for goal in GOALS])
    xs = [point.x for point in divergences + ratios]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}" width="{2 * WIDTH}" '
        f'height="{HEIGHT}" role="img">',
        f"<title>{escape(description)}</title>", f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{2 * WIDTH}" height="{HEIGHT}"/>',
        "<g>", panel("Mean KL divergence from the reference, nats", divergences, xs, True), legend(), "</g>",
        f'<g transform="translate({WIDTH} 0)">', panel("Perplexity, ratio to the reference", ratios, xs, False),
        "</g>",
        "</svg>", "",
    ])
