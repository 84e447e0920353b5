"""Does the absence contract hold in exported files? Every fusion, every subset of six senses, all sorts of content.

    python benchmarks/exported_contract.py              13 fusions in onnxruntime: 5 to 10 minutes on one core
    python benchmarks/exported_contract.py --runner "exported torch"

A row for each fusion: how many states were looked at, the largest difference from torch where something is here (in
parts of the largest number of torch's states), and how often a law was broken. The networks are small, and each of
their numbers was moved at random, so that no gate is shut. tests/kit/exported_contract.py has the laws.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from parts.result_rows import Result, add_option, write_results
from parts.tables import print_json, print_table, tell

from senseweave.perception import FUSIONS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from kit.absence_cases import KINDS, perception_of  # noqa: E402
from kit.exported_contract import Figures, checked  # noqa: E402
from kit.runners import RUNNERS, eager  # noqa: E402

QUICK_SENSES = ("instruction", "vector")


def figures_of(fusion: str, senses: tuple[str, ...], runner: str) -> list[Figures]:
    """All cases of one fusion."""
    perception = perception_of(fusion, senses, 0).eval()
    with tempfile.TemporaryDirectory() as folder:
        run = RUNNERS[runner](perception, Path(folder))
        return checked(run, eager(perception, Path(folder)), senses)


def main() -> None:
    """Checks, prints, writes rows; exits with 1 where a law is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fusions", nargs="*", default=sorted(FUSIONS), help="all of them by default")
    parser.add_argument("--runner", default="onnxruntime", choices=[name for name in RUNNERS if name != "eager"])
    parser.add_argument("--quick", action="store_true", help="two senses and two fusions: a smoke test")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    senses = QUICK_SENSES if options.quick else tuple(KINDS)
    fusions = options.fusions[:2] if options.quick else options.fusions
    rows, results = [], []
    for fusion in fusions:
        tell(f"{fusion} in {options.runner}")
        cases = figures_of(fusion, senses, options.runner)
        wrong = [f"{case.case}: {fault}" for case in cases for fault in case.wrong]
        row = {
            "fusion": fusion,
            "states": len(cases) * 2 ** len(senses),
            "largest": max(case.largest for case in cases),
            "wrong": wrong,
            "cases": {case.case: case.largest for case in cases},
        }
        rows.append(row)
        figures = {"states": [row["states"]], "from torch, 1e-6": [1e6 * row["largest"]], "wrong": [len(wrong)]}
        results.append(Result(f"{fusion}, {options.runner}", figures))
        write_results(options, "exported-contract", results)
        for fault in wrong:
            tell(f"  {fault}")
    print_table(
        f"the absence contract in {options.runner}, {len(senses)} senses",
        ["fusion", "states", "largest difference from torch", "wrong"],
        [[row["fusion"], f"{row['states']:,}", f"{row['largest']:.1e}", str(len(row["wrong"]))] for row in rows],
    )
    if options.json:
        print_json({"runner": options.runner, "rows": rows})
    sys.exit(any(row["wrong"] for row in rows))


if __name__ == "__main__":
    main()
