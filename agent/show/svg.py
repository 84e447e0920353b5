"""`Drawing`: an inline SVG in the making.

Words are escaped; ink, rules and tracks take the page's colours, for light and dark alike (style.css). What a chart
means is charts.py's.
"""

from markupsafe import Markup

WIDTH = 560
"""Pixels of every drawing: narrow, so that its words can still be read where a phone shrinks it."""


class Drawing:
    """Rectangles, paths and words on a strip as wide as every other one.

    Args:
        height: in pixels.
    """

    def __init__(self, height: float) -> None:
        self.height = height
        self._parts: list[Markup] = []

    def word(self, x: float, y: float, text: str, *, anchor: str = "start", css: str = "ink") -> None:
        """A word whose letters stand on `y`; `anchor` is start, middle or end."""
        form = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
        self._parts.append(form.format(css, x, y, anchor, text))

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "",
        css: str = "",
        opacity: float = 1.0,
        tip: str = "",
    ) -> None:
        """A rectangle, coloured by `fill` or by the style sheet; `tip` is shown where a pointer rests on it."""
        form = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"{}{}{}')
        looks = (
            Markup(' fill="{}"').format(fill) if fill else "",
            Markup(' class="{}"').format(css) if css else "",
            Markup(' opacity="{:.2f}"').format(opacity) if opacity < 1 else "",
        )
        end = Markup("><title>{}</title></rect>").format(tip) if tip else Markup("/>")
        self._parts.append(form.format(x, y, width, height, *looks) + end)

    def path(self, way: str, *, stroke: str = "", css: str = "rule") -> None:
        """A line along `way`, in SVG's own notation, coloured by `stroke` or by the style sheet."""
        colour = Markup(' stroke="{}"').format(stroke) if stroke else ""
        self._parts.append(Markup('<path class="{}" d="{}"{}/>').format(css, way, colour))

    def picture(self, address: str, x: float, y: float, width: float, height: float) -> None:
        """A picture, see `pixels.png`, stretched to a rectangle."""
        form = Markup(
            '<image href="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" preserveAspectRatio="none"/>'
        )
        self._parts.append(form.format(address, x, y, width, height))

    def svg(self, title: str) -> Markup:
        """All of it; `title` is for a reader who cannot see it."""
        head = Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">').format(WIDTH, self.height, title)
        return head + Markup("").join(self._parts) + Markup("</svg>")
