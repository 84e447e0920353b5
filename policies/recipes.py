"""Recipes: plain functions, each of which returns the whole configuration of a known job.

`senseweave train --recipe NAME` takes one of `RECIPES`; options that are given change it; config.json names it. What
suits single environments better than their recipe does, and how well they do with it, is in `tuned.py`. Plain data, and
nothing heavy is imported here. A recipe of your own is a function like these and a line in the table, or
`RECIPES.register("mine", mine)`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ..perception.registry import Registry
from .presets import EXPERT_ALONE, MEMORY_PRESET, ImitationSettings, PPOPreset, disturbed_in_sequences
from .trainer import TRAINERS
from .tuned import tuned


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

    The disturbed honest expert is imitated with a memory first, and PPO goes on from there. The notebook of 2026-12-01
    has what was tried.
    """
    return Recipe(
        env="senseweave/Seek-v0",
        memory="looking_gru",  # a gru that does not look again: .912 where this had .971, with the same seed
        imitation_steps=250_000,
        steps=400_000,
        num_envs=64,
        modality_dropout=0.05,  # 0.1 cost 2 %: without the deciding sense nobody can tell what the expert will do
        imitation=dataclasses.replace(disturbed_in_sequences(64, expert="honest"), rollout_size=8192),
        ppo=PPOPreset(learning_rate=5e-4, n_steps=128, batch_size=1024, gae_lambda=0.95),
    )


def reactive() -> Recipe:
    """The same job without a memory, for trainers that cannot imitate with one; the main job of release 0.3."""
    return Recipe(
        env="senseweave/Seek-v0",
        imitation_steps=600_000,
        steps=150_000,
        num_envs=64,
        modality_dropout=0.05,
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
        imitation_steps=120_000,
        steps=120_000,
        num_envs=64,
        learning_rate=5e-4,
        imitation=disturbed_in_sequences(64, expert="honest"),
        ppo=MEMORY_PRESET,
    )


def babyai_bot(level: str = "GoToSeq") -> Recipe:
    """A level of BabyAI that has no batched twin: minigrid's own bot is imitated in minigrid, and PPO goes on.

    Args:
        level: its name, "GoToSeq" for BabyAI-GoToSeq-v0.
    """
    own, lengths = babyai(level), {"imitation_steps": 250_000, "steps": 250_000}
    return dataclasses.replace(own, env_options={}, num_envs=16, imitation=disturbed_in_sequences(64), **lengths)


def own() -> Recipe:
    """PPO alone for an environment that nobody here has seen: pictures or numbers, choices or pushes, any rewards.

    benchmarks/own_environments.py compares it with stable-baselines3's PPO in six of them.
    """
    return Recipe(
        ppo=PPOPreset(
            learning_rate=7e-4,
            gae_lambda=0.9,
            normalize_rewards=True,
        )
    )


def plain() -> Recipe:
    """PPO alone as it suits mini-games of symbols whose one reward comes at the end, MiniGrid's for example.

    It is also what a training gets that no other recipe suits.
    """
    return Recipe()


RECIPES: "Registry[Callable[[], Recipe]]" = Registry(
    "recipe",
    {
        "seek": seek,
        "reactive": reactive,
        "seek_spoken": seek_spoken,
        "babyai": babyai,
        "babyai_bot": babyai_bot,
        "own": own,
        "plain": plain,
    },
    __package__,
)
"""What `--recipe` chooses from."""

BOT_FAILS = frozenset(
    f"BabyAI-{level}-v0" for level in ("KeyInBox", "PutNextS5N2Carrying", "PutNextS6N3Carrying", "PutNextS7N4Carrying")
)
"""Levels in which minigrid's bot ends in an assertion: it expects empty hands, and no key inside a box."""


def default_recipe(given: Mapping[str, Any]) -> str:
    """The recipe of a training for which none was named: the first that suits its environment, trainer and memory.

    "plain" suits everything.

    Args:
        given: the settings that were given, by their names.

    Raises:
        UnknownNameError: there is no such trainer.
    """
    trainer = TRAINERS[given.get("trainer", Recipe.trainer)]()
    if given.get("dataset") is not None:  # the recipes know an expert, and how much it has to show
        return "plain"
    for name in _suiting(given.get("env", Recipe.env), given.get("env_options") or {}):
        found = RECIPES[name]()
        memory = given.get("memory", found.memory)
        can_do = trainer.imitates_first(memory) if found.imitation_steps else trainer.name == found.trainer
        if can_do and _are_alike(memory, found.memory):
            return name
    return "plain"


def _are_alike(memory: str, other: str) -> bool:
    """Whether what suits a policy with one memory suits one with the other: both remember, or neither does."""
    return (memory == "none") == (other == "none")


def _suiting(env: object, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Recipes for an environment, the best first."""
    if not isinstance(env, str):
        return ()
    if env in tuned() and options.get("engine", "rooms") == "rooms":
        return (tuned()[env].recipe, "reactive")
    if options.get("engine") == "rooms":
        return "babyai", "reactive"
    if env.startswith("BabyAI-") and env not in BOT_FAILS:
        return "babyai_bot", "reactive"
    if env.startswith("senseweave/") and not env.startswith("senseweave/Live"):
        senses = str(options.get("senses", ""))
        return "babyai" if "grid" in senses and "camera" not in senses else "seek", "reactive"
    return () if env.startswith(("BabyAI-", "MiniGrid-", "senseweave/")) else ("own",)


def resolved(recipe: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a training: those of a recipe, changed by what suits its environment and by what is given.

    One length that is given scales the recipe: `steps` half of the recipe's halve its imitation as well. `steps` of 0
    leave reinforcement learning out, `imitation_steps` of 0 imitation, and two lengths are taken as they are.

    Args:
        recipe: a name in `RECIPES`; None takes `default_recipe`.
        given: the settings that were given, by their names.

    Returns:
        Every setting that a recipe has, all that is given, and the recipe's name as "recipe".

    Raises:
        UnknownNameError: there is no such recipe or trainer.
    """
    name = default_recipe(given) if recipe is None else recipe
    values = vars(RECIPES[name]()) | {"recipe": name, "overrides": {}}
    del values["ppo"], values["imitation"]
    found = tuned().get(given.get("env", values["env"]))
    if found is not None and found.recipe == name:
        values |= found.changes
    if "outages" in (given.get("env_options") or {}):
        values["modality_dropout"] = 0.0  # the environment takes senses away by itself then
    overrides = {**values["overrides"], **(given.get("overrides") or {})}
    return values | dict(given) | _lengths(values, given) | {"recipe": name, "overrides": overrides}


def _lengths(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, int]:
    """The lengths that are left open, after one that is given."""
    imitation, learning = values["imitation_steps"], values["steps"]
    match given.get("imitation_steps"), given.get("steps"):
        case None, int(steps) if steps > 0 and imitation and learning:
            return {"imitation_steps": max(1, round(imitation * steps / learning))}
        case int(steps), None if steps > 0 and imitation and learning:
            return {"steps": max(1, round(learning * steps / imitation))}
    return {}


def tuned_for(recipe: str | None, trainer: str, memory: str) -> Recipe:
    """How a recipe's learners are set, where its own trainer learns, with a memory or without one as in the recipe.

    What suits one of them says nothing about another: a training whose trainer was changed, or that was given a memory
    or lost it, has the trainer's own settings, and so has one without a recipe.
    """
    found = None if recipe is None else RECIPES[recipe]()
    if found is None or found.trainer != trainer or not _are_alike(found.memory, memory):
        return Recipe(trainer=trainer, memory=memory)
    return found
