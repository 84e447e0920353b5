import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kit import exported_models, shape_checks

OFTEN = ["plain", "numbers", "looking", "quick"]
"""Made together by one process: torch takes seconds to begin."""


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name -> the folder of a model of kit/exported_models.py; do not change it."""
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    folder = tmp_path_factory.mktemp("exported")

    def folder_of(name: str) -> Path:
        if not (folder / name / "model.json").exists():
            names = OFTEN if name in OFTEN else [name]
            environment = os.environ | {shape_checks.SWITCH: "0"}
            command = [sys.executable, "-W", "ignore", str(Path(exported_models.__file__)), str(folder), *names]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return folder / name

    return folder_of


@pytest.fixture
def exported_error(tmp_path: Path) -> Callable[[str], tuple[str, list[str]]]:
    """Tries to export a perception with a faulty encoder; gives the error, and the files that it left."""
    pytest.importorskip("onnxscript", reason="needs the extra onnx")

    def attempt(name: str) -> tuple[str, list[str]]:
        environment = os.environ | {shape_checks.SWITCH: "0"}
        script = Path(exported_models.__file__).with_name("faulty_encoders.py")
        command = [sys.executable, "-W", "ignore", str(script), str(tmp_path / name), name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        left = [path.name for path in (tmp_path / name).iterdir()] if (tmp_path / name).exists() else []
        return done.stdout.strip() or done.stderr, left

    return attempt
