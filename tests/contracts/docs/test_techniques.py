"""docs/how/techniques.md: what it names is there, it names everything that is chosen by name, and its lines run."""

import ast
import re
from pathlib import Path

import pytest
import torch

from kit.markdown import anchors, blocks, references
from senseweave.perception import FUSIONS, OBJECTIVES
from senseweave.perception.config import IMPUTATIONS

DOCS = Path(__file__).parents[3] / "docs" / "how"
PAGE = (DOCS / "techniques.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "][" in line]
REFERENCES = references(PAGE)
EXPECTED = (  # what the literature names
    ("early fusion", "late fusion", "hierarchical fusion", "concatenation", "weighted sum", "gated sum")
    + ("tensor fusion (TFN)", "low-rank tensor fusion (LMF)", "additive attention", "cross-modal attention")
    + ("gated cross-attention", "transformer", "recurrent co-attention", "InfoNCE", "CCA", "Deep CCA")
    + ("multimodal autoencoder", "conditional GAN", "cross-modal retrieval", "visual question answering")
    + ("several heads", "temporal alignment", "missing modalities", "interpretability")
)


def defined(source: str) -> set[str]:
    """Classes, functions, methods and constants of a module, without importing it."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def links(cell: str) -> list[tuple[str, str]]:
    """What is shown, and the file or heading that it leads to."""
    return [(shown, REFERENCES[name]) for shown, name in re.findall(r"\[([^]]+)\]\[([\w-]+)\]", cell)]


def test_it_has_a_row_for_each_technique_of_the_literature():
    techniques = [row.split("|")[1] for row in ROWS]
    assert [name for name in EXPECTED if not any(name in technique for technique in techniques)] == []
    assert all(row.count("|") == 5 for row in ROWS)


def test_every_file_that_it_links_to_exists():
    files = [target for target in REFERENCES.values() if "#" not in target]
    assert len(files) > 50
    assert [target for target in files if not (DOCS / target).is_file()] == []
    assert [name for name in REFERENCES if f"[{name}]" not in PAGE.replace(f"[{name}]: ", "")] == []


def test_every_class_and_function_is_where_it_says():
    for shown, target in links(PAGE):
        if target.endswith(".py") and shown.startswith("`"):
            name = shown.strip("`")
            assert name == Path(target).name or name in defined((DOCS / target).read_text(encoding="utf-8")), shown


def test_every_row_names_code_and_tests_of_it():
    for row in ROWS:
        _, _, code, tests, _, _ = row.split("|")
        assert all("/tests/" not in target for _, target in links(code)) and links(code), row
        for shown, target in links(tests):
            assert target.startswith("../../tests/") and Path(target).name == f"test_{shown}.py", row


def test_papers_stand_in_the_code_of_their_technique_too():
    sources = re.findall(r"^- \*\*(.+?)\*\*(?:.*?): ((?:.|\n  )+)", PAGE, re.MULTILINE)
    assert len(sources) > 20
    for technique, source in sources:
        (row,) = [
            row for row in ROWS if row.removeprefix("| ").removeprefix("interpretability: ").startswith(technique)
        ]
        texts = "".join((DOCS / target).read_text(encoding="utf-8") for _, target in links(row.split("|")[2]))
        assert [paper for paper in re.findall(r"\d{4}\.\d{4,5}", source) if paper not in texts] == [], technique


def test_every_measurement_is_a_section_or_is_said_to_be_missing():
    for row in ROWS:
        measured = row.split("|")[4]
        sections = links(measured)
        assert sections or "in the test" in measured, row
        for _, target in sections:
            page, anchor = target.split("#")
            assert anchor in anchors((DOCS / page).read_text(encoding="utf-8")), target


def test_commands_name_scripts_and_fusions_that_exist():
    for script, fusion in re.findall(r"`python (\S+)(?: --only (\w+))?`", PAGE):
        assert (DOCS.parents[1] / script).is_file()
        assert not fusion or fusion in FUSIONS


@pytest.mark.parametrize("name", sorted({*FUSIONS, *OBJECTIVES, *IMPUTATIONS}))
def test_everything_that_is_chosen_by_name_is_on_the_page(name):
    assert f"`{name}`" in PAGE


def test_the_lines_of_each_family_run():
    examples = blocks(PAGE, "python")
    assert len(examples) == 6
    names = {}
    torch.manual_seed(0)
    for example in examples:
        exec(compile(example, "docs/how/techniques.md", "exec"), names)
    assert names["state"].embedding.shape == (8, 128) and not names["state"].gates["audio"].any()
    assert len(names["course"]) == 2
    assert names["guessed"].tokens["audio"].mask.any() and not names["guessed"].present[:, 0].any()
    assert names["found"].gap.abs().max() < 0.01
    assert names["observation"]["present"].tolist() == [1, 1, 0]
    assert torch.isfinite(names["found"].signed["camera"]).all()
