"""README and docs/: their Python runs as it stands, in order, where a trained run, a clip and a recording are."""

import re

import pytest

from kit.live.runs import clip, seeker
from kit.live.sessions import record
from kit.markdown import ROOT, blocks, pages, without_blocks
from senseweave.perception import fusion
from senseweave.perception import spec as spec_module
from senseweave.perception.encoders import registry as encoders

__all__ = ["clip", "seeker"]
DOCS = [ROOT / "README.md", *(page for page in pages() if page.is_relative_to(ROOT / "docs"))]
WITH_CODE = [page for page in DOCS if blocks(page.read_text(encoding="utf-8"), "python")]


@pytest.fixture
def place(tmp_path, monkeypatch, seeker, clip):
    """A folder as a user has it: `runs/seek`, `clip.mp4` and `recordings`."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "seek").symlink_to(seeker)
    (tmp_path / "clip.mp4").symlink_to(clip)
    record(tmp_path / "recordings", seconds=1.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def registries():
    """Takes back what an example registers, so that no other test meets it."""
    registered = (spec_module.KINDS, encoders.ENCODERS, fusion.FUSIONS)
    before = [dict(names) for names in registered]
    yield
    for names, kept in zip(registered, before, strict=True):
        names.clear()
        names.update(kept)


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_of_a_page_runs_as_it_stands(page, place, registries):
    names = {"__name__": page.stem}
    for number, example in enumerate(blocks(page.read_text(encoding="utf-8"), "python"), 1):
        exec(compile(example, f"{page.name}, example {number}", "exec"), names)


def test_pages_with_code_are_found():
    assert {"fusions.md", "live.md", "training.md"} <= {page.name for page in WITH_CODE}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_all_python_is_fenced_as_python(page):
    text = page.read_text(encoding="utf-8")
    assert not [block for language in ("", "py") for block in blocks(text, language) if "import " in block]
    assert not re.search(r"^ {4}(?:import|from) ", without_blocks(text), re.MULTILINE)
