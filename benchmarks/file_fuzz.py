"""Does any file hurt whoever reads it? Thousands of damaged and hostile ones, each read in a process of its own.

    python benchmarks/file_fuzz.py --cases 10000 --rows

Each case takes a sound run directory, perception, checkpoint, saved model, tokenizer or recording, changes it (bits,
lengths, pieces, what sort of file it is, or what it says under checksums that fit) and reads it as the commands do. It
holds where what was read is the same as before, where it is refused in one sentence, or where the damage is told; and,
where a checksum fits, where the file is taken at its word. It fails by a traceback, by 10 s, by 500 MB more memory than
before, or by a difference that nobody is told of.
"""

import argparse
import collections
import dataclasses
import gc
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from parts.fuzz_files import BYTES, special
from parts.fuzz_targets import TARGETS, Target
from parts.result_rows import Result, add_option, write_results
from parts.tables import print_json, print_table, tell

from senseweave.perception.errors import MAX_SENTENCE, SenseweaveError

SECONDS, MEMORY_MB = 10, 500
ROOM_MB = 1500
"""How much address space a case may take beyond what is taken: beyond, it fails for memory at once."""

HELD, FAILED = ("same", "refused", "told", "as it says"), ("traceback", "hang", "memory", "silent")
SHARES = {"bytes": 0.55, "special": 0.15, "hostile": 0.30}
"""How often each sort of mutation is drawn."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One mutation and what came of it.

    Args:
        target: row of the table.
        number: with the seed, it makes the case again.
        what: what was done.
        verdict: in `HELD` or `FAILED`.
        detail: the sentence, or the end of the traceback.
        seconds: of reading.
        memory_mb: the most beyond what the process had.
    """

    target: str
    number: int
    what: str
    verdict: str
    detail: str
    seconds: float = 0.0
    memory_mb: float = 0.0


def run_case(name: str, number: int, seed: int, sound: Path, expected: str, work: Path) -> Case:
    """Mutates a copy, and reads it in a child process."""
    folder = work / f"{name.replace(' ', '-')}-{number}"
    shutil.copytree(sound, folder)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(TARGETS[name], folder, random.Random(f"{seed} {name} {number}"), expected, writing)
    os.close(writing)
    answer, verdict = _wait(child, reading)
    shutil.rmtree(folder, ignore_errors=True)
    told = json.loads(answer) if answer.endswith("}") else {}
    what = str(told.get("what", answer))
    if verdict is not None or "verdict" not in told:
        return Case(name, number, what, verdict or "traceback", "the process ended without an answer")
    return Case(name, number, what, told["verdict"], told["detail"], told["seconds"], told["memory_mb"])


def _wait(child: int, reading: int) -> tuple[str, str | None]:
    """What the child said last, and the verdict where it could not say it."""
    deadline, parts = time.monotonic() + SECONDS + 5, []
    os.set_blocking(reading, False)
    verdict = None
    while True:
        try:
            part = os.read(reading, 65_536)
            parts.append(part)
            if not part:
                break
        except BlockingIOError:
            time.sleep(0.002)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            verdict = "hang"
            break
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if verdict is None and os.WIFSIGNALED(status):
        verdict = "hang" if os.WTERMSIG(status) == signal.SIGALRM else "traceback"
    lines = b"".join(parts).decode("utf-8", "replace").strip().split("\n")
    return lines[-1], verdict


def _be_child(target: Target, folder: Path, draw: random.Random, expected: str, writing: int) -> None:
    """Does one case and ends the process."""
    try:
        sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sort = draw.choices(list(SHARES), list(SHARES.values()))[0]
        if sort == "hostile":
            what = target.hostile(folder, draw)
        else:
            files = sorted({path for form in target.files for path in folder.glob(form) if path.is_file()})
            mutate = special if sort == "special" else draw.choice(BYTES)
            what = mutate(draw.choice(files), draw)
        os.write(writing, json.dumps({"what": what}).encode() + b"\n")
        before_kb = _peak_kb(is_reset=True)
        page = resource.getpagesize()
        taken = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * page
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM_MB * 2**20,) * 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        began = time.monotonic()
        verdict, detail = _read(target, folder, expected, may_differ=sort == "hostile")
        seconds, memory_mb = time.monotonic() - began, (_peak_kb() - before_kb) / 1024
        if verdict in HELD and memory_mb > MEMORY_MB:
            verdict = "memory"
        answer = {"what": what, "verdict": verdict, "detail": detail, "seconds": seconds, "memory_mb": memory_mb}
        os.write(writing, json.dumps(answer).encode() + b"\n")
    except BaseException:
        os.write(writing, json.dumps({"what": traceback.format_exc()[-2000:]}).encode() + b"\n")
        os._exit(1)
    os._exit(0)


def _read(target: Target, folder: Path, expected: str, *, may_differ: bool) -> tuple[str, str]:
    try:
        found = target.read(folder)
    except SenseweaveError as error:
        sentence = str(error)
        is_plain = (
            sentence.strip() and "\n" not in sentence and "\x1b" not in sentence and len(sentence) <= MAX_SENTENCE
        )
        return ("refused", sentence[:300]) if is_plain else ("traceback", f"no one sentence: {sentence!r:.300}")
    except MemoryError:
        return "memory", traceback.format_exc()[-1500:]
    except BaseException:
        return "traceback", traceback.format_exc()[-1500:]
    if found == expected:
        return "same", ""
    if found.startswith("told "):
        return "told", ""
    return ("as it says", "") if may_differ else ("silent", f"{found[:200]} instead of {expected[:200]}")


def _peak_kb(*, is_reset: bool = False) -> int:
    """The most memory that this process has had, since it was reset."""
    if is_reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def campaign(cases: int, seed: int, only: Sequence[str], work: Path) -> list[Case]:
    """Cases of every target in turn; SIGTERM ends it with those that are done."""
    torch.set_num_threads(1)
    names = [name for name in TARGETS if not only or name in only]
    sound, expected = {}, {}
    for name in names:
        sound[name] = work / "sound" / name.replace(" ", "-")
        sound[name].mkdir(parents=True)
        TARGETS[name].make(sound[name])
        expected[name] = TARGETS[name].read(sound[name])
        (sound[name] / "report.html").unlink(missing_ok=True)
    gc.collect()
    gc.freeze()
    done: list[Case] = []
    wants_to_stop = list[int]()
    signal.signal(signal.SIGTERM, lambda number, _: wants_to_stop.append(number))
    for number in range(cases):
        if wants_to_stop:
            break
        name = names[number % len(names)]
        done.append(run_case(name, number, seed, sound[name], expected[name], work))
        if done[-1].verdict in FAILED:
            tell(f"{done[-1].verdict}: {name} {number}: {done[-1].what[:300]}\n    {done[-1].detail}")
        if (number + 1) % 200 == 0:
            tell(f"{number + 1:,} of {cases:,}, {sum(case.verdict in FAILED for case in done)} failed")
    return done


def results(done: Sequence[Case]) -> list[Result]:
    """A row for each target, and one for all."""
    rows = []
    for name in [*dict.fromkeys(case.target for case in done), "all together"]:
        own = [case for case in done if name in (case.target, "all together")]
        counts = collections.Counter(case.verdict for case in own)
        figures = {"cases": len(own), "held": sum(counts[verdict] for verdict in HELD)}
        figures |= {verdict: counts[verdict] for verdict in (*HELD, *FAILED)}
        figures |= {"longest s": max(case.seconds for case in own), "most MB": max(case.memory_mb for case in own)}
        rows.append(Result(name, {column: [value] for column, value in figures.items()}))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the campaign; the exit status is 1 where a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=list(TARGETS), default=[])
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--quick", action="store_true", help="60 cases")
    add_option(parser)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as work:
        done = campaign(60 if options.quick else options.cases, options.seed, options.only, Path(work))
    rows = results(done)
    columns = list(rows[0].figures)
    table = [[row.what, *(f"{row.figures[column][0]:g}" for column in columns)] for row in rows]
    print_table("Files that are damaged or hostile", ["", *columns], table)
    write_results(options, "file-fuzz", rows)
    failed = [dataclasses.asdict(case) for case in done if case.verdict in FAILED]
    if options.json:
        print_json({"cases": len(done), "failed": failed})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
