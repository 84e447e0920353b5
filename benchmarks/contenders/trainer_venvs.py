"""A virtual environment for each peer of trainers.py: what goes into it, and making it. No training, no figures.

    python benchmarks/trainer_venvs.py --venvs ~/.cache/senseweave-trainers        makes all of them, trains nothing

A peer gets its own packages, torch of constraints.txt, and this checkout by a link, so that all of them train the same
`Perception`. A peer that pip cannot install is told of with pip's reason; nothing is left out silently.
"""

import argparse
import dataclasses
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from parts.tables import tell

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
DEFAULT_FOLDER = Path.home() / ".cache" / "senseweave-trainers"
LONGEST_INSTALL_S = 1800.0
NEEDED = ("torch", "numpy", "gymnasium", "minigrid", "jaxtyping", "safetensors", "tokenizers", "typing-extensions")
"""What `senseweave.perception` and BabyAI's levels need."""


@dataclasses.dataclass(frozen=True)
class Venv:
    """What a peer is installed with.

    Args:
        name: of its folder.
        packages: of its own, pinned to what was measured.
        constrained: whether all versions are those of constraints.txt; some peers pin an older gymnasium or numpy, and
            get torch and minigrid alone from there.
    """

    name: str
    packages: tuple[str, ...] = ()
    constrained: bool = True

    @property
    def requirements(self) -> list[str]:
        """What pip is asked for."""
        if self.constrained:
            return [*self.packages, *NEEDED]
        pinned = [pin for pin in pins() if pin.split("==")[0] in ("torch", "minigrid")]
        return [*self.packages, *pinned, *(name for name in NEEDED if name not in ("torch", "minigrid"))]


VENVS = {
    venv.name: venv
    for venv in (
        Venv("sb3", ("stable-baselines3", "sb3-contrib", "av")),  # av reads the voices of Rooms
        Venv("cleanrl"),
        Venv("torchrl", ("torchrl", "tensordict")),
        Venv("rllib", ("ray[rllib]==2.60.0",), constrained=False),
        Venv("sample-factory", ("sample-factory==2.1.1",), constrained=False),
    )
}
"""Everything that has a virtual environment here; ours runs in the one that the benchmark was started in."""


class InstallError(Exception):
    """A peer cannot be installed here; the message is pip's own reason."""


def pins() -> list[str]:
    """The lines "name==version" of constraints.txt."""
    return [line for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines() if "==" in line]


def python_of(name: str, folder: Path) -> Path:
    """The interpreter of a peer's virtual environment, which is made when it is missing or asked for other packages.

    Raises:
        InstallError: it cannot be made.
    """
    venv, home = VENVS[name], folder.expanduser().resolve() / name
    python, done = home / "bin" / "python", home / "requirements.sha256"
    asked = [sys.version, *venv.requirements, CONSTRAINTS.read_text(encoding="utf-8") if venv.constrained else ""]
    digest = hashlib.sha256("\n".join(asked).encode()).hexdigest()
    if not (done.exists() and done.read_text(encoding="utf-8") == digest):
        tell(f"making {home}: {', '.join(venv.packages) or 'torch and minigrid'}; this takes minutes")
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        _call(sys.executable, "-m", "venv", str(home))
        limits = ["--constraint", str(CONSTRAINTS)] if venv.constrained else []
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
        _call(*pip, *limits, *venv.requirements)
        done.write_text(digest, encoding="utf-8")
    _link(home)
    return python


def _call(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_INSTALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(str(error)) from error
    if done.returncode:
        told = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reason = [line for line in told if "error" in line.lower()] or told or ["pip ended without a word"]
        raise InstallError(reason[0].strip())


def _link(home: Path) -> None:
    """Lets the checkout be imported as `senseweave`: its root is that package."""
    [packages] = home.glob("lib/python*/site-packages")
    link = packages / "senseweave"
    if link.is_symlink() and link.resolve() != ROOT:
        link.unlink()
    if not link.exists():
        link.symlink_to(ROOT, target_is_directory=True)


def main() -> int:
    """Makes all of them; 1 if one cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(VENVS)} (default: all)")
    parser.add_argument("--venvs", type=Path, default=DEFAULT_FOLDER, help=f"default: {DEFAULT_FOLDER}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(VENVS):
        parser.error(f"there is no virtual environment {', '.join(sorted(unknown))}; choose from {', '.join(VENVS)}")
    status = 0
    for name in options.names or VENVS:
        try:
            print(f"{name}: {python_of(name, options.venvs)}")
        except InstallError as error:
            print(f"{name}: not installed: {error}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
