"""Charts of a report as inline SVG, and pictures as inline PNG: nothing is fetched, nothing runs, no font is needed.

Every chart has the same width and, where time runs, the same time axis, so that what stands below each other happened
together.
"""

import base64
import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .moment import ACCENTS, import_cv2

WIDTH, LEFT, RIGHT, AXIS = 960, 120, 20, 26
"""Pixels: the whole width, the margins beside the plot, the time axis below it."""

ROW = 22
COLOURS = tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in ACCENTS)
FAINT, LINE, TRACK = "#787c82", "#c9ccd0", "#eceeef"


def colour(number: int) -> str:
    """The colour of a sense by its number."""
    return COLOURS[number % len(COLOURS)]


class Chart:
    """One chart with time from left to right.

    Args:
        seconds: the length of the session.
        height: of the plot, in pixels.
    """

    def __init__(self, seconds: float, height: int) -> None:
        self.seconds, self.height = max(seconds, 1e-3), height
        self._parts: list[str] = []

    def x(self, second: float) -> float:
        """Where a time is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, second / self.seconds))

    def label(self, y: float, text: str, fill: str = "#202124") -> None:
        """A word in the left margin."""
        shown = html.escape(text if len(text) <= 17 else text[:16] + "…")
        self._parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{fill}">{shown}</text>')

    def level(self, y: float, text: str, *, stroke: str = LINE, dashes: bool = False) -> None:
        """A horizontal line with a word beside it."""
        dashed = ' stroke-dasharray="4 4"' if dashes else ""
        self._parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{stroke}"{dashed}/>')
        if text:
            self.label(y, text, FAINT)

    def line(self, times_s: NDArray[np.float64], ys: NDArray[np.float64], stroke: str) -> None:
        """A curve; it is broken where `ys` is not finite."""
        path, is_drawing = [], False
        for time_s, y in zip(times_s.tolist(), ys.tolist(), strict=True):
            if math.isfinite(y):
                path.append(f"{'L' if is_drawing else 'M'}{self.x(time_s):.1f} {y:.1f}")
            is_drawing = math.isfinite(y)
        if path:
            drawn = "".join(path) + ("h0.1" if len(path) == 1 else "")
            self._parts.append(f'<path d="{drawn}" fill="none" stroke="{stroke}" stroke-width="1.5"/>')

    def strip(self, times_s: NDArray[np.float64], shares: NDArray[np.float64], top: float, fill: str) -> None:
        """A bar along time whose opacity is a share, 0..1; equal neighbours are one rectangle."""
        edges = self._edges(times_s)
        levels = np.round(shares * 16).astype(int)
        begin = 0
        for end in range(1, len(levels) + 1):
            if end < len(levels) and levels[end] == levels[begin]:
                continue
            if levels[begin] > 0:
                left, right = self.x(edges[begin]), self.x(edges[end])
                opacity = "" if levels[begin] == 16 else f' opacity="{levels[begin] / 16:.2f}"'
                self._parts.append(
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(0.5, right - left):.1f}" height="{ROW - 8}" '
                    f'fill="{fill}"{opacity}/>'
                )
            begin = end

    def track(self, top: float) -> None:
        """The pale background of a strip."""
        width = WIDTH - LEFT - RIGHT
        self._parts.append(f'<rect x="{LEFT}" y="{top:.1f}" width="{width}" height="{ROW - 8}" fill="{TRACK}"/>')

    def picture(self, png: str) -> None:
        """A picture that fills the plot."""
        width = WIDTH - LEFT - RIGHT
        self._parts.append(
            f'<image href="{png}" x="{LEFT}" y="0" width="{width}" height="{self.height}" preserveAspectRatio="none"/>'
        )

    def svg(self, title: str) -> str:
        """The finished chart with its time axis."""
        for second in nice_steps(self.seconds):
            x = self.x(second)
            self._parts.append(f'<path d="M{x:.1f} {self.height}v5" stroke="{FAINT}"/>')
            self._parts.append(
                f'<text x="{x:.1f}" y="{self.height + 19}" text-anchor="middle" fill="{FAINT}">{_clock(second)}</text>'
            )
        self._parts.append(f'<path d="M{LEFT} {self.height}H{WIDTH - RIGHT}" stroke="{FAINT}"/>')
        return _svg(self.height + AXIS, title, self._parts)

    def _edges(self, times_s: NDArray[np.float64]) -> list[float]:
        if len(times_s) < 2:
            return [0.0, self.seconds]
        middles = (times_s[1:] + times_s[:-1]) / 2
        return [0.0, *middles.tolist(), self.seconds]


def histogram(values: NDArray[np.float64], unit: str, title: str) -> str:
    """Bars of how often each value occurs; what is beyond the middle 99 of 100 stands in the outermost bars."""
    height, count = 120, 41
    low, high = np.percentile(values, [0.5, 99.5])
    reach = max(abs(float(low)), abs(float(high)), 0.05)
    edges = np.linspace(-reach, reach, count + 1)
    heights, _ = np.histogram(np.clip(values, -reach, reach), edges)
    parts, step = [], (WIDTH - LEFT - RIGHT) / count
    for i, number in enumerate(heights.tolist()):
        if number:
            tall = max(1.0, (height - 16) * number / heights.max())
            parts.append(
                f'<rect x="{LEFT + i * step + 1:.1f}" y="{height - tall:.1f}" width="{step - 2:.1f}" '
                f'height="{tall:.1f}" fill="{COLOURS[0]}"/>'
            )
    for share in (-1.0, -0.5, 0.0, 0.5, 1.0):
        x = LEFT + (share + 1) / 2 * (WIDTH - LEFT - RIGHT)
        anchor = "end" if share == 1 else "start" if share == -1 else "middle"
        told = f"{share * reach:+.2f} {unit}" if share else "0"
        parts.append(f'<text x="{x:.1f}" y="{height + 18}" text-anchor="{anchor}" fill="{FAINT}">{told}</text>')
    parts.append(f'<path d="M{LEFT} {height}H{WIDTH - RIGHT}" stroke="{FAINT}"/>')
    return _svg(height + AXIS, title, parts)


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def nice_steps(seconds: float) -> list[float]:
    """Round times for an axis, at most ten."""
    steps = [*(base * 10.0**power for power in range(-3, 2) for base in (1, 2, 5)), 60, 120, 300, 600, 1800, 3600]
    step = next((step for step in steps if seconds / step <= 9), 3600.0 * math.ceil(seconds / 3600 / 9))
    return [step * i for i in range(math.floor(seconds / step + 1e-9) + 1)]


def _clock(second: float) -> str:
    if second < 120:
        return f"{second:g} s"
    minutes, rest = divmod(round(second), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def png(picture: NDArray[np.uint8]) -> str:
    """A picture, RGB, as a data address.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    done, data = import_cv2().imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}" if done else ""


def shrunk(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """A picture at most `height` pixels high."""
    if picture.shape[0] <= height:
        return picture
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    cv2: Any = import_cv2()
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)


def heat(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Shares of 0..1 as colours, from dark blue to pale yellow; grey where not finite. Any shape, and 3 more."""
    stops = np.array([(18, 22, 52), (66, 60, 130), (170, 70, 110), (240, 140, 70), (250, 230, 170)], np.float64)
    places = np.linspace(0, 1, len(stops))
    known = np.nan_to_num(levels, nan=0.0).clip(0, 1)
    colours = np.stack([np.interp(known, places, stops[:, i]) for i in range(3)], axis=-1)
    return np.where(np.isfinite(levels)[..., None], colours, 215).astype(np.uint8)
