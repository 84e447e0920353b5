"""docs/how/techniques.md: what it names is there, it names everything that is chosen by name, and its lines run."""

import ast
import re
from pathlib import Path

import pytest
import torch

from senseweave.perception import FUSIONS, OBJECTIVES
from senseweave.perception.config import IMPUTATIONS

DOCS = Path(__file__).parents[2] / "docs" / "how"
PAGE = (DOCS / "techniques.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "](" in line]
LINK = re.compile(r"\[([^]]+)\]\(([^)#]+)\)")
REFERENCES = dict(re.findall(r"^\[(\w+)\]: (\S+)$", PAGE, re.MULTILINE))
DESIGNED = (  # DESIGN, section 4
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


def headings(page: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_it_has_a_row_for_each_technique_of_the_design():
    techniques = [row.split("|")[1] for row in ROWS]
    assert [name for name in DESIGNED if not any(name in technique for technique in techniques)] == []
    assert all(row.count("|") == 6 for row in ROWS)


def test_every_file_that_it_links_to_exists():
    files = [target for _, target in LINK.findall(PAGE)]
    assert len(files) > 50
    assert [target for target in files if not (DOCS / target).is_file()] == []


def test_every_class_function_and_test_file_is_where_it_says():
    for shown, target in LINK.findall(PAGE):
        if target.endswith(".py"):
            name = shown.strip("`")
            assert name == Path(target).name or name in defined((DOCS / target).read_text(encoding="utf-8")), shown


def test_every_row_names_code_and_tests_of_it():
    for row in ROWS:
        _, _, code, _, tests, _, _ = row.split("|")
        assert all("../tests/" not in target for _, target in LINK.findall(code)) and LINK.findall(code), row
        assert all("../tests/" in target for _, target in LINK.findall(tests)) and LINK.findall(tests), row


def test_papers_stand_in_the_code_of_the_same_row_too():
    for row in ROWS:
        _, _, code, source, _, _, _ = row.split("|")
        texts = "".join((DOCS / target).read_text(encoding="utf-8") for _, target in LINK.findall(code))
        assert [paper for paper in re.findall(r"\d{4}\.\d{5}", source) if paper not in texts] == [], row


def test_every_measurement_is_a_section_or_is_said_to_be_missing():
    for row in ROWS:
        measured = row.split("|")[5]
        sections = re.findall(r"\]\[(\w+)\]", measured)
        assert sections or "not measured yet" in measured or "in the test" in measured, row
        for section in sections:
            page, anchor = REFERENCES[section].split("#")
            assert anchor in headings(page), section


def test_commands_name_scripts_and_fusions_that_exist():
    for script, fusion in re.findall(r"`python (\S+)(?: --only (\w+))?`", PAGE):
        assert (DOCS.parents[1] / script).is_file()
        assert not fusion or fusion in FUSIONS


@pytest.mark.parametrize("name", sorted({*FUSIONS, *OBJECTIVES, *IMPUTATIONS}))
def test_everything_that_is_chosen_by_name_is_on_the_page(name):
    assert f"`{name}`" in PAGE


def test_the_lines_of_each_family_run():
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
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
