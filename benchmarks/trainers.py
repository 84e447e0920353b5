"""Our PPO beside what one would use instead: speed, seconds to success, memory; each in a process of its own.

    python benchmarks/trainers.py                          the first table: all peers on GoToRedBallGrey
    python benchmarks/trainers.py --seek --tuned --memory  three more: trimodal, each at its best, recurrent
    python benchmarks/trainers.py --only sb3 --frames 20000 --seeds 0

Peers come from PyPI into virtual environments in --venvs, some minutes and 5 GB at the first time; one that cannot be
installed, or fails, has a row with its reason. One run after the other, seed by seed; ratios are taken within a seed.
Finished runs are kept in --out, and the same command goes on with those that are missing.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from contenders.trainer_plan import CONTENDERS, LABELS, OURS, SECTIONS, Section, task_of, trial_of
from contenders.trainer_process import EPISODES_OF_GOAL, GOALS, Command, ContenderError, run_task
from contenders.trainer_venvs import DEFAULT_FOLDER, InstallError, python_of
from parts.kept_rows import read_row, write_row
from parts.result_rows import Result, add_option, write_results
from parts.shares import LEGEND, each_share
from parts.tables import each, machine, print_json, print_markdown, print_table, tell

RESULT_TABLES = {"tuned": "race", "level": "training-speed", "seek": "training-speed"}
"""Section -> the table of docs/results.md that it belongs to."""
QUIET_LOAD = 1.5
Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, section in SECTIONS.items():
        parser.add_argument(f"--{name}", action="store_true", help=section.title)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="PEER", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--frames", type=int, help="frames of each run (default: the section's own)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--venvs", type=Path, default=DEFAULT_FOLDER, help=f"default: {DEFAULT_FOLDER}")
    parser.add_argument("--out", type=Path, default=Path("runs/trainers"), help="folder of the finished runs")
    parser.add_argument("--minutes", type=float, default=60.0, help="a run that takes longer has failed")
    parser.add_argument("--here", action="store_true", help="peers run in this environment, nothing is installed")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    parser.add_argument("--quick", action="store_true", help="512 frames, 1 seed, --here, no trials: a smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds, options.here = options.seeds[:1], True
    if (options.frames or 1) < 1 or options.minutes <= 0:
        parser.error("--frames and --minutes must be above 0")
    if min(options.seeds) < 0 or len(set(options.seeds)) < len(options.seeds):
        parser.error(f"--seeds must be different whole numbers from 0 up; got {options.seeds}")
    options.sections = [section for name, section in SECTIONS.items() if getattr(options, name)] or [SECTIONS["level"]]
    return options


def names_of(section: Section, options: argparse.Namespace) -> list[str]:
    """The contenders of a section that are asked for."""
    return [name for name in section.tasks if name in (options.only or CONTENDERS)]


class Campaign:
    """The runs of one call: it knows what is finished, what is installed, and what each contender's best variant is."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self._pythons: dict[str, Path] = {}
        self._variants: dict[tuple[str, str], Row] = {}
        self._broken: dict[tuple[str, str], str] = {}

    def run(self, section: Section, name: str, seed: int) -> Row:
        """The row of one run: its figures, or "error"."""
        task = task_of(section, name, seed, self.options)
        path = self.options.out / f"{section.name}-{name}-seed{seed}.json"
        if (row := read_row(path)) and row.get("task") == task:
            tell(f"{path} is finished already")
            return row
        row = {"contender": name, "seed": seed, "task": task}
        try:
            if (section.name, name) in self._broken:
                raise ContenderError(self._broken[section.name, name])
            command = Command(self._python(name), CONTENDERS[name].script, self.options.minutes * 60)
            variant = self._variant(section, name, command, task)
            tell(f"{section.name}: {name}, seed {seed}, {task['frames']:,} frames, {variant or 'its defaults'}")
            row |= run_task(command, task | variant) | {"variant": variant}
        except (InstallError, ContenderError) as error:
            tell(f"{name} failed: {error}")
            self._broken[section.name, name] = str(error)
            return row | {"error": str(error)}
        write_row(path, row)
        return row

    def _python(self, name: str) -> Path:
        venv = CONTENDERS[name].venv
        if venv is None or self.options.here:
            return Path(sys.executable)
        if venv not in self._pythons:
            self._pythons[venv] = python_of(venv, self.options.venvs)
        return self._pythons[venv]

    def _variant(self, section: Section, name: str, command: Command, task: Row) -> Row:
        variants = CONTENDERS[name].variants
        if len(variants) == 1 or self.options.quick:
            return variants[0]
        if (section.name, name) not in self._variants:
            speeds = [self._try(section, name, command, trial_of(task, variant)) for variant in variants]
            self._variants[section.name, name] = variants[speeds.index(max(speeds))]
        return self._variants[section.name, name]

    def _try(self, section: Section, name: str, command: Command, trial: Row) -> float:
        """Frames/s of a short run; 0 where it fails, so that another variant is taken."""
        try:
            speed = run_task(command, trial)["frames_per_second"]
        except ContenderError as error:
            tell(f"{section.name}: {name}, trial with {trial['threads']} threads failed: {error}")
            return 0.0
        runners = f", {trial['runners']} runners" if "runners" in trial else ""
        tell(f"{section.name}: {name}, trial with {trial['threads']} threads{runners}: {speed:,.0f} frames/s")
        return speed


def ratios_of(rows: list[Row], baseline: list[Row], figure: str, *, is_speed: bool) -> list[float | None]:
    """How many times as good as the baseline's run with the same seed; None where one of the two has no figure."""
    theirs = {row["seed"]: row.get(figure) for row in baseline}
    ratios: list[float | None] = []
    for row in rows:
        mine, other = row.get(figure), theirs.get(row["seed"])
        ratios.append(None if not mine or not other else mine / other if is_speed else other / mine)
    return ratios


def results_of(section: Section, rows: list[Row]) -> list[Result]:
    """The rows of docs/results.md; contenders without any figure are left out."""
    by_contender: dict[str, list[Row]] = {}
    for row in rows:
        if "error" not in row:
            by_contender.setdefault(row["contender"], []).append(row)
    baseline = by_contender.get(section.baseline, [])
    if section.name == "tuned":
        return [race_result(LABELS[name], mine) for name, mine in by_contender.items()]
    level = {"level": "GoToRedBallGrey", "seek": "Seek"}[section.name]
    return [speed_result(f"{level}: {LABELS[name]}", mine, baseline) for name, mine in by_contender.items()]


def race_result(what: str, rows: list[Row]) -> Result:
    """How soon a contender reaches each goal, and how good it is then."""
    figures = {f"s to {goal} %": [row[f"seconds_to_{goal}"] for row in rows] for goal in (95, 97, 99)}
    figures |= {"frames to 97 %": [row["frames_to_97"] for row in rows]}
    figures |= {"held out": [row["held_out_success"] for row in rows]}
    return Result(what, figures, [row["seed"] for row in rows])


def speed_result(what: str, rows: list[Row], baseline: list[Row]) -> Result:
    """Frames a second, and as a multiple of SB3's."""
    figures = {"frames/s": [row["frames_per_second"] for row in rows]}
    figures |= {"x SB3": ratios_of(rows, baseline, "frames_per_second", is_speed=True)}
    return Result(what, figures, [row["seed"] for row in rows])


def show(section: Section, rows: list[Row], options: argparse.Namespace) -> None:
    """Prints the table of a section."""
    goals = [f"{goal:.0%}".rstrip("%") for goal in GOALS]
    columns = ["contender", "settings", "parameters", "frames/s", "x", "first update s", "peak MB", "load"]
    columns += [f"s to {goal} %" for goal in goals] + ["x (97 %)"] + [f"frames to {goal} %" for goal in goals]
    columns += ["success", "held out"]
    baseline = [row for row in rows if row["contender"] == section.baseline]
    cells = []
    for name in names_of(section, options):
        mine = [row for row in rows if row["contender"] == name]
        good = [row for row in mine if "error" not in row]
        if not good:
            reason = next((row["error"] for row in mine), "not run")
            cells.append([LABELS[name], f"no figures: {reason}", *["-"] * (len(columns) - 2)])
            continue
        settings = ", ".join(f"{value} {key}" for key, value in good[0]["variant"].items()) or "its defaults"
        line = [LABELS[name], settings, f"{good[0].get('parameters', 0):,}" if good[0].get("parameters") else "-"]
        line += [each([row["frames_per_second"] for row in good], ",.0f")]
        line += [each(ratios_of(good, baseline, "frames_per_second", is_speed=True), ".2f", 0.0)]
        for figure, form in (("first_update_s", ".1f"), ("peak_mb", ",.0f"), ("load", ".1f")):
            line.append(each([row[figure] for row in good], form))
        line += [each([row[f"seconds_to_{goal}"] for row in good], ",.0f") for goal in goals]
        line += [each(ratios_of(good, baseline, "seconds_to_97", is_speed=False), ".2f", 0.0)]
        line += [each([row[f"frames_to_{goal}"] for row in good], ",.0f") for goal in goals]
        played = task_of(section, name, 0, options).get("evaluation_episodes", 0)
        for figure, episodes in (("success", EPISODES_OF_GOAL), ("held_out_success", played)):
            line.append(each_share([row.get(figure) for row in good], episodes))
        cells.append(line)
    title = (
        f"{section.title}; x: times as good as {LABELS[section.baseline]}; median (each seed); of a success {LEGEND}"
    )
    if options.markdown:
        print_markdown(title, columns, cells)
    else:
        print_table(title, columns, cells)


def main() -> int:
    """Runs and reports; 1 if ours failed, 130 after Ctrl-C."""
    options = parse()
    if os.getloadavg()[0] > QUIET_LOAD:
        tell(f"warning: the load average is {os.getloadavg()[0]:.1f}; figures of a busy machine mean little")
    campaign, status = Campaign(options), 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a contender shall not outlive us
    rows: dict[str, list[Row]] = {section.name: [] for section in options.sections}
    try:
        for section in options.sections:
            for seed in options.seeds:
                for name in names_of(section, options):
                    rows[section.name].append(campaign.run(section, name, seed))
    except KeyboardInterrupt:
        tell("stopped; the same command goes on with the runs that are missing")
        status = 130
    for section in options.sections:
        show(section, rows[section.name], options)
        if section.name in RESULT_TABLES:
            write_results(options, RESULT_TABLES[section.name], results_of(section, rows[section.name]))
    told = [row for mine in rows.values() for row in mine]
    print(f"\nsuccess: share of the last {EPISODES_OF_GOAL} training episodes that brought a reward, actions sampled;")
    print("s to: from the start of training; load: average of the machine when the run began")
    print("-: not reached, which a median counts as worse than every figure")
    if options.json:
        packages = machine("torch", "gymnasium", "minigrid", "stable-baselines3", "sb3-contrib")
        print_json({"machine": packages, "sections": rows})
    return status or int(any(row["contender"] == OURS and "error" in row for row in told))


if __name__ == "__main__":
    sys.exit(main())
