"""`render`: pages of HTML from the templates beside this file, each one file that needs nothing else.

A template holds the words and the markup, style.css the looks of all pages; the commands bring the figures. Everything
that a template prints is escaped, except what charts.py has drawn, and no page holds a control character.
"""

import functools
from pathlib import Path
from typing import Any

import jinja2

from ...perception.texts import shown
from .pixels import png, shrunk

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **figures: Any) -> str:
    """The whole page as text.

    Args:
        template: a file in `TEMPLATES`.
        **figures: what the template names; a name that is missing is an error.

    Raises:
        MissingExtraError: the page has pictures, and cv2 cannot be imported.
    """
    return shown(_environment().get_template(template).render(figures), None, keep="\n")


def figure(value: float | None, form: str) -> str:
    """A number as `format` writes it; a dash for None."""
    return "-" if value is None else format(value, form)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(figure=figure, png=png, shrunk=shrunk)
    return environment
