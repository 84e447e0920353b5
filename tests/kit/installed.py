"""A package as an installer leaves it: modules in a folder, and a `*.dist-info` that declares entry points."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from kit.limits import HANG_S


def install(where: Path, name: str, modules: Mapping[str, str], entry_points: str) -> None:
    """Puts a package into a folder that is, or will be, on `sys.path`.

    Args:
        where: the folder.
        name: of the package, and of its distribution.
        modules: name -> source; "__init__" is made where it is not given.
        entry_points: the text of its entry_points.txt.
    """
    folder = where / name
    folder.mkdir(parents=True)
    for module, source in ({"__init__": ""} | dict(modules)).items():
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
    metadata = where / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")


def run(where: Path, script: str, *arguments: str) -> str:
    """What a script prints in a process of its own, in which that folder is on `sys.path`."""
    environment = os.environ | {"PYTHONPATH": str(where), "SENSEWEAVE_SHAPE_CHECKS": "0"}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    return done.stdout
