"""docs/architecture.md: its index of concepts and its table of folders are true."""

import ast
import re

import pytest

from kit.markdown import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
INDEX = re.findall(r"^\| ([^|]+) \| \[[^\]]+\]\(\.\./([^)]+)\) \| `([^`]+)` \|$", PAGE, re.MULTILINE)
FOLDERS = re.findall(r"^\| `([\w/]+)/` \| ", PAGE, re.MULTILINE)
PACKAGES = ("perception", "envs", "policies", "agent")


def defined(source: str) -> set[str]:
    """Classes, functions, methods and constants that a module defines, found without importing it."""
    names = set()
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name, body=body):
                names |= {name} | {f"{name}.{part.name}" for part in body if isinstance(part, ast.FunctionDef)}
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.add(name)
    return names


def test_twelve_concepts_are_in_the_index():
    assert len(INDEX) == 12 == len({concept for concept, _, _ in INDEX})


@pytest.mark.parametrize(("file", "name"), [(file, name) for _, file, name in INDEX])
def test_the_file_of_a_concept_exists_and_defines_its_name(file, name):
    assert name in defined((ROOT / file).read_text(encoding="utf-8"))


def test_a_name_that_moved_would_be_noticed():
    assert defined("A = 1\nB: int = 2\ndef c(): pass\nclass D:\n    def e(self): pass") == {"A", "B", "c", "D", "D.e"}


def test_every_folder_of_modules_is_in_the_table_and_no_other():
    packages = [path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    assert sorted(FOLDERS) == sorted(str(path.relative_to(ROOT)) for path in packages)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:perception|envs|policies|agent)/[\w/]*\.py)`", PAGE))))
def test_a_file_that_it_names_exists(name):
    assert (ROOT / name).is_file()
