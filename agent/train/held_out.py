"""`HeldOutCurve`: how well the policy does in episodes that training never sees, while it imitates.

It plays some, and says what was done in some of the dataset, where it learns from one.

The episodes of imitation are the expert's as well, so that their success says nothing about the policy. Training itself
is not touched: other environments, other seeds, and every random generator is put back.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import torch

from ...policies.policy import SensePolicy
from ...policies.processes import world_size
from ...policies.saving import random_state
from ...policies.training import Training
from ..play.environments import close_envs, make_envs
from ..play.episodes import Episodes, run_episodes
from ..settings.engines import learned_in
from ..settings.train import UNNAMED, TrainConfig
from .held_out_steps import HeldOutSteps
from .metrics import BY_KIND, HELD_OUT, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    import gymnasium

    from ...envs import datasets
    from ...envs.rooms.vector_env import RoomsVectorEnv

EPISODES = 64
SEED_SET = 1
"""The evaluation after training plays set 0."""


@dataclasses.dataclass
class HeldOutCurve:
    """Plays some held-out episodes when it is called, and writes a point of the curve.

    Args:
        config: of the run; without an evaluation at the end there is none on the way either.
        training: whose policy plays.
        episodes: of the dataset that is imitated, held out; None where there are none.

    Attributes:
        of_data: what the newest point says of those.
    """

    config: TrainConfig
    training: Training
    episodes: "datasets.Episodes | None" = None
    of_data: dict[str, float] | None = None
    _steps: HeldOutSteps | None = None
    _envs: "Sequence[gymnasium.Env[Any, Any]] | RoomsVectorEnv | None" = None

    def __call__(self) -> str:
        """One point; "" where there is nothing to measure."""
        config, training = self.config, self.training
        if world_size() > 1 or training.steps > config.plan.imitation:
            return ""
        return ", ".join(part for part in (self._judge_steps(), self._play()) if part)

    def _judge_steps(self) -> str:
        """How well the policy knows what was done in episodes of the dataset that it has not seen."""
        training = self.training
        if self.episodes is None:
            return ""
        if self._steps is None:
            self._steps = HeldOutSteps(self.episodes)
        was_training = training.policy.training
        training.policy.set_training_mode(False)
        try:
            self.of_data = self._steps.figures(cast(SensePolicy, training.policy))
        finally:
            training.policy.set_training_mode(was_training)
        note(
            training.logger,
            training.steps,
            {HELD_OUT[f"held_out_{name}"]: value for name, value in self.of_data.items()},
        )
        name = "agreement" if "agreement" in self.of_data else "log_likelihood"
        return f"held out {name.replace('_', ' ')} {self.of_data[name]:.2f}"

    def _play(self) -> str:
        config, training = self.config, self.training
        episodes = min(EPISODES, config.evaluation_episodes)
        if not episodes or config.env == UNNAMED:
            return ""
        policy, before = training.policy, random_state.capture()
        if self._envs is None:
            self._envs = make_envs(*learned_in(config.env, config.env_options), episodes, None, policy.device)
        was_training = policy.training
        policy.set_training_mode(False)
        try:
            with torch.compiler.set_stance("force_eager"):
                played = run_episodes(policy, self._envs, episodes, seed_set=SEED_SET)
        finally:
            policy.set_training_mode(was_training)
            random_state.restore(*before)
        success, kinds = played.success_rate, played.success_by_kind
        figures = {HELD_OUT["held_out_return"]: float(played.returns.mean())}
        if success is not None:
            figures[HELD_OUT["held_out_success"]] = success
        figures |= {f"{BY_KIND}{kind}": share for kind, share in kinds.items()}
        note(training.logger, training.steps, figures)
        if success is None:
            return f"held out {figures[HELD_OUT['held_out_return']]:.2f}"
        return f"held out {words_of(played, success)}"

    def close(self) -> None:
        """Closes its environments."""
        if self._envs is not None:
            close_envs(self._envs)


def words_of(played: Episodes, success: float) -> str:
    """The success with its interval, and that of each kind where they differ beyond chance."""
    low, high = played.success_interval or (0.0, 1.0)
    kinds = ", ".join(f"{kind} {share:.2f}" for kind, share in played.success_by_kind.items())
    do_differ = any(not difference.is_chance for difference in played.differences_by_kind.values())
    return f"{success:.2f} ({low:.2f} to {high:.2f}{f'; {kinds}' if do_differ else ''})"
