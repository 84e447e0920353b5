"""Are two checkouts of senseweave the same bit for bit? Short trainings of many sorts, and a checksum of every tensor.

    python bits.py CHECKOUT OUT.json          trains with the package of that checkout, whatever is installed
    python bits.py --compare A.json B.json    says what differs and exits with 1, or how many tensors are equal

The trainings are sub-processes of the interpreter that runs this file, which must have the package's dependencies. The
bits depend on the machine, on torch and on the number of cores (a minibatch is divided among up to four of them): both
files must come from one machine. Two cores at most are used.
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

CORES, MOST_TOLD = 2, 12
USUAL_FOLDERS = {f"senseweave.{name}": name for name in ("perception", "envs", "policies", "agent")}
PHASES = ("acting", "environment", "learning")
TIME_COLUMNS = ("seconds", "samples_per_second", "steps_per_second", *(f"{phase}_steps_per_second" for phase in PHASES))
FIGURES = ("steps", "episodes", "training_success_rate")
EVALUATED = ("success_rate", "mean_return", "mean_length", "greedy_success_rate", "greedy_mean_return")

SHORT = "--device cpu --evaluation-episodes 0 --no-video"
SYMBOLS = "--env-option senses=grid,instruction"
MEMORY = f"train --env senseweave/GoToLocal-v0 {SYMBOLS} --memory gru --num-envs 32 --seed 3 {SHORT}"
COMMANDS: dict[str, str] = {
    "recipe": "train --env senseweave/Seek-v0 --imitation-steps 4096 --steps 4096 --num-envs 64 --seed 1 "
    f"--modality-dropout 0.05 --learning-rate 1e-4 {SHORT} --out recipe",
    "memory": f"{MEMORY} --imitation-steps 4096 --steps 6400 --out memory",
    "sb3": f"train --env BabyAI-GoToRedBallGrey-v0 --trainer sb3 --steps 4096 --num-envs 8 --seed 5 {SHORT} --out sb3",
    "sb3_memory": f"train --env senseweave/GoToRedBallGrey-v0 {SYMBOLS} --trainer sb3 --memory gru --steps 2048 "
    f"--num-envs 8 --seed 6 {SHORT} --out sb3_memory",
    "imitation": f"train --env senseweave/PickupLoc-v0 {SYMBOLS} --trainer imitation --steps 16384 --num-envs 32 "
    f"--seed 2 {SHORT} --out imitation",
    "half": f"train --env senseweave/GoToObj-v0 {SYMBOLS} --steps 4096 --num-envs 16 --seed 7 {SHORT} --out half",
    "resumed": f"train --resume half --steps 8192 {SHORT}",
    "looking": "train --env senseweave/SeekSpoken-v0 --memory looking_gru --auxiliary mission=0.5 "
    f"--imitation-steps 2560 --steps 2560 --num-envs 32 --seed 4 {SHORT} --out looking",
    "pretrained": "pretrain --env senseweave/Seek-v0 --objective contrastive=1 --objective autoencoder=0.5 "
    "--imputation autoencoder --steps 40 --batch-size 64 --seed 8 --device cpu --out pretrained",
    "evaluated": "evaluate recipe --episodes 32 --device cpu",
}
"""Name -> words of the command line, run in this order in one folder."""

PLAIN = ("--recipe", "plain")
"""What a release with recipes takes only where it is asked to; the releases before had nothing else."""

PROBE = f"""
import json, sys
from senseweave.agent.cli import main
words = "train --env senseweave/GoToRedBallGrey-v0 {SYMBOLS} --steps 2 --imitation-steps 0 --num-envs 1 --out probe"
status = main(words.split() + "{SHORT}".split())
files = [getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith("senseweave.")]
print(json.dumps([status, sorted(filter(None, files))]))
"""


def link_package(checkout: Path, root: Path) -> None:
    """Makes `root`/senseweave, which holds the packages of a checkout, wherever its pyproject.toml says they are."""
    settings = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    folders = settings.get("tool", {}).get("setuptools", {}).get("package-dir") or USUAL_FOLDERS
    whole = [path for path in (checkout / "src" / "senseweave", checkout / "senseweave") if path.is_dir()]
    if whole:
        (root / "senseweave").symlink_to(whole[0], target_is_directory=True)
        return
    (root / "senseweave").mkdir()
    for name, folder in folders.items():
        _, _, part = name.partition(".")
        if part and "." not in part:
            (root / "senseweave" / part).symlink_to(checkout / folder, target_is_directory=True)


def environment(root: Path) -> dict[str, str]:
    """That of the sub-processes: the package in `root` first, one thread for each operation, nothing left behind."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SENSEWEAVE"))}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return kept | threads | {"PYTHONPATH": str(root), "PYTHONPYCACHEPREFIX": str(root / "pycache")}


def run(words: list[str], root: Path) -> str:
    """What a sub-process prints; ends this one where it fails."""
    command = [sys.executable, "-P", *words]
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)[:300]} failed:\n{done.stderr}")
    return done.stdout


def require_own_modules(checkout: Path, root: Path) -> None:
    """Ends this process where a module that a training loads is of another checkout."""
    status, files = json.loads(run(["-c", PROBE], root).splitlines()[-1])
    others = [file for file in files if not Path(file).resolve().is_relative_to(checkout)]
    if status or others or not files:
        sys.exit(f"{len(others)} of {len(files)} modules are not of {checkout}: {', '.join(others[:3])}")
    print(f"{len(files)} modules of {checkout}", file=sys.stderr)


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every tensor below a folder, with its shape and type."""
    sums = {}
    for path in sorted(folder.rglob("*.safetensors")):
        for name, tensor in sorted(load_file(path).items()):
            described = f"{tensor.dtype} {tensor.shape} ".encode()
            sums[f"{path.relative_to(folder)} {name}"] = hashlib.sha256(described + tensor.tobytes()).hexdigest()
    return sums


def curves(folder: Path) -> dict[str, list[str]]:
    """The columns of metrics.csv that no clock has written."""
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0] if name not in TIME_COLUMNS}


def measure(checkout: Path) -> dict[str, Any]:
    """Runs all commands with the package of a checkout."""
    parts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        link_package(checkout, root)
        require_own_modules(checkout, root)
        has_recipes = (checkout / "policies" / "recipes.py").exists()
        for name, command in COMMANDS.items():
            began = time.monotonic()
            words = [*command.split(), *(PLAIN if has_recipes and "--env" in command and "train" in command else ())]
            told = json.loads(run(["-m", "senseweave.agent.cli", *words, "--json"], root))
            if name == "evaluated":
                parts[name] = {"figures": {key: told[key] for key in EVALUATED}}
            else:
                folder = root / told["run" if "run" in told else "out"]
                figures = {key: told[key] for key in FIGURES if key in told}
                parts[name] = {"figures": figures, "tensors": checksums(folder), "curves": curves(folder)}
            print(f"{name:12}{time.monotonic() - began:6.1f} s", file=sys.stderr)
    machine = {"cores": len(os.sched_getaffinity(0)), "torch": version("torch"), "processor": platform.processor()}
    return {"machine": machine, "runs": parts}


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two JSON values differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return [] if one == other else [f"{where}: {str(one):.60} and {str(other):.60}"]
    found = [f"{where} / {key}: only in one of them" for key in sorted(one.keys() ^ other.keys())]
    for key in one:
        if key in other:
            found += differences(one[key], other[key], f"{where} / {key}".removeprefix(" / "))
    return found


def compare(paths: list[Path]) -> int:
    """Prints what differs between two files; 1 where anything does."""
    one, other = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    for line in differences(one["machine"], other["machine"], "machine"):
        print(f"{line}; the bits may differ for that reason")
    count = 0
    for name in sorted(one["runs"].keys() | other["runs"].keys()):
        found = differences(one["runs"].get(name), other["runs"].get(name), name)
        count += len(found)
        print("".join(f"{line}\n" for line in found[:MOST_TOLD]), end="")
        if len(found) > MOST_TOLD:
            print(f"{name}: {len(found) - MOST_TOLD} more differences")
    if count:
        print(f"{count} differences")
        return 1
    tensors = [len(part.get("tensors", ())) for part in one["runs"].values()]
    print(f"all {sum(tensors)} tensors of {sum(map(bool, tensors))} runs are equal, and so are curves and figures")
    return 0


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--compare", action="store_true", help="compare two files instead")
    parser.add_argument("paths", nargs=2, type=Path, metavar="PATH")
    options = parser.parse_args()
    if options.compare:
        return compare(options.paths)
    checkout, out = options.paths
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    out.write_text(json.dumps(measure(checkout.resolve()), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
