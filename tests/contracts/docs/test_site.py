"""The site of `make docs`: it has every page and every public name, and its links fit; `make docs` builds it."""

import importlib
import importlib.util
import re

import pytest

from kit.markdown import ROOT

DOCS = ROOT / "docs"
PUBLIC = (
    "senseweave.perception",
    "senseweave.envs",
    "senseweave.envs.live",
    "senseweave.policies",
    "senseweave.policies.export",
)


@pytest.fixture(scope="module")
def conf():
    spec = importlib.util.spec_from_file_location("docs_conf", DOCS / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_index(conf):
    index = (DOCS / "index.rst").read_text(encoding="utf-8")
    entries = [*re.findall(r"^   ([\w/-]+)$", index, re.MULTILINE), "notebook/2*"]
    assert "2*" in conf.EVERY_DAY
    listed = {page for entry in entries for page in DOCS.glob(f"{entry}.*")}
    pages = {path for suffix in ("md", "rst") for path in DOCS.rglob(f"*.{suffix}")} - {DOCS / "index.rst"}
    assert sorted(pages - listed) == []
    assert all((ROOT / shown).is_file() and (DOCS / f"{page}.md") in pages for page, shown in conf.AT_THE_ROOT.items())


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_is_on_the_page_of_its_package(package):
    pages = [path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.rst")]
    (page,) = [text for text in pages if f".. currentmodule:: {package}\n" in text]
    shown = re.findall(r"^\.\. auto\w+:: (\w+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(importlib.import_module(package).__all__)


@pytest.mark.parametrize(
    ("file", "page", "before", "after"),
    [
        ("docs/how/live.md", "how/live", "(faults.md#the-cases)", "(faults.md#the-cases)"),
        ("docs/how/live.md", "how/live", "(../../CONTRIBUTING.md#style)", "(../contributing.md#style)"),
        ("CONTRIBUTING.md", "contributing", "(docs/how/fusions.md)", "(how/fusions.md)"),
        ("benchmarks/README.md", "benchmarks", "(../docs/results.md)", "(results.md)"),
        ("docs/how/rooms.md", "how/rooms", "(../../envs/a/LICENCE.md)", "(path:../../envs/a/LICENCE.md)"),
        ("docs/how/rooms.md", "how/rooms", "(../../perception/spec.py)", "(../../perception/spec.py)"),
        ("docs/how/rooms.md", "how/rooms", "(https://example.org/a.md)", "(https://example.org/a.md)"),
        ("docs/how/rooms.md", "how/rooms", "(#levels)", "(#levels)"),
    ],
)
def test_links_fit_the_place_of_a_page_on_the_site(conf, file, page, before, after):
    assert conf.links_of_the_site(f"[x]{before}", ROOT / file, page) == f"[x]{after}"
    reference = conf.links_of_the_site(f"[x]: {before[1:-1]}\n", ROOT / file, page)
    assert reference == f"[x]: {after[1:-1]}\n"
