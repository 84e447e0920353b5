"""What the package imports is declared in pyproject.toml, and what is declared is pinned in constraints.txt."""

import ast
import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("perception", "envs", "policies", "agent")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line]
DISTRIBUTIONS = importlib.metadata.packages_distributions()
TOOLS = ("bench", "docs", "test")
"""Extras that the package itself may not use."""


def _normal(requirement: str) -> str:
    name = requirement.split("[")[0].split(">")[0].split("=")[0]
    return name.strip().lower().replace("_", "-").replace(".", "-")


def _declared(*, without: tuple[str, ...] = ()) -> set[str]:
    extras = PROJECT["optional-dependencies"]
    needs = [need for extra, needed in extras.items() if extra not in without for need in needed]
    return {_normal(need) for need in (*PROJECT["dependencies"], *needs)}


def imported_packages(source: str) -> set[str]:
    """Top-level names of everything that a module imports, also late or by a literal name, ours left out."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.split(".")[0])
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                found.add(module.split(".")[0])
    return {name for name in found if name and name not in sys.stdlib_module_names}


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_imported_is_declared(package):
    declared = _declared(without=TOOLS)
    for path in (ROOT / package).rglob("*.py"):
        for name in imported_packages(path.read_text(encoding="utf-8")):
            homes = {_normal(home) for home in DISTRIBUTIONS.get(name, [name])}
            assert homes & declared, f"{path.relative_to(ROOT)} imports {name}, which pyproject.toml does not declare"


def test_imports_of_every_form_are_seen():
    source = "import os, a.b\nfrom c.d import e\nfrom .f import g\ndef h():\n    importlib.import_module('i.j')\n"
    assert imported_packages(source) == {"a", "c", "i"}


def test_every_direct_dependency_is_pinned():
    pinned = {_normal(line) for line in CONSTRAINTS if not line.startswith("#")}
    assert _declared(without=("rllib",)) - pinned == set()


def test_the_constraints_hold_names_and_versions_alone():
    for line in CONSTRAINTS:
        assert line.startswith("#") or (line.count("==") == 1 and not set(line) & set(" ;@+/<>~")), line


def test_the_constraints_admit_what_is_installed_for_the_tests():
    pins = dict(line.split("==") for line in CONSTRAINTS if not line.startswith("#"))
    for need in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]):
        name = _normal(need)
        assert importlib.metadata.version(name).split("+")[0] == pins[name], f"{name} is not what constraints.txt pins"
