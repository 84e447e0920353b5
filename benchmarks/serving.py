"""A policy server: how long an answer takes, what strangers can do to it, and what a rig does when it is gone.

    senseweave train --out runs/seek
    python benchmarks/serving.py runs/seek

Round trips are measured by clients in processes of their own, from packing an observation to having its action; beside
them the same policy in the same process. `--only faults` drives a rig of scripted sensors through a TCP proxy that
delays, stalls and cuts (parts/remote/rough_link.py), and kills the server with SIGKILL. `--only fuzz` sends damaged,
huge and endless messages.
"""

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
from parts.remote.clients import Driven, drive, in_processes, observations, paced, served
from parts.remote.fuzz import KINDS, flood, fuzz
from parts.remote.rough_link import RoughLink
from parts.result_rows import Result, add_option, write_results
from parts.tables import machine, print_json, print_table, tell

TABLES = ("speed", "faults", "fuzz")
FAULT_HZ = 20.0
Figures = dict[str, float]

ROUGH: dict[str, dict[str, float]] = {
    "as it is": {},
    "5 ms more each way": {"delay_s": 0.005},
    "5 to 20 ms more each way": {"delay_s": 0.005, "jitter_s": 0.015},
    "40 ms more each way": {"delay_s": 0.040},
    "1 % of the pieces 200 ms late": {"loss": 0.01},
    "5 % of the pieces 200 ms late": {"loss": 0.05},
}
"""What the proxy does to the link. At 20 Hz an answer has 50 ms."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run directory of the policy")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="some of the tables")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16], help="clients at a time, a row each")
    parser.add_argument("--rate", type=float, default=30.0, help="observations a second of each client")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each row")
    parser.add_argument("--cases", type=int, default=250, help="messages of each kind of the fuzz")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of the round trips")
    parser.add_argument("--kills", type=int, default=3, help="how often the server is killed")
    parser.add_argument("--quick", action="store_true", help="2 seconds a row; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    if not (options.run / "config.json").exists():
        parser.error(f"{options.run} is not a run directory; make one with senseweave train")
    if options.quick:
        options.seconds, options.rounds, options.cases, options.kills = 2.0, 1, 10, 1
    return options


def trips(times_ms: list[float], unanswered: int) -> Figures:
    """A row of round trips."""
    p50, p99, most = np.percentile(times_ms, [50, 99, 100]) if times_ms else (np.nan,) * 3
    return {
        "answers": len(times_ms),
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "most ms": float(most),
        "unanswered": unanswered,
    }


def in_this_process(options: argparse.Namespace) -> Figures:
    """The policy without a server, one observation after another at the same rate."""
    from senseweave.agent.play.players import PolicyPlayer
    from senseweave.agent.runs.directory import RunDirectory
    from senseweave.agent.runs.machine import limit_threads
    from senseweave.agent.serve.serve import actions_of

    run = RunDirectory.open(options.run)
    limit_threads(run.config.perception)
    space = run.config.spec.space()
    policy, _ = run.reader.read(run.path, run.config, space, actions_of(run))
    policy.set_training_mode(False)
    player, seen = PolicyPlayer(policy), observations(run.config.spec)
    for number in range(3):
        player.act(seen[number])

    def act(number: int) -> float:
        began_s = time.perf_counter()
        player.act(seen[number % 16])
        return 1000 * (time.perf_counter() - began_s)

    return trips(paced(options.rate, options.seconds, act), 0)


def speed(options: argparse.Namespace) -> dict[str, list[Figures]]:
    """Round trips by the number of clients, and without a server; in rounds, as the machine is not always the same."""
    rows: dict[str, list[Figures]] = {}
    with served(options.run) as server:
        for number in range(options.rounds):
            tell(f"round {number + 1}, without a server, {options.seconds:g} s")
            rows.setdefault("in the same process", []).append(in_this_process(options))
            for clients in options.clients:
                tell(f"round {number + 1}, {clients} clients, {options.seconds:g} s")
                times = in_processes(server.url, clients, options.rate, options.seconds)
                rows.setdefault(f"{clients} client{'s' * (clients > 1)}", []).append(trips(*times))
    return rows


def driven(came: Driven, *, back: str | None = None) -> Figures:
    """A row of a rig that was driven; `back` is the mark from which on it could be driven again."""
    after = [] if back is None else [one.time_ns for one in came.own() if one.time_ns > came.marks[back]]
    figures = {
        "ticks": len(came.ticks),
        "missed": sum(bool(tick.move and tick.move.missed) for tick in came.ticks),
        "oldest action ms": 1000 * came.oldest_action_s() if came.own() else float("nan"),
        "to safety s": max(came.to_safety_s(), default=float("nan")),
    }
    return figures | ({} if not after else {"to action s": (after[0] - came.marks[back or ""]) / 1e9})


def faults(options: argparse.Namespace) -> dict[str, list[Figures]]:
    """A rig whose server is killed, and one behind a rough link."""
    rows: dict[str, list[Figures]] = {}
    with served(options.run) as server:
        for name, settings in ROUGH.items():
            tell(f"{name}, {options.seconds:g} s")
            with RoughLink(server.port, **settings) as rough:
                came = drive(f"ws://127.0.0.1:{rough.port}", FAULT_HZ, [(options.seconds, "end", lambda: None)])
            rows[name] = [driven(came)]
        with RoughLink(server.port) as rough:
            tell("cut, and silent")
            cut = [(2.0, "cut", rough.cut), (2.0, "end", lambda: None)]
            url = f"ws://127.0.0.1:{rough.port}"
            rows["cut once"] = [driven(drive(url, FAULT_HZ, cut), back="cut")]
            mute = [(2.0, "silent", lambda: setattr(rough, "is_silent", True))]
            loud = [(3.0, "back", lambda: setattr(rough, "is_silent", False)), (4.0, "end", lambda: None)]
            rows["silent for 3 s"] = [driven(drive(url, FAULT_HZ, [*mute, *loud]), back="back")]
    rows["killed and started again"] = [killed(options) for _ in range(options.kills)]
    return rows


def killed(options: argparse.Namespace) -> Figures:
    """A rig whose server is killed with SIGKILL and started again at the same port."""
    tell("killed and started again")
    with contextlib.ExitStack() as servers:
        server = servers.enter_context(served(options.run))
        again = [
            (2.0, "killed", server.process.kill),
            (0.0, "back", lambda: servers.enter_context(served(options.run, port=server.port))),
            (3.0, "end", lambda: None),
        ]
        return driven(drive(server.url, FAULT_HZ, again), back="back")


def fuzzed(options: argparse.Namespace) -> dict[str, list[Figures]]:
    """What strangers send, by kind, to one server that lives through all of it."""
    rows: dict[str, list[Figures]] = {}
    with served(options.run) as server:
        for kind in KINDS:
            tell(f"{kind}, {options.cases} cases")
            rows[kind] = [fuzz(server, kind, options.cases)]
        tell("a flood")
        rows["a flood"] = [flood(server, min(10.0, options.seconds))]
    return rows


def show(title: str, rows: dict[str, list[Figures]]) -> list[Result]:
    """Prints a table; its rows for docs/results.md."""
    columns = list(dict.fromkeys(column for repeats in rows.values() for figures in repeats for column in figures))
    cells = [
        (name, *(", ".join(f"{one[column]:.4g}" for one in repeats if column in one) or "-" for column in columns))
        for name, repeats in rows.items()
    ]
    print_table(title, ("", *columns), cells)
    return [
        Result(name, {column: [_figure(one, column) for one in repeats] for column in columns if column in repeats[0]})
        for name, repeats in rows.items()
    ]


def _figure(figures: Figures, column: str) -> float | None:
    value = figures.get(column, float("nan"))
    return None if np.isnan(value) else float(value)


def main() -> None:
    """Measures and prints."""
    options = parse()
    report: dict[str, Any] = {}
    for name in options.only:
        rows = {"speed": speed, "faults": faults, "fuzz": fuzzed}[name](options)
        titles = {
            "speed": f"Round trips, {options.rate:g} observations a second of each client",
            "faults": f"A rig at {FAULT_HZ:g} Hz whose server is not there",
            "fuzz": "What strangers sent",
        }
        write_results(options, f"serving-{name}", show(titles[name], rows))
        report[name] = rows
    if options.json:
        print_json(report | {"machine": machine("senseweave", "torch", "websockets", "msgpack")})


if __name__ == "__main__":
    main()
