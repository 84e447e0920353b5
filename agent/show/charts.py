"""The charts of pages, as inline SVG: curves and strips over time, bars with intervals, a histogram, a key.

Everything that is drawn over time has the same width and the same axis, so that what stands below each other happened
together. Numbers come in; where they come from is the pages' affair.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ...envs.rooms.render.canvas import Colour
from .palette import hexadecimal
from .svg import WIDTH, Drawing

Ys = NDArray[np.float64]

LEFT, RIGHT, AXIS = 96, 12, 24
"""Pixels: the margins beside the plot, the axis below it."""

ROW = 22
BAR_PX = 34
MAX_LETTERS = 14
_LETTER_PX = 7.2
_VALUE_PX = 74


def clock(second: float) -> str:
    """A time on an axis: "0.5 s", "2:30", "1:05:00"."""
    if second < 120:
        return f"{second:g} s"
    minutes, rest = divmod(round(second), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


class Chart:
    """One chart along an axis from left to right that begins at 0.

    Args:
        length: where the axis ends: seconds, or steps.
        height: of the plot, in pixels.
        name: what a place on the axis is called.
    """

    def __init__(self, length: float, height: int, name: Callable[[float], str] = clock) -> None:
        self.length, self.height, self._name = max(length, 1e-3), height, name
        self._drawing = Drawing(height + AXIS)

    def x(self, place: float) -> float:
        """Where a place on the axis is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, place / self.length))

    def label(self, y: float, text: str, css: str = "ink") -> None:
        """A word in the left margin."""
        self._drawing.word(LEFT - 8, y + 5, _shortened(text), anchor="end", css=css)

    def level(self, y: float, text: str = "", *, colour: Colour | None = None) -> None:
        """A horizontal rule with a word beside it; dashed where it has a colour."""
        way = f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}"
        if colour is None:
            self._drawing.path(way)
        else:
            self._drawing.path(way, stroke=hexadecimal(colour), css="limit")
        if text:
            self.label(y, text, "faint")

    def line(self, places: Ys, ys: Ys, colour: Colour) -> None:
        """A curve; it is broken where `ys` is not finite."""
        way, is_drawing = [], False
        for place, y in zip(places.tolist(), ys.tolist(), strict=True):
            if math.isfinite(y):
                way.append(f"{'L' if is_drawing else 'M'}{self.x(place):.1f} {y:.1f}")
            is_drawing = math.isfinite(y)
        if way:
            self._drawing.path("".join(way) + ("h2" if len(way) == 1 else ""), stroke=hexadecimal(colour), css="curve")

    def shares(self, places: Ys, series: Mapping[str, Ys], colours: Mapping[str, Colour]) -> None:
        """Curves of shares, 0..1, that fill the plot, and rules at 0, one half and 1."""

        def y(share: Ys | float) -> Ys:
            return self.height - 4 - (self.height - 10) * np.clip(share, 0.0, 1.0)

        for share in (0.0, 0.5, 1.0):
            self.level(float(y(share)), f"{share:g}")
        for name, values in series.items():
            self.line(places, y(values), colours[name])

    def strip(self, places: Ys, shares: Ys, top: float, fill: str) -> None:
        """A bar along the axis whose opacity is a share, 0..1, on a pale track; equal neighbours are one rectangle."""
        height = ROW - 8
        self._drawing.box(LEFT, top, WIDTH - LEFT - RIGHT, height, css="track")
        edges, levels = self._edges(places), np.round(shares * 16).astype(int)
        begin = 0
        for end in range(1, len(levels) + 1):
            if end < len(levels) and levels[end] == levels[begin]:
                continue
            if levels[begin] > 0:
                left, right = self.x(edges[begin]), self.x(edges[end])
                self._drawing.box(left, top, max(0.5, right - left), height, fill=fill, opacity=levels[begin] / 16)
            begin = end

    def picture(self, address: str) -> None:
        """A picture that fills the plot."""
        self._drawing.picture(address, LEFT, 0, WIDTH - LEFT - RIGHT, self.height)

    def svg(self, title: str) -> Markup:
        """The finished chart with its axis."""
        way = f"M{LEFT} {self.height}H{WIDTH - RIGHT}"
        for place in nice_steps(self.length):
            way += f"M{self.x(place):.1f} {self.height}v5"
            anchor = "end" if self.x(place) > WIDTH - RIGHT - 20 else "middle"
            self._drawing.word(self.x(place), self.height + 19, self._name(place), anchor=anchor, css="faint")
        self._drawing.path(way, css="axis")
        return self._drawing.svg(title)

    def _edges(self, places: Ys) -> list[float]:
        if len(places) < 2:
            return [0.0, self.length]
        middles = (places[1:] + places[:-1]) / 2
        return [0.0, *middles.tolist(), self.length]


class Bar(NamedTuple):
    """One bar of a chart.

    Args:
        value: where it ends; bars begin at 0.
        text: the value in words.
        interval: the ends of its whisker; None, or ends that are not finite, draw none.
    """

    value: float
    text: str
    interval: tuple[float, float] | None = None

    @property
    def whisker(self) -> tuple[float, ...]:
        """The ends of the interval that is drawn; empty where there is none."""
        return self.interval if self.interval and all(map(math.isfinite, self.interval)) else ()


def bars(named: Mapping[str, Bar], title: str, colours: Mapping[str, Colour], *, top: float | None = None) -> Markup:
    """A bar for each name, the value in words at its right.

    Args:
        named: by name.
        title: for a reader who cannot see it.
        colours: by name.
        top: where the axis ends; None fits it to the bars.
    """
    ends = [end for bar in named.values() for end in (bar.value, *bar.whisker) if math.isfinite(end)]
    low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 1e-9) if top is None else top
    left = max(LEFT, 8 + _LETTER_PX * max(map(len, named), default=0))
    drawing = Drawing(BAR_PX * len(named) + 2)

    def x(value: float) -> float:
        return left + (WIDTH - left - RIGHT - _VALUE_PX) * (min(high, max(low, value)) - low) / (high - low)

    for number, (name, bar) in enumerate(named.items()):
        middle = BAR_PX * number + BAR_PX / 2
        start, end = sorted((x(0.0), x(bar.value)))
        drawing.word(left - 8, middle + 5, name, anchor="end")
        tip = f"{name}: {bar.text}"
        drawing.box(start, middle - 9, max(1.0, end - start), 18, fill=hexadecimal(colours[name]), tip=tip)
        if bar.whisker:
            start, end = map(x, bar.whisker)
            ticks = f"M{start:.1f} {middle - 5:.1f}v10M{end:.1f} {middle - 5:.1f}v10"
            drawing.path(f"M{start:.1f} {middle:.1f}H{end:.1f}{ticks}", css="whisker")
        drawing.word(WIDTH - RIGHT, middle + 5, bar.text, anchor="end")
    drawing.path(f"M{x(0.0):.1f} 0V{BAR_PX * len(named)}")
    return drawing.svg(title)


def histogram(values: Ys, unit: str, title: str, colour: Colour) -> Markup:
    """Bars of how often each value occurs; what is beyond the middle 99 of 100 stands in the outermost bars."""
    height, count = 120, 41
    low, high = np.percentile(values, [0.5, 99.5])
    reach = max(abs(float(low)), abs(float(high)), 0.05)
    edges = np.linspace(-reach, reach, count + 1)
    heights, _ = np.histogram(np.clip(values, -reach, reach), edges)
    drawing, step = Drawing(height + AXIS), (WIDTH - LEFT - RIGHT) / count
    for i, number in enumerate(heights.tolist()):
        if number:
            tall = max(1.0, (height - 16) * number / heights.max())
            drawing.box(LEFT + i * step + 1, height - tall, step - 2, tall, fill=hexadecimal(colour))
    for share in (-1.0, 0.0, 1.0):
        x = LEFT + (share + 1) / 2 * (WIDTH - LEFT - RIGHT)
        anchor = "end" if share == 1 else "start" if share == -1 else "middle"
        text = f"{share * reach:+.2f} {unit}" if share else "0"
        drawing.word(x, height + 18, text, anchor=anchor, css="faint")
    drawing.path(f"M{LEFT} {height}H{WIDTH - RIGHT}", css="axis")
    return drawing.svg(title)


def key(colours: Mapping[str, Colour]) -> Markup:
    """Which colour is which name."""
    mark = Markup('<span><i style="background:{}"></i>{}</span>')
    marks = Markup("").join(mark.format(hexadecimal(colour), name) for name, colour in colours.items())
    return Markup('<p class="key">{}</p>').format(marks)


def nice_steps(length: float) -> list[float]:
    """Round places for an axis, at most eight."""
    steps = [*(base * 10.0**power for power in range(-3, 2) for base in (1, 2, 5)), 60, 120, 300, 600, 1800, 3600]
    step = next((step for step in steps if length / step <= 7), 3600.0 * math.ceil(length / 3600 / 7))
    return [step * i for i in range(math.floor(length / step + 1e-9) + 1)]


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 1] + "…"
