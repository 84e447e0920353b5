"""`senseweave evaluate`: how well a policy does on held-out seeds, sampled and greedy, with or without some senses."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.policies import BasePolicy

from ...policies.export import ExportedPolicy
from ...policies.heads import senses_of
from ..play.chance import Difference, paired_difference, told
from ..play.environments import close_envs, make_envs
from ..play.episodes import Episodes, held_out_seed, run_episodes
from ..runs.policies import open_run
from ..settings.evaluate import EvaluateConfig
from ..show.video import try_to_record
from ..terminal.progress import Progress


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Evaluates a run.

    Returns:
        What `evaluate --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix.
    """
    run, policy, steps, env_id, options = open_run(config)
    result = evaluate_policy(
        policy,
        env_id,
        options,
        episodes=config.episodes,
        seed_set=config.seed,
        greedy=config.greedy,
        without=config.without,
        num_envs=config.num_envs,
    )
    result |= {"run": str(run.path), "trained_steps": steps, "video": None}
    if config.video is not None:
        result["video"] = try_to_record(
            policy,
            env_id,
            options,
            Path(config.video),
            seed_set=config.seed,
            greedy=config.greedy,
            without=config.without,
        )
    return result


def evaluate_policy(
    policy: BasePolicy | ExportedPolicy,
    env_id: str,
    options: dict[str, Any],
    *,
    episodes: int,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
    num_envs: int | None = None,
) -> dict[str, Any]:
    """Plays the same held-out episodes twice, with sampled and with greedy actions.

    Returns:
        Plain JSON values; `success_rate`, `mean_return` and `mean_length` are those of the sampled policy, or of the
        greedy one where `greedy` is True. `sampled_minus_greedy` compares the two, episode by episode; None where
        success is not defined.
    """
    envs = make_envs(env_id, options, episodes, num_envs, policy.device)
    policy.set_training_mode(False)
    try:
        with Progress(2 * episodes, "episodes") as progress:
            played = {
                name: run_episodes(
                    policy,
                    envs,
                    episodes,
                    seed_set=seed_set,
                    greedy=name == "greedy",
                    without=without,
                    on_episode=lambda: progress.advance(1),
                )
                for name in ("sampled", "greedy")
            }
    finally:
        close_envs(envs)
    steps = sum(int(part.lengths.sum()) for part in played.values())
    seconds = sum(part.seconds for part in played.values())
    result: dict[str, Any] = {
        "env": env_id,
        "steps": steps,
        "seconds": round(seconds, 3),
        "steps_per_second": round(steps / max(seconds, 1e-9), 1),
        "episodes": episodes,
        "policy": "greedy" if greedy else "sampled",
        "without": list(without),
        "first_seed": held_out_seed(seed_set, 0),
    }
    result |= summary(played[result["policy"]])
    for name, part in played.items():
        result |= {f"{name}_{key}": value for key, value in summary(part).items()}
    difference = success_difference(played["sampled"], played["greedy"])
    return result | {"sampled_minus_greedy": difference and difference.plain()}


def success_difference(first: Episodes, second: Episodes) -> Difference | None:
    """How much more often the first succeed than the second, the same episodes; None where success is not defined."""
    pairs = [pair for pair in zip(first.successes, second.successes, strict=True) if None not in pair]
    return paired_difference(*([bool(won) for won in part] for part in zip(*pairs, strict=True))) if pairs else None


MAX_WITHOUT = 128
"""Episodes that are played without each sense after training, at most."""


def evaluate_without_each(
    policy: BasePolicy, env_id: str, options: dict[str, Any], episodes: int
) -> dict[str, dict[str, Any]]:
    """What is left of the success, sampled, where one sense is gone for whole episodes: which of them matter.

    Returns:
        Sense -> "success_rate", "success_interval", "episodes", and "difference" from all senses in the same episodes;
        {} where there are not two senses, or no success.
    """
    episodes = min(episodes, MAX_WITHOUT)
    envs = make_envs(env_id, options, episodes, None, policy.device)
    names = tuple(senses_of(policy) or {})
    policy.set_training_mode(False)
    try:
        if len(names) < 2 or (everything := run_episodes(policy, envs, episodes)).success_interval is None:
            return {}
        played = {name: run_episodes(policy, envs, episodes, without=[name]) for name in names}
    finally:
        close_envs(envs)
    rows = {}
    for name, part in played.items():
        interval, difference = part.success_interval, success_difference(part, everything)
        if interval is not None and difference is not None:
            rows[name] = {"success_rate": part.success_rate, "success_interval": list(interval), "episodes": episodes}
            rows[name]["difference"] = difference.plain()
    return rows


def summary(played: Episodes) -> dict[str, Any]:
    """The figures of some episodes, as plain JSON values."""
    spread = float(np.std(played.returns, ddof=1)) if len(played.returns) > 1 else math.nan
    return {
        "success_rate": played.success_rate,
        "success_interval": played.success_interval and list(played.success_interval),
        "mean_return": finite_or_none(float(played.returns.mean())),
        "return_standard_error": finite_or_none(spread / math.sqrt(len(played.returns))),
        "mean_length": float(played.lengths.mean()),
        "success_by_kind": played.success_by_kind,
        "interval_by_kind": {kind: list(interval) for kind, interval in played.interval_by_kind.items()},
        "differences_by_kind": {kind: part.plain() for kind, part in played.differences_by_kind.items()},
    } | played.searches


def as_text(result: dict[str, Any]) -> str:
    """An evaluation for people: one line for each way to act."""
    lines = [f"{result['env']}, {result['episodes']} held-out episodes from seed {result['first_seed']:,}"]
    if result["without"]:
        lines[0] += f", without {' and '.join(result['without'])}"
    for name in ("sampled", "greedy"):
        rate, interval = result[f"{name}_success_rate"], result[f"{name}_success_interval"]
        success = "not defined here" if rate is None else f"{rate:.3f} (95 %: {interval[0]:.3f} to {interval[1]:.3f})"
        mean_return = result[f"{name}_mean_return"]
        earned = "not finite" if mean_return is None else f"{mean_return:.3f}"
        lines.append(f"  {name:8}success {success}   return {earned}   length {result[f'{name}_mean_length']:.1f}")
        lines += [f"  {'':8}{line}" for line in _details(result, name)]
    if result.get("sampled_minus_greedy"):
        lines.append(f"  sampled less greedy: {told(result['sampled_minus_greedy'])}")
    for sense, row in (result.get("without_each") or {}).items():
        success = f"success {_share(row['success_rate'], row['success_interval'])}, sampled"
        lines.append(f"  without {sense}: {success}; less all senses: {told(row['difference'])}")
    return "\n".join(lines)


def _share(share: float, interval: Sequence[float]) -> str:
    return f"{share:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _details(result: dict[str, Any], name: str) -> list[str]:
    """What the success is made of, and where the failures come from: nothing found, or what was found not used."""
    kinds = result.get(f"{name}_success_by_kind") or {}
    intervals, differences = (result.get(f"{name}_{key}_by_kind") or {} for key in ("interval", "differences"))
    share, steps = result.get(f"{name}_failures_that_saw_it"), result.get(f"{name}_steps_from_sight")
    lines = []
    if len(kinds) > 1:
        lines.append(", ".join(f"told by {kind} {_share(part, intervals[kind])}" for kind, part in kinds.items()))
        other = list(kinds)[1] if len(kinds) == 2 else "the others"
        lines += [f"{kind} less {other}: {told(part)}" for kind, part in differences.items()]
    parts = [] if steps is None else [f"from first sight of the target to the end: {steps:.0f} steps (median)"]
    parts += [] if share is None else [f"it was in view in {100 * share:.0f} % of the failures"]
    return lines + (["; ".join(parts)] if parts else [])


def finite_or_none(value: float) -> float | None:
    """A number for JSON, which has neither NaN nor infinity."""
    return value if math.isfinite(value) else None
