"""Recipes: plain functions, each of which returns the whole configuration of a known job.

`senseweave train --recipe NAME` takes one of `RECIPES`; options that are given change it; config.json names it. Plain
data, and nothing heavy is imported here. A recipe of your own is a function like these and a line in the table, or
`RECIPES.register("mine", mine)`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ..perception.registry import Registry
from .presets import EXPERT_ALONE, MEMORY_PRESET, ImitationSettings, PPOPreset, disturbed_in_sequences
from .trainer import TRAINERS


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a training is started with.

    The fields are those of `senseweave train`'s settings, by their names, with its defaults; `ppo` and `imitation`
    belong to the recipe alone.

    Args:
        env: the environment's id.
        env_options: its options.
        trainer: a name in `TRAINERS`.
        memory: a name in `MEMORIES`.
        imitation_steps: environment steps that imitate the environment's expert, before reinforcement learning.
        steps: environment steps of reinforcement learning.
        num_envs: environments side by side.
        modality_dropout: fraction of the training episodes in which a sense is missing, each by itself, 0..1.
        learning_rate: of reinforcement learning at the start; None takes that of `ppo`.
        auxiliary: name in `AUXILIARIES` -> weight of a loss beside the trainer's.
        ppo: how PPO learns; None takes the trainer's own settings, which depend on the memory.
        imitation: how the expert is imitated; None takes the trainer's own settings.
    """

    env: str = "senseweave/Seek-v0"
    env_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    trainer: str = "senseweave"
    memory: str = "none"
    imitation_steps: int = 0
    steps: int = 300_000
    num_envs: int = 16
    modality_dropout: float = 0.0
    learning_rate: float | None = None
    auxiliary: dict[str, float] = dataclasses.field(default_factory=dict)
    ppo: PPOPreset | None = None
    imitation: ImitationSettings | None = None


def seek() -> Recipe:
    """Seek what is seen or heard, as told: the main job, and what a bare `senseweave train` does.

    The disturbed expert is imitated first, and PPO goes on from there. docs/results.md has what that reaches.
    """
    return Recipe(
        env="senseweave/Seek-v0",
        imitation_steps=600_000,
        steps=150_000,
        num_envs=64,
        modality_dropout=0.05,  # 0.1 cost 2 %: without the deciding sense nobody can tell what the expert will do
        learning_rate=1e-4,  # a tenth of PPO's usual rate, as it goes on from what was imitated
        imitation=EXPERT_ALONE,
        ppo=PPOPreset(n_steps=128),  # after imitation long rollouts matter: with a quarter Seek was unlearned again
    )


def seek_spoken() -> Recipe:
    """Seek what a voice asked for in the first seconds; it is never written, so the policy has to remember it."""
    return Recipe(
        env="senseweave/SeekSpoken-v0",
        memory="looking_gru",
        imitation_steps=1_500_000,
        steps=300_000,
        num_envs=64,
        learning_rate=3e-4,
        auxiliary={"mission": 0.5},  # the simulator says which instruction it was
    )


def babyai(level: str = "GoToLocal") -> Recipe:
    """A level of BabyAI in its batched twin: the honest expert is imitated with a memory, and PPO goes on from there.

    Args:
        level: its name, "GoToLocal" for BabyAI-GoToLocal-v0.
    """
    return Recipe(
        env=f"BabyAI-{level}-v0",
        env_options={"engine": "rooms"},
        memory="gru",
        imitation_steps=250_000,
        steps=250_000,
        num_envs=64,
        learning_rate=5e-4,
        imitation=disturbed_in_sequences(64, expert="honest"),
        ppo=MEMORY_PRESET,
    )


def plain() -> Recipe:
    """PPO alone with settings that suit any environment; what an environment gets that has no recipe of its own."""
    return Recipe()


RECIPES: "Registry[Callable[[], Recipe]]" = Registry(
    "recipe", {"seek": seek, "seek_spoken": seek_spoken, "babyai": babyai, "plain": plain}, __package__
)
"""What `--recipe` chooses from."""


def default_recipe(given: Mapping[str, Any]) -> str:
    """The recipe of a training for which none was named.

    "seek" suits every level of Rooms, as all of them have an expert, and is taken where the lengths of imitation and of
    reinforcement learning are both left open and the trainer can imitate with that memory before it reinforces.
    Everything else is "plain".

    Args:
        given: the settings that were given, by their names.

    Raises:
        UnknownNameError: there is no such trainer.
    """
    env, options = given.get("env", Recipe.env), given.get("env_options") or {}
    is_room = isinstance(env, str) and env.startswith("senseweave/") and not env.startswith("senseweave/Live")
    is_open = not {"steps", "imitation_steps"} & given.keys()
    if not is_open:
        return "plain"
    name = "babyai" if options.get("engine") == "rooms" else "seek" if is_room else "plain"
    trainer = TRAINERS[given.get("trainer", Recipe.trainer)]()
    return name if trainer.imitates_first(given.get("memory", RECIPES[name]().memory)) else "plain"


def resolved(recipe: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a training: those of a recipe, changed by what is given.

    Args:
        recipe: a name in `RECIPES`; None takes `default_recipe`.
        given: the settings that were given, by their names.

    Returns:
        Every setting that a recipe has, all that is given, and the recipe's name as "recipe".

    Raises:
        UnknownNameError: there is no such recipe or trainer.
    """
    name = default_recipe(given) if recipe is None else recipe
    values = vars(RECIPES[name]()) | {"recipe": name}
    del values["ppo"], values["imitation"]
    if "outages" in (given.get("env_options") or {}):
        values["modality_dropout"] = 0.0  # the environment takes senses away by itself then
    return values | dict(given) | {"recipe": name}


def tuned_for(recipe: str | None, trainer: str, memory: str) -> Recipe:
    """How a recipe's learners are set, where it is still its own trainer and memory that learn.

    What suits one of them says nothing about another: a training whose trainer or memory was changed has the trainer's
    own settings, and so has one without a recipe.
    """
    found = None if recipe is None else RECIPES[recipe]()
    if found is None or (found.trainer, found.memory) != (trainer, memory):
        return Recipe(trainer=trainer, memory=memory)
    return found
