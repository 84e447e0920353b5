"""`senseweave explain`: which senses a trained policy uses: it plays with every subset of them, and a page shows why.

Success alone can hide a lost sense (BabyAI does not punish wrong objects), so the choices themselves are compared too,
returns and lengths stand beside it, and with `bot` the steps that an expert needs for the same episodes.
"""

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.policies import ActorCriticPolicy

from ...envs import make
from ...envs.rooms.render.canvas import FAINT
from ...perception.errors import CheckpointError, ConfigError, MissingExtraError, SenseweaveError
from ...perception.files import write_atomically
from ...perception.perception import State
from ...policies.extractor import watch_states
from ..evaluate.evaluate import success_difference, summary
from ..play.chance import told as told_difference
from ..play.environments import close_envs, make_envs
from ..play.episodes import Episodes, held_out_seed, run_episodes
from ..play.experts import expert_for
from ..runs.directory import RunDirectory
from ..runs.policies import open_run
from ..runs.present import place_for_outputs
from ..settings.evaluate import EvaluateConfig
from ..show.palette import hexadecimal, sense_colours
from ..show.plots import plot
from ..terminal.progress import Progress, tell
from .choice_values import attribute, choice_values
from .decisions import WHOLE_EPISODES, DecisionLog
from .page import page
from .policy_head import PolicyHead
from .scenes import ShownEpisode, show_episode
from .shapley import Estimate, Subset, estimate, require_few, subsets
from .verdict import headline, judge_senses, warnings_of

ATTRIBUTED = 128
"""Decisions whose integrated gradients are averaged."""


@dataclasses.dataclass
class _GateMean:
    """The mean gate of each sense over everything that was seen."""

    total: dict[str, float] = dataclasses.field(default_factory=dict)
    count: int = 0

    def add(self, state: State) -> None:
        self.count += len(state.embedding)
        for name, gate in state.gates.items():
            self.total[name] = self.total.get(name, 0.0) + float(gate.sum())

    def mean(self) -> dict[str, float]:
        return {name: total / max(1, self.count) for name, total in self.total.items()}


def explain(config: EvaluateConfig, *, bot: bool = False, report: str | None = None) -> dict[str, Any]:
    """Evaluates a run with every subset of its senses, and takes its choices apart.

    Args:
        config: what to evaluate; `without` senses are gone everywhere.
        bot: compare lengths with the environment's expert (BabyAI's bot, say) on the same episodes.
        report: the page's file; None takes explain.html in the run directory.

    Returns:
        What `explain --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix.
    """
    if config.episodes < 2:
        raise ConfigError(f"`episodes` must be at least 2 to tell a sense's part from chance; got {config.episodes}.")
    path = None if report is None else _require_report(Path(report))
    run, policy, steps, env_id, options = open_run(config)
    if not isinstance(run, RunDirectory) or not isinstance(policy, ActorCriticPolicy):
        raise ConfigError(f"`explain` looks into the networks, which {run.path} no longer has; give the run itself.")
    names = [name for name in run.config.spec if name not in config.without]
    require_few(names)
    bot_lengths = _bot_lengths(env_id, options, config) if bot else None
    log, gates = DecisionLog(config.episodes, config.seed), _GateMean()
    envs = make_envs(env_id, options, config.episodes, config.num_envs, policy.device)
    played: dict[Subset, Episodes] = {}
    try:
        with Progress(2 ** len(names) * config.episodes, "episodes") as progress:
            for subset in reversed(subsets(names)):
                has_all = len(subset) == len(names)
                with watch_states(policy, gates.add) if has_all else contextlib.nullcontext():
                    played[subset] = run_episodes(
                        policy,
                        envs,
                        config.episodes,
                        seed_set=config.seed,
                        greedy=config.greedy,
                        without=(*config.without, *(name for name in names if name not in subset)),
                        on_episode=lambda: progress.advance(1),
                        on_choice=log.note if has_all else None,
                    )
    finally:
        close_envs(envs)
    measure, results = _results(played)
    rows = {subset: _row(config, names, subset, played, bot_lengths) for subset in played}
    head = PolicyHead(policy)
    choices = choice_values(head, log.drawn(), names)
    estimates = {
        "results": estimate(results, names, seed=config.seed),
        "choices": estimate(choices.divergence, names, seed=config.seed),
        "log_probability": estimate(choices.log_probability, names, seed=config.seed),
    }
    attributed = log.one_each(ATTRIBUTED)
    attribution, usual = attribute(head, attributed)
    shares = {name: float(attribution.absolute[name].mean()) for name in names}
    verdicts = judge_senses(estimates["results"], estimates["choices"], measure)
    everything = frozenset(names)
    result = {
        "env": env_id,
        "run": str(run.path),
        "trained_steps": steps,
        "episodes": config.episodes,
        "policy": "greedy" if config.greedy else "sampled",
        "gates": gates.mean(),
        "rows": [_plain_row(rows[subset]) for subset in [everything, *_one_removed(names)] if subset in rows],
        "bot_mean_length": None if bot_lengths is None else float(bot_lengths.mean()),
        "removed": list(config.without),
        "verdict": headline(verdicts),
        "senses": {verdict.name: verdict.use for verdict in verdicts},
        "warnings": warnings_of(verdicts),
        "subsets": list(rows.values()),
        "shapley": {"measure": measure, "decisions": choices.decisions}
        | {kind: {name: _plain(part) for name, part in parts.items()} for kind, parts in estimates.items()},
        "attributions": {
            "decisions": len(attributed),
            "largest_gap": float(attribution.gap.abs().max()),
            "senses": {
                name: {
                    "absolute": size,
                    "share": size / max(sum(shares.values()), 1e-12),
                    "signed": float(attribution.signed[name].mean()),
                }
                for name, size in shares.items()
            },
        },
    }
    shown = _shown_episode(head, log, played[everything], usual, run.config.action_names)
    result["report"] = _write_report(
        path, place_for_outputs(config.run) / "explain.html", page(result, verdicts, estimates, shown)
    )
    return result | {"picture": _draw_chart(result, place_for_outputs(config.run) / "explain.png")}


def _require_report(path: Path) -> Path:
    """Checks that a page can be written there, before anything is played.

    Raises:
        ConfigError: it cannot.
    """
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"A report cannot be written to {path}; choose a file in a folder that exists.")
    return path


def _write_report(asked: Path | None, usual: Path, content: str) -> str | None:
    """Writes the page; where nobody asked for a place, a folder that cannot be written is told and no more.

    Raises:
        CheckpointError: the place that was asked for cannot be written.
    """
    try:
        write_atomically(asked or usual, content.encode())
    except CheckpointError as error:
        if asked is not None:
            raise
        tell(f"There is no report: {error}")
        return None
    return str(asked or usual)


def _results(played: Mapping[Subset, Episodes]) -> tuple[str, dict[Subset, np.ndarray]]:
    """What the senses are measured by, and each episode's value: success, or the return where that is not defined."""
    if all(success is not None for episodes in played.values() for success in episodes.successes):
        return "success", {subset: np.array(part.successes, np.float64) for subset, part in played.items()}
    return "return", {subset: part.returns for subset, part in played.items()}


def _one_removed(names: list[str]) -> list[Subset]:
    return [frozenset(names) - {name} for name in names]


def _row(
    config: EvaluateConfig,
    names: list[str],
    subset: Subset,
    played: Mapping[Subset, Episodes],
    bot_lengths: np.ndarray | None,
) -> dict[str, Any]:
    """One subset's figures, as plain JSON values; `difference` is that from all senses, None for all of them."""
    part, everything = played[subset], played[frozenset(names)]
    difference = None if part is everything else success_difference(part, everything)
    row: dict[str, Any] = {
        "senses": [name for name in names if name in subset],
        "without": [*config.without, *(name for name in names if name not in subset)],
    }
    row |= summary(part) | {"difference": difference and difference.plain()}
    if bot_lengths is not None:
        row["length_over_bot"] = float(part.lengths.mean() / bot_lengths.mean())
    return row


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "senses"}


def _plain(part: Estimate) -> dict[str, Any]:
    return {"value": part.value, "standard_error": part.standard_error, "interval": list(part.interval)}


def _shown_episode(
    head: PolicyHead, log: DecisionLog, played: Episodes, usual: Any, action_names: tuple[str, ...]
) -> ShownEpisode | None:
    """The longest success among the episodes that were kept, or the first of them; None where nothing can be drawn."""
    won = [number for number in range(min(WHOLE_EPISODES, len(played.lengths))) if played.successes[number]]
    number = max(won, key=lambda number: played.lengths[number], default=0)
    try:
        return show_episode(
            head,
            log.whole(number),
            usual,
            action_names,
            is_success=played.successes[number],
            steps=int(played.lengths[number]),
        )
    except SenseweaveError as error:
        tell(f"The report has no pictures: {error}")
        return None


def _bot_lengths(env_id: str, options: dict[str, Any], config: EvaluateConfig) -> np.ndarray:
    """Steps that the expert needs for each episode."""
    env = make(env_id, **options)
    try:
        expert, lengths = expert_for(env, env_id), np.zeros(config.episodes)
        for episode in range(config.episodes):
            env.reset(seed=held_out_seed(config.seed, episode))
            expert.start()
            is_over = False
            while not is_over:
                _, _, terminated, truncated, _ = env.step(expert.act())
                is_over = terminated or truncated
                lengths[episode] += 1
        return lengths
    finally:
        env.close()


def as_text(result: dict[str, Any]) -> str:
    """The result as tables for people."""
    has_bot = result["bot_mean_length"] is not None
    names = [_told(row["senses"], result["subsets"][0]["senses"]) for row in result["subsets"]]
    width = max(16, *map(len, names)) + 2
    header = f"{'':{width}}{'success':>8}{'95 %':>16}{'return':>9}{'length':>9}" + (f"{'x bot':>8}" if has_bot else "")
    has_success = all(row["success_rate"] is not None for row in result["subsets"])
    header += "  less all senses" if has_success else ""
    lines = [f"{result['env']}, {result['episodes']} held-out episodes, {result['policy']} actions", ""]
    lines += [result["verdict"], *(f"Warning: {warning}" for warning in result["warnings"]), "", header]
    for name, row in zip(names, result["subsets"], strict=True):
        success, interval = "-", "-"
        if row["success_rate"] is not None:
            success = f"{row['success_rate']:.3f}"
            interval = "{:.3f} to {:.3f}".format(*row["success_interval"])
        mean_return = "-" if row["mean_return"] is None else f"{row['mean_return']:.3f}"
        line = f"{name:{width}}{success:>8}{interval:>16}{mean_return:>9}{row['mean_length']:>9.1f}"
        line += f"{row['length_over_bot']:>8.2f}" if has_bot else ""
        lines.append(line if row["difference"] is None else f"{line}  {told_difference(row['difference'])}")
    shapley = result["shapley"]
    lines += ["", f"Shapley values {'':9}on {shapley['measure']:14}on the choices, in nats"]
    for name, part in shapley["results"].items():
        choice = shapley["choices"][name]
        lines.append(f"  {name:20}  {_with_error(part):17}{_with_error(choice)}")
    lines += ["", "mean gate of each sense, 0 (shut out) to 1 (let in)"]
    lines += [f"  {name:16}{gate:5.2f}  {'#' * round(40 * gate)}" for name, gate in result["gates"].items()]
    if result["report"]:
        lines += ["", f"What it looked at, and what moved it: {result['report']}"]
    return "\n".join(lines)


def _told(senses: list[str], everything: list[str]) -> str:
    """What a subset is called."""
    gone = [name for name in everything if name not in senses]
    if not gone:
        return "all senses"
    return f"without {gone[0]}" if len(gone) == 1 else " + ".join(senses) or "none"


def _with_error(part: dict[str, Any]) -> str:
    error = part["standard_error"]
    return f"{part['value']:+.3f}" + (f" ± {error:.3f}" if np.isfinite(error) else "")


def _draw_chart(result: dict[str, Any], path: Path) -> str | None:
    """Gates and returns as bars, where matplotlib is installed."""
    names = [f"without {', '.join(row['without'])}" if row["without"] else "all senses" for row in result["rows"]]
    colours, gates = sense_colours(result["gates"]), result["gates"]
    try:
        with plot(path, 9, 0.5 * len(names) + 2, columns=2) as (left, right):
            left.barh(list(gates), list(gates.values()), color=[hexadecimal(colours[name]) for name in gates])
            left.set(xlim=(0, 1), xlabel="mean gate", title="how far each sense is let in")
            right.barh(names, [row["mean_return"] or 0.0 for row in result["rows"]], color=hexadecimal(FAINT))
            right.set(xlabel="mean return", title=f"{result['episodes']} held-out episodes")
            for axes in (left, right):
                axes.invert_yaxis()
                axes.grid(axis="y", visible=False)
    except MissingExtraError:
        return None
    except OSError as error:
        tell(f"There is no picture: {path} could not be written ({error.strerror or error}).")
        return None
    return str(path)
