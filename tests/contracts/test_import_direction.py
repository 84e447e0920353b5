"""Imports run one way: agent -> policies, envs -> perception. Every other edge between our packages fails here.

The check reads the sources, it imports nothing. `wrong_imports` is itself tested on sources that break the rule.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("perception", "envs", "policies", "agent")
ALLOWED = {
    "perception": ("perception",),
    "envs": (
        "envs",
        *("perception.spec", "perception.errors", "perception.checks", "perception.registry", "perception.tokenizer"),
    ),
    "policies": ("policies", "perception"),
    "agent": ("agent", "policies", "envs", "perception"),
}
"""Package -> what its modules may import; a name covers the modules below it."""

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def wrong_imports(source: str, path: Path) -> list[str]:
    """What is wrong with the imports of one module, a sentence each; `path` is relative to the repository's root."""
    faults = []
    for line, level, module, name in _imports(ast.parse(source)):
        if level == 0:
            if module.split(".")[0] in ("senseweave", *PACKAGES):
                faults.append(f"{path}:{line}: `{module}` must be imported relatively")
            continue
        parents = path.parent.parts[: len(path.parent.parts) - (level - 1)]
        if level - 1 > len(path.parent.parts):
            faults.append(f"{path}:{line}: the import leaves senseweave")
            continue
        target = ".".join([*parents, *filter(None, [module])])
        if name and (not target or _is_module(target, name)):
            target = f"{target}.{name}".lstrip(".")
        if not _is_allowed(path.parts[0], target):
            faults.append(f"{path}:{line}: {path.parts[0]} must not import {target or 'senseweave'}")
    return faults


def _imports(tree: ast.AST) -> Iterator[tuple[int, int, str, str]]:
    """Yields (line, level, module, name) for every import statement and import by a literal string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.level, node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and _called_name(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                module = first.value.lstrip(".")
                yield node.lineno, len(first.value) - len(module), module, ""


def _called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_module(package: str, name: str) -> bool:
    folder = ROOT.joinpath(*package.split("."))
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def _is_allowed(package: str, target: str) -> bool:
    return any(target == allowed or target.startswith(f"{allowed}.") for allowed in ALLOWED[package])


def test_every_package_has_modules_to_check():
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(PACKAGES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    assert wrong_imports(path.read_text(encoding="utf-8"), path.relative_to(ROOT)) == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("perception/new.py", "from ..envs import make"),
        ("perception/new.py", "from .. import policies"),
        ("perception/fusion/new.py", "from ...agent.cli import main"),
        ("perception/new.py", "def late():\n    from ..agent import cli"),
        ("envs/new.py", "from ..policies.presets import PPOPreset"),
        ("envs/new.py", "from ..perception.perception import Perception"),
        ("envs/new.py", "from ..perception import Perception"),
        ("envs/new.py", "from ..perception import tokens"),
        ("envs/new.py", "from .. import perception"),
        ("envs/adapters/new.py", "from ...perception.tokens import TokenGroup"),
        ("policies/new.py", "from ..envs import make"),
        ("policies/new.py", "from ..agent.rundir import RunDirectory"),
        ("policies/new.py", "import importlib\nimportlib.import_module('..envs', __package__)"),
        ("agent/new.py", "from senseweave.envs import make"),
        ("agent/new.py", "import senseweave.perception"),
        ("agent/new.py", "import importlib\nimportlib.import_module('senseweave.envs')"),
        ("agent/new.py", "from perception.spec import Spec"),
        ("agent/new.py", "import envs"),
        ("agent/new.py", "from ... import something"),
    ],
)
def test_a_wrong_import_is_found(where, source):
    assert len(wrong_imports(source, Path(where))) == 1


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("perception/new.py", "import torch\nfrom .spec import Spec\nfrom . import errors"),
        ("perception/fusion/new.py", "from ..tokens import TokenGroup\nfrom . import FUSIONS"),
        (
            "envs/new.py",
            "from ..perception.spec import Spec\nfrom ..perception import errors, tokenizer\nfrom . import adapters",
        ),
        ("envs/adapters/new.py", "from ...perception.spec import Spec\nfrom .. import adapters"),
        ("policies/new.py", "from ..perception import Perception\nfrom .. import perception"),
        (
            "agent/new.py",
            "from ..envs import make\nfrom ..policies import presets\nfrom .. import perception\nfrom . import cli",
        ),
        ("agent/new.py", "import perceptionist, environs"),
        ("agent/new.py", "import importlib\nname = 'x'\nimportlib.import_module(name)"),
    ],
)
def test_a_right_import_passes(where, source):
    assert wrong_imports(source, Path(where)) == []
