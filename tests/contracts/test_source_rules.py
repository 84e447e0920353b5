"""Rules that every file keeps: its length, no unsafe loading, no swallowed errors, no place that exists on one machine.

And one that every folder keeps: it has few files, since what it holds is one thing that has a name.

The checks read the sources; `forbidden_code` is itself tested on code that breaks each rule.
"""

import ast
import collections
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("perception", "envs", "policies", "agent")
LONGEST_FILE_LINES = 400
MAX_PYTHON_FILES = 16
"""In a folder, its `__init__.py` included."""

MAY_BE_LARGER = {"benchmarks": "each of its files is a command that pages name"}
"""Folder -> why it may have more Python files."""

UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
UNSAFE_LOADERS = {("torch", "load"), ("th", "load"), ("torch", "save"), ("th", "save")}
ELSEWHERE = re.compile(
    "|".join(
        [
            # Hosts that serve packages; constraints and configuration name packages only.
            *(
                re.escape(".".join(host))
                for host in [
                    ("pypi", "org"),
                    ("pythonhosted", "org"),
                    ("registry", "npmjs"),
                    ("deb", "debian"),
                    ("archive", "ubuntu"),
                    ("download", "pytorch"),
                ]
            ),
            # Folders of one machine.
            *(rf"(?<![\w./-])/{folder}/[\w.]" for folder in ("work", "root", "home", "Users", "mnt", "opt")),
        ]
    )
)


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked source distribution
        paths = [path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.*")]
    return sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts)


FILES = _files()
PYTHON_FILES = [path for path in FILES if path.suffix == ".py"]
PACKAGE_FILES = [path for path in PYTHON_FILES if path.relative_to(ROOT).parts[0] in PACKAGES]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def forbidden_code(source: str) -> list[str]:
    """What a module of the package does that none may do, as "line: what"."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if what := _fault(node):
            faults.append(f"{node.lineno}: {what}")
    return faults


def _fault(node: ast.AST) -> str | None:
    match node:
        case ast.Assert():
            return "assert: raise an error of perception/errors.py"
        case ast.ExceptHandler(type=None):
            return "bare except: name the errors"
        case ast.Import(names=names) if any(alias.name.split(".")[0] in UNSAFE_MODULES for alias in names):
            return "a module that runs code from files"
        case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in UNSAFE_MODULES:
            return "a module that runs code from files"
        case ast.ImportFrom(module="torch", names=names) if any(alias.name in ("load", "save") for alias in names):
            return "torch's pickles: use safetensors"
        case ast.ImportFrom(module="__future__", names=names) if any(alias.name == "annotations" for alias in names):
            return "annotations as strings: jaxtyping reads them at run time"
        case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" as name)):
            return f"{name}()"
        case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in UNSAFE_LOADERS:
            return "torch's pickles: use safetensors"
        case ast.keyword(arg="allow_pickle", value=value) if not (isinstance(value, ast.Constant) and not value.value):
            return "allow_pickle"
    return None


@pytest.mark.parametrize("path", PYTHON_FILES, ids=_name)
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE_LINES


def test_no_folder_has_more_than_16_python_files():
    sizes = collections.Counter(_name(path.parent) for path in PYTHON_FILES)
    assert {folder for folder, size in sizes.items() if size > MAX_PYTHON_FILES} == MAY_BE_LARGER.keys()


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=_name)
def test_the_package_loads_nothing_unsafe_and_swallows_no_errors(path):
    assert forbidden_code(path.read_text(encoding="utf-8")) == []


def test_no_file_names_a_package_host_or_a_folder_of_one_machine():
    found = []
    for path in FILES:
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), 1):
            if ELSEWHERE.search(line):
                found.append(f"{_name(path)}:{number}: {line.strip()[:80]}")
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import numpy, dill",
        "from pickle import loads",
        "import torch\ntorch.load('x')",
        "import torch as th\nth.load('x')",
        "from torch import load",
        "eval('1')",
        "exec('1')",
        "assert True",
        "try:\n    pass\nexcept:\n    pass",
        "from __future__ import annotations",
        "import numpy\nnumpy.load('x', allow_pickle=True)",
    ],
)
def test_forbidden_code_is_found(source):
    assert len(forbidden_code(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "policy.load('x')",
        "import torch\ntorch.compile(model)",
        "import re\nre.compile('x')",
        "try:\n    pass\nexcept ValueError:\n    pass",
        "import numpy\nnumpy.load('x', allow_pickle=False)",
    ],
)
def test_harmless_code_passes(source):
    assert forbidden_code(source) == []


@pytest.mark.parametrize(
    "line",
    ["see https://py" + "pi.org/simple", "cd /wo" + "rk/main", "'/ro" + "ot/.cache'", "path=/ho" + "me/someone/x"],
)
def test_a_place_elsewhere_is_found(line):
    assert ELSEWHERE.search(line)


@pytest.mark.parametrize("line", ["frame/work/x", "./root/x", "a/home/b", "runs/work/y", "/dev/video0", "/tmp/run"])
def test_other_paths_pass(line):
    assert not ELSEWHERE.search(line)
