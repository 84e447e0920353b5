"""The wheel and the source distribution: what they hold, and that the wheel works without the checkout.

Built from a copy, so that nothing is left in the checkout and nothing stale in the wheel. The clean environment gets
the wheel and the dependencies that are here already, but not the editable install.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from kit.limits import HANG_S

ROOT = Path(__file__).parents[2]
PACKAGES = ("perception", "envs", "policies", "agent")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", *PACKAGES)


def _run(*command: str | Path, cwd: Path) -> str:
    """Runs a command away from the checkout and returns what it printed; its errors are in the test's report."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    parts = [str(part) for part in command]
    done = subprocess.run(parts, cwd=cwd, env=environment, capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, f"{command} printed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "a checkout"
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    agent = folder / "perception" / "data" / "agents" / "tiny"
    agent.mkdir(parents=True)
    for name in ("config.json", "policy.safetensors"):
        shutil.copy(ROOT / "tests" / "golden" / "trained" / name, agent / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    _run(*pip, "--wheel-dir", folder, source, cwd=folder)
    return next(folder.glob("senseweave-*.whl"))


@pytest.fixture(scope="module")
def clean_environment(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel; a .pth file lends it the dependencies without their .pth files."""
    folder = tmp_path_factory.mktemp("clean environment")
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    _run(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder)
    packages = Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return folder


def test_the_wheel_holds_senseweave_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.split("/")[0] for name in names}
    assert "senseweave" in roots
    assert all(
        root == "senseweave" or (root.startswith("senseweave-") and root.endswith(".dist-info")) for root in roots
    )


def test_the_wheel_holds_every_module_of_the_checkout(source, wheel):
    names = {name.removeprefix("senseweave/") for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    folders = [path for package in PACKAGES for path in (source / package).rglob("*.py")]
    modules = {str(path.relative_to(source)) for path in folders if path.parent.name != "data"}  # scripts that made it
    assert names == modules, "a folder of modules is missing from `packages` in pyproject.toml"


@pytest.mark.parametrize("name", ["perception/data/tokenizer.json", *(f"{package}/py.typed" for package in PACKAGES)])
def test_the_wheel_holds_what_is_not_code(wheel, name):
    assert f"senseweave/{name}" in zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_every_template_of_the_pages(source, wheel):
    templates = {str(path.relative_to(source)) for path in (source / "agent/show/templates").iterdir()}
    assert {f"senseweave/{name}" for name in templates} <= set(zipfile.ZipFile(wheel).namelist()) and len(templates) > 3


def test_the_wheel_holds_every_agent_that_ships(source, wheel, clean_environment):
    agents = source / "perception" / "data" / "agents"
    files = {f"senseweave/{path.relative_to(source)}" for path in agents.glob("*/*")}
    assert files <= set(zipfile.ZipFile(wheel).namelist()) and len(files) >= 2
    code = "from senseweave.perception.sharing.shipped import shipped_agents; print(*shipped_agents())"
    shown = _run(clean_environment / "venv" / "bin" / "python", "-c", code, cwd=clean_environment)
    assert set(shown.split()) == {path.name for path in agents.iterdir() if path.is_dir()}


def test_the_wheel_holds_the_licence_and_the_command(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    entry_points = next(name for name in names if name.endswith("/entry_points.txt"))
    assert "senseweave = senseweave.agent.cli.main:main" in zipfile.ZipFile(wheel).read(entry_points).decode()


def test_the_installed_wheel_imports_from_outside_the_checkout(clean_environment):
    names = ", ".join(f"senseweave.{package}" for package in PACKAGES)
    code = f"import {names}; print(*(module.__file__ for module in ({names},)), sep='\\n')"
    files = _run(clean_environment / "venv" / "bin" / "python", "-c", code, cwd=clean_environment).splitlines()
    assert len(files) == len(PACKAGES)
    assert all(Path(file).is_relative_to(clean_environment) for file in files)


def test_the_installed_wheel_tokenizes_with_the_file_that_it_brings(clean_environment):
    code = "from senseweave.perception.tokenizer import default_tokenizer as t; print(t().identity)"
    identity = _run(clean_environment / "venv" / "bin" / "python", "-c", code, cwd=clean_environment)
    assert identity.startswith("senseweave-1:")


def test_the_installed_wheel_writes_pages_from_the_templates_that_it_brings(clean_environment):
    code = (
        "from senseweave.agent.live.digest import Digest; from senseweave.agent.live.page import page\n"
        "from senseweave.perception.spec import Spec, Vector\n"
        "print(page(Digest(Spec(touch=Vector(2)), (), 0.1, {}), {'<b>': ''}, {}))"
    )
    text = _run(clean_environment / "venv" / "bin" / "python", "-c", code, cwd=clean_environment)
    assert "<h1>A live session</h1>" in text and "&lt;b&gt;" in text and "prefers-color-scheme: dark" in text


def test_the_installed_command_answers_help(clean_environment):
    shown = _run(clean_environment / "venv" / "bin" / "senseweave", "--help", cwd=clean_environment)
    assert all(command in shown for command in ("train", "evaluate", "explain", "envs", "doctor"))


def test_the_source_distribution_builds_the_same_wheel(source, wheel, tmp_path):
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    _run(sys.executable, "-c", build, tmp_path, cwd=source)
    with tarfile.open(next(tmp_path.glob("senseweave-*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = next(path for path in tmp_path.glob("senseweave-*") if path.is_dir())
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    _run(*pip, "--wheel-dir", tmp_path, unpacked, cwd=tmp_path)
    rebuilt = next(tmp_path.glob("senseweave-*.whl"))
    assert set(zipfile.ZipFile(rebuilt).namelist()) == set(zipfile.ZipFile(wheel).namelist())
