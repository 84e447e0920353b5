"""How `make docs` builds the site: Markdown pages, API pages from docstrings; offline, and warnings are errors.

Pages are written for a repository's browser. What the site needs besides (index.rst, api/) is reStructuredText. Pages
that stand at the root of the repository take the place of short pages here, and links between the two are made to fit.
"""

import os
import re
from importlib import metadata
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
AT_THE_ROOT = {
    "benchmarks": "benchmarks/README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
}
"""Page of the site -> the file of the repository that it shows."""

EVERY_DAY = "\n```{toctree}\n:hidden:\n:glob:\n\n2*\n```\n"
"""Puts the pages of the notebook below its index; a repository's browser would show this as it stands."""

project = "senseweave"
author = "senseweave contributors"
project_copyright = "2026, senseweave contributors"
version = release = metadata.version("senseweave")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = []
default_role = "code"
nitpicky = False

myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [
    "Source",
    ("Set these in ALL subclasses", "params_style"),
    ("Set these in SOME subclasses", "params_style"),
]

html_theme = "furo"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_title = f"senseweave {version}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7fb2ec", "color-brand-content": "#7fb2ec"},
}

_LINK = re.compile(r"(\]\(|^\[[^\]\n]+\]: )(?![a-z]+:|#)([^)\s#]+)", re.MULTILINE)


def links_of_the_site(text: str, file: Path, page: str) -> str:
    """The text of a page, with links that are right on the site.

    Args:
        text: in Markdown.
        file: that it comes from; its links are relative to it.
        page: of the site, on which it stands, without a suffix.
    """
    pages = {ROOT / shown: DOCS / f"{name}.md" for name, shown in AT_THE_ROOT.items()}

    def target(found: re.Match[str]) -> str:
        named = (file.parent / found[2]).resolve()
        named = pages.get(named, named)
        link = os.path.relpath(named, (DOCS / page).parent)
        is_elsewhere = named.suffix == ".md" and not named.is_relative_to(DOCS)
        return f"{found[1]}{'path:' if is_elsewhere else ''}{link}"

    return _LINK.sub(target, text)


def read_page(app: Any, page: str, content: list[str]) -> None:
    """Puts pages at the root of the repository in their places, and makes links fit; called for every page."""
    file = DOCS / f"{page}.md"
    if page in AT_THE_ROOT:
        file = ROOT / AT_THE_ROOT[page]
        content[0] = file.read_text(encoding="utf-8")
    if file.exists():
        content[0] = links_of_the_site(content[0], file, page)
    if page == "notebook/index":
        content[0] += EVERY_DAY


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read_page)
