"""Speed of the simulator beside minigrid, XLand-MiniGrid and ViZDoom, turn by turn in one run.

    pip install -e ".[vizdoom]"
    python benchmarks/rooms_speed.py                                       beside minigrid and ViZDoom
    python benchmarks/rooms_speed.py --xminigrid-python ~/jax/bin/python   also XLand-MiniGrid, which needs JAX:
                                                                           pip install "jax[cpu]" xminigrid
    python benchmarks/rooms_speed.py --device cuda --num-envs 1024 4096 16384 65536

Every contender is a process of its own that waits while others play, so they share the machine's hours fairly; ratios
are taken within a round. Random actions, resets included, observations made at every step.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.tables import machine, print_json, print_table, tell

CONTENDER = str(Path(__file__).resolve().parent / "contenders" / "rooms_contender.py")
OURS = ("rooms-grid", "rooms-all")
LABELS = {
    "minigrid": "minigrid in a SyncVectorEnv",
    "vizdoom": "ViZDoom, 160 x 120, stereo at 11 kHz, text",
    "xminigrid": "XLand-MiniGrid on JAX, 9 x 9",
    "rooms-grid": "Rooms, symbols + instruction",
    "rooms-all": "Rooms, camera + sound + instruction",
}
PEERS = {"minigrid": "minigrid", "vizdoom": "ViZDoom", "xminigrid": "XLand-MiniGrid"}
AIMED_STEPS = {"rooms-grid": 200_000, "rooms-all": 20_000}
"""About how many steps of all environments make one turn of ours; some tenths of a second on two cores."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-envs", type=int, nargs="+", default=[1, 16, 256, 2048], help="batch sizes of ours")
    parser.add_argument("--level", default="GoToRedBallGrey", help="ours and minigrid's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--xminigrid-python", metavar="FILE", help="an interpreter with jax and xminigrid")
    parser.add_argument("--plot", type=Path, help="also draw time per step against the batch size, .png")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    parser.add_argument("--quick", action="store_true", help="1 round, small batches: a smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.num_envs = 1, [1, 16]
    if min(options.rounds, options.threads, *options.num_envs) < 1:
        parser.error("--rounds, --threads and --num-envs must be at least 1")
    return options


class Contender:
    """A process that steps its environments when it is asked to.

    Raises:
        RuntimeError: it cannot run here; the message is its own last line.
    """

    def __init__(self, name: str, options: argparse.Namespace, num_envs: int, steps: int, python: str) -> None:
        self.name, self.num_envs = name, num_envs
        self.rates: list[float] = []
        arguments = {"--num-envs": num_envs, "--steps": steps, "--threads": options.threads, "--level": options.level}
        command = [python, CONTENDER, name, *(str(part) for pair in arguments.items() for part in pair)]
        if name.startswith("rooms"):
            command += ["--device", options.device]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.folder = tempfile.TemporaryDirectory()  # ViZDoom leaves a file where it runs
        self.process: Any = subprocess.Popen(command, text=True, cwd=self.folder.name, **pipes)
        self.facts = self._answer()

    def play(self) -> None:
        """One turn."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.rates.append(self._answer()["steps_per_second"])

    def close(self) -> None:
        """Ends the process."""
        try:
            self.process.stdin.close()  # it ends by itself when it has nothing left to read
            self.process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def _answer(self) -> dict[str, Any]:
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        _, errors = self.process.communicate()
        raise RuntimeError((errors.strip().splitlines() or ["it ended without a word"])[-1])


def start(options: argparse.Namespace) -> list[Contender]:
    """Starts every contender that can run here, and tells of those that cannot."""
    share = 20 if options.quick else 1
    wanted = [("minigrid", 16, 400, sys.executable), ("vizdoom", 1, 3000, sys.executable)]
    if options.xminigrid_python:
        wanted.append(("xminigrid", max(options.num_envs), 128, options.xminigrid_python))
    for name in OURS:
        for num_envs in options.num_envs:
            wanted.append((name, num_envs, max(5, min(1000, AIMED_STEPS[name] // num_envs)), sys.executable))
    contenders = []
    try:
        for name, num_envs, steps, python in wanted:
            tell(f"starting {name}, {num_envs} environments")
            try:
                contenders.append(Contender(name, options, num_envs, max(2, steps // share), python))
            except (RuntimeError, OSError) as error:
                tell(f"{name} is left out: {error}")
    except BaseException:
        for contender in contenders:
            contender.close()
        raise
    return contenders


def row_of(contender: Contender, baselines: dict[str, Contender]) -> dict[str, Any]:
    """One contender's figures; ratios are medians of the rounds'."""
    row = {
        "contender": contender.name,
        "num_envs": contender.num_envs,
        "steps_per_second": statistics.median(contender.rates),
        "least": min(contender.rates),
        "greatest": max(contender.rates),
        **contender.facts,
    }
    for name, baseline in baselines.items():
        ratios = [mine / theirs for mine, theirs in zip(contender.rates, baseline.rates, strict=True)]
        row[f"over_{name}"] = statistics.median(ratios)
    return row


def show(rows: list[dict[str, Any]], peers: list[str]) -> None:
    """Prints one line for each contender."""

    def cell(row: dict[str, Any], name: str, form: str) -> str:
        return "-" if row.get(name) is None else format(row[name], form)

    columns = {"steps/s": "steps_per_second", "least": "least", "greatest": "greatest"}
    ratios = {f"x {peer}": f"over_{peer}" for peer in peers}
    memory = {"state bytes/env": "bytes_per_environment", "resident MB": "resident_mb"}
    print_table(
        "steps per second, median of the rounds; x: how many times as fast as that peer in the same round",
        ["contender", "environments", *columns, *ratios, *memory],
        [
            [row["contender"], str(row["num_envs"])]
            + [cell(row, name, ",.0f") for name in columns.values()]
            + [cell(row, name, ".2f") for name in ratios.values()]
            + [cell(row, name, ",.0f") for name in memory.values()]
            for row in rows
        ],
    )


def results_of(contenders: list[Contender], rows: list[dict[str, Any]]) -> list[Result]:
    """The rows of docs/results.md."""
    ratios = {f"x {label}": f"over_{peer}" for peer, label in PEERS.items()} | {"resident MB": "resident_mb"}
    results = []
    for contender, row in zip(contenders, rows, strict=True):
        figures = {name: [row[key]] for name, key in ratios.items() if row.get(key) is not None}
        results.append(
            Result(f"{LABELS[contender.name]}, {contender.num_envs:,}", {"steps/s": contender.rates} | figures)
        )
    return results


def main() -> int:
    """Runs the rounds, prints, draws."""
    options = parse()
    contenders = start(options)
    try:
        for number in range(options.rounds):
            tell(f"round {number + 1} of {options.rounds}")
            for contender in contenders:
                contender.play()
    except KeyboardInterrupt:
        tell("stopped; there are no figures of rounds that are not whole")
        return 130
    finally:
        for contender in contenders:
            contender.close()
    baselines = {contender.name: contender for contender in contenders if not contender.name.startswith("rooms")}
    rows = [row_of(contender, baselines) for contender in contenders]
    show(rows, list(baselines))
    results = results_of(contenders, rows)
    write_results(options, "rooms-speed", results)
    if options.plot:
        from result_pictures import draw_rooms_speed

        draw_rooms_speed(results, options.plot)
    if options.json:
        print_json({"machine": machine("torch", "gymnasium", "minigrid", "vizdoom"), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
