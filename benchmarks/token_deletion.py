"""Do attention maps and integrated gradients point at what decides? Tokens they rank first are taken away.

    python benchmarks/token_deletion.py runs/seek0 runs/seek1 runs/seek2

A policy plays held-out rooms; one decision of each episode is looked at again. For every sense the tokens that count
(patches of a frame, pieces of a sound, words) are ranked by attention, by the size of their integrated gradients, and
by chance, and the first of them are taken away: the more what the policy would do changes (the Kullback-Leibler
divergence of its actions), the better the ranking knew what decided. A ratio of 1 is chance.

b decisions, n tokens
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from parts.result_rows import Result, add_option, write_results
from parts.tables import machine, print_json, print_markdown, print_table, tell
from torch import Tensor

from senseweave.agent.explain.choice_values import attribute
from senseweave.agent.explain.decisions import Decision, DecisionLog
from senseweave.agent.explain.policy_head import PolicyHead, divergence
from senseweave.agent.play.environments import close_envs, make_envs
from senseweave.agent.play.episodes import run_episodes
from senseweave.agent.runs.policies import open_run
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.perception.tokens import TokenGroup

SHARES = (1 / 16, 1 / 8, 1 / 4)
"""Of the tokens that count in a decision; one at least is taken, and one at least is left where there are two."""
DRAWS = 8
"""Random rankings, of which the mean is taken."""
BATCH = 256
Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, one for each seed")
    parser.add_argument("--episodes", type=int, default=512, help="held-out episodes, one decision each (default: 512)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    if options.episodes < 1:
        parser.error(f"--episodes must be at least 1; got {options.episodes}")
    return options


def decisions_of(run: Path, episodes: int) -> tuple[PolicyHead, list[Decision]]:
    """The policy, and one decision of each episode."""
    _, policy, _, env_id, options = open_run(EvaluateConfig(str(run), episodes=episodes))
    log = DecisionLog(episodes)
    envs = make_envs(env_id, options, episodes, None, policy.device)
    try:
        run_episodes(policy, envs, episodes, on_choice=log.note)
    finally:
        close_envs(envs)
    return PolicyHead(policy), log.one_each(episodes)


def without_first(group: TokenGroup, ranking: Tensor, share: float) -> TokenGroup:
    """The group without its highest ranked tokens, (b, n)."""
    counts = group.mask.sum(dim=1, keepdim=True)
    taken = (counts * share).round().clamp(min=1).minimum((counts - 1).clamp(min=1))
    place = ranking.masked_fill(~group.mask, -torch.inf).argsort(dim=1, descending=True).argsort(dim=1)
    return group._replace(mask=group.mask & (place >= taken))


@torch.no_grad()
def changes(head: PolicyHead, decisions: list[Decision], rank: Callable[[str, Tensor, int], Tensor]) -> Row:
    """By sense and share, how far the choice moves, in nats, averaged.

    Args:
        head: of the policy.
        decisions: to judge.
        rank: gives from a sense, its mask, and the first decision's number the ranks of its tokens, (b, n).
    """
    found: dict[str, dict[str, list[Tensor]]] = {}
    for first in range(0, len(decisions), BATCH):
        perceived = head.perceive(decisions[first : first + BATCH])
        whole = head.distribution(perceived, perceived.groups)
        for name, group in perceived.groups.items():
            ranking = rank(name, group.mask, first)
            for share in SHARES:
                left = perceived.groups | {name: without_first(group, ranking, share)}
                far = divergence(whole, head.distribution(perceived, left))
                found.setdefault(name, {}).setdefault(f"{share:.4f}", []).append(far)
    return {
        name: {share: float(torch.cat(parts).mean()) for share, parts in by_share.items()}
        for name, by_share in found.items()
    }


def measure(run: Path, episodes: int) -> Row:
    """How far the choices of one run move for each ranking."""
    tell(f"{run}")
    head, decisions = decisions_of(run, episodes)
    attribution, _ = attribute(head, decisions)
    with torch.no_grad():
        maps = [head.fuse(head.perceive(decisions[i : i + BATCH]).groups).attention for i in range(0, episodes, BATCH)]

    def by_attention(name: str, mask: Tensor, first: int) -> Tensor:
        return maps[first // BATCH][name].mean(dim=1)

    def by_gradients(name: str, mask: Tensor, first: int) -> Tensor:
        return attribution.tokens[name][first : first + len(mask)].abs()

    generator = torch.Generator().manual_seed(0)
    chance = [
        changes(head, decisions, lambda name, mask, first: torch.rand(mask.shape, generator=generator).to(mask.device))
        for _ in range(DRAWS)
    ]
    mean = {
        name: {share: statistics.mean(draw[name][share] for draw in chance) for share in chance[0][name]}
        for name in chance[0]
    }
    kinds = {"attention": changes(head, decisions, by_attention), "gradients": changes(head, decisions, by_gradients)}
    return {"run": str(run), "chance": mean} | kinds


def results_of(rows: list[Row]) -> list[Result]:
    """The rows of docs/results.md."""
    results = []
    for name, by_share in rows[0]["chance"].items():
        for share in by_share:
            far = {kind: [row[kind][name][share] for row in rows] for kind in ("chance", "attention", "gradients")}
            chance = [max(value, 1e-9) for value in far["chance"]]
            ratios = {
                f"x chance, {kind}": [mine / by_chance for mine, by_chance in zip(far[kind], chance, strict=True)]
                for kind in ("attention", "gradients")
            }
            figures = {"chance": far["chance"], "attention": far["attention"], "integrated gradients": far["gradients"]}
            results.append(Result(f"{name}, 1/{1 / float(share):.0f} of its tokens", figures | ratios))
    return results


def show(rows: list[Row], options: argparse.Namespace) -> None:
    """One line for each sense and share: the medians over the runs, and every run's ratio."""
    table = []
    for name, by_share in rows[0]["chance"].items():
        for share in by_share:
            chance = [max(row["chance"][name][share], 1e-9) for row in rows]
            cells = [format(statistics.median(chance), ".3f")]
            for kind in ("attention", "gradients"):
                far = [row[kind][name][share] for row in rows]
                ratios = " ".join(format(one / by_chance, ".1f") for one, by_chance in zip(far, chance, strict=True))
                cells += [format(statistics.median(far), ".3f"), ratios]
            table.append([name, f"1/{1 / float(share):.0f}", *cells])
    title = f"how far the choice moves without the tokens ranked first, in nats, {options.episodes} held-out decisions"
    columns = ["sense", "taken", "chance", "attention", "x chance, each run", "integrated gradients", "x chance, each"]
    (print_markdown if options.markdown else print_table)(title, columns, table)


def main() -> int:
    """Looks at every run and prints the table."""
    options = parse()
    for run in options.runs:
        if not (run / "config.json").exists():
            sys.exit(f"{run} is not a run directory; make one with senseweave train")
    rows = [measure(run, options.episodes) for run in options.runs]
    show(rows, options)
    write_results(options, "token-deletion", results_of(rows))
    if options.json:
        print_json({"machine": machine("torch", "stable-baselines3", "gymnasium"), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
