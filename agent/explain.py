"""`senseweave explain`: which senses a trained policy uses: its gates, and how it does with each sense taken away.

Success alone can hide a lost sense (BabyAI does not punish wrong objects), so returns and lengths stand beside it, and
with `bot` the steps that an expert needs for the same episodes.
"""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ..envs import make
from ..perception.perception import State
from .build import watch_states
from .config import EvaluateConfig
from .episodes import held_out_seed, run_episodes
from .evaluate import close_envs, make_envs, open_run, summary
from .experts import expert_for
from .progress import Progress, tell


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


def explain(config: EvaluateConfig, *, bot: bool = False) -> dict[str, Any]:
    """Evaluates a run with all senses, and with each one removed.

    Args:
        config: what to evaluate; `without` senses are gone in every row.
        bot: compare lengths with the environment's expert (BabyAI's bot, say) on the same episodes.

    Returns:
        What `explain --json` prints.

    Raises:
        SenseweaveError: something that the caller can mend.
    """
    run, policy, steps, env_id, options = open_run(config)
    spec = run.config.spec
    removable = [name for name in spec if name not in config.without]
    ablations: list[tuple[str, ...]] = [(), *((name,) for name in removable)]
    bot_lengths = _bot_lengths(env_id, options, config) if bot else None
    envs = make_envs(env_id, options, config.episodes, config.num_envs, policy.device)
    rows: list[dict[str, Any]] = []
    gates = _GateMean()
    try:
        with Progress(len(ablations) * config.episodes, "episodes") as progress:
            for removed in ablations:
                with contextlib.nullcontext() if removed else watch_states(policy, gates.add):
                    played = run_episodes(
                        policy,
                        envs,
                        config.episodes,
                        seed_set=config.seed,
                        greedy=config.greedy,
                        without=(*config.without, *removed),
                        on_episode=lambda: progress.advance(1),
                    )
                rows.append({"without": [*config.without, *removed]} | summary(played))
                if bot_lengths is not None:
                    rows[-1]["length_over_bot"] = float(played.lengths.mean() / bot_lengths.mean())
    finally:
        close_envs(envs)
    result = {
        "env": env_id,
        "run": str(run.path),
        "trained_steps": steps,
        "episodes": config.episodes,
        "policy": "greedy" if config.greedy else "sampled",
        "gates": gates.mean(),
        "rows": rows,
        "bot_mean_length": None if bot_lengths is None else float(bot_lengths.mean()),
    }
    return result | {"picture": _draw_chart(result, run.path / "explain.png")}


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
    """The result as a table for people."""
    has_bot = result["bot_mean_length"] is not None
    header = f"{'':28}{'success':>8}{'return':>9}{'length':>9}" + (f"{'x bot':>8}" if has_bot else "")
    lines = [f"{result['env']}, {result['episodes']} held-out episodes, {result['policy']} actions", "", header]
    for row in result["rows"]:
        name = f"without {', '.join(row['without'])}" if row["without"] else "all senses"
        success = "-" if row["success_rate"] is None else f"{row['success_rate']:.3f}"
        mean_return = "-" if row["mean_return"] is None else f"{row['mean_return']:.3f}"
        line = f"{name:28}{success:>8}{mean_return:>9}{row['mean_length']:>9.1f}"
        lines.append(line + (f"{row['length_over_bot']:>8.2f}" if has_bot else ""))
    lines += ["", "mean gate of each sense, 0 (shut out) to 1 (let in)"]
    lines += [f"  {name:16}{gate:5.2f}  {'#' * round(40 * gate)}" for name, gate in result["gates"].items()]
    if result["picture"]:
        lines += ["", f"A picture of this is in {result['picture']}."]
    return "\n".join(lines)


def _draw_chart(result: dict[str, Any], path: Path) -> str | None:
    """Gates and returns as bars, where matplotlib is installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(9, 0.5 * len(result["rows"]) + 2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.barh(list(result["gates"]), list(result["gates"].values()), color="#426eb4")
    left.set(xlim=(0, 1), xlabel="mean gate", title="how far each sense is let in")
    left.invert_yaxis()
    names = [f"without {', '.join(row['without'])}" if row["without"] else "all senses" for row in result["rows"]]
    right.barh(names, [row["mean_return"] or 0.0 for row in result["rows"]], color="#d67838")
    right.set(xlabel="mean return", title=f"{result['episodes']} held-out episodes")
    right.invert_yaxis()
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        tell(f"There is no picture: {path} could not be written ({error.strerror or error}).")
        return None
    return str(path)
