"""A script, not a test: checks the absence contract on exported perceptions, in a process without the shape hook.

    python tests/contracts/absence/exported.py FOLDER SENSES RUNNER FUSION...

SENSES are names with commas, RUNNER is one of kit.runners, or one of the faulty ones here. It prints what is wrong, one
fault a line, and exits with 1 if anything is; with --json a row for each case.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import torch  # noqa: E402

from kit.absence_cases import perception_of  # noqa: E402
from kit.exported_contract import checked  # noqa: E402
from kit.runners import RUNNERS, Perceive, eager  # noqa: E402
from senseweave.perception import Perception  # noqa: E402


def leaky(perception: Perception, folder: pathlib.Path) -> Perceive:
    """Faulty on purpose: absent content comes through, a little."""
    inner = eager(perception, folder)

    def perceive(obs):
        state = inner(obs)
        return state._replace(embedding=state.embedding + 1e-30 * obs["vector"].nan_to_num().sum(dim=1, keepdim=True))

    return perceive


def rounded(perception: Perception, folder: pathlib.Path) -> Perceive:
    """Faulty on purpose: rounds to bfloat16."""
    inner = eager(perception, folder)

    def perceive(obs):
        state = inner(obs)
        return state._replace(embedding=state.embedding.bfloat16().float())

    return perceive


FAULTY = {"leaky": leaky, "rounded": rounded}


def rows_of(folder: pathlib.Path, senses: tuple[str, ...], runner: str, fusion: str) -> list[dict]:
    """One row for each case of a fusion."""
    perception = perception_of(fusion, senses, 0).eval()
    run = (RUNNERS | FAULTY)[runner](perception, folder / fusion)
    figures = checked(run, eager(perception, folder), senses)
    return [{"fusion": fusion, **case._asdict()} for case in figures]


if __name__ == "__main__":
    torch.set_num_threads(1)
    arguments = [word for word in sys.argv[1:] if word != "--json"]
    folder, senses, runner, *fusions = arguments
    rows = [
        row for fusion in fusions for row in rows_of(pathlib.Path(folder), tuple(senses.split(",")), runner, fusion)
    ]
    if "--json" in sys.argv:
        print(json.dumps(rows))
    faults = [f"{row['fusion']}, {row['case']}: {fault}" for row in rows for fault in row["wrong"]]
    print("\n".join(faults), file=sys.stderr)
    sys.exit(bool(faults))
