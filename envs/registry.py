"""`make` finds an environment by its id and returns it in the contract's form; `known` lists what there is.

Three sorts of ids: `senseweave/...` emit the contract already, `BabyAI-...` and `MiniGrid-...` go through their
adapter, and any other Gymnasium id, `package:Id` for one of your own, goes through `adapt`. Packages are imported
only when an id needs them.
"""

import dataclasses
import importlib
import importlib.util
import inspect
from typing import Any

import gymnasium as gym

from ..perception.errors import MissingExtraError, UnknownNameError, how_to_install, unknown_name, unknown_option
from .adapters.construct import construct

OURS = "senseweave/"
MINIGRID = ("BabyAI-", "MiniGrid-")


@dataclasses.dataclass(frozen=True)
class EnvEntry:
    """A line of `senseweave envs`.

    Attributes:
        id: what `make` takes.
        senses: as it is made without options, in alphabetical order.
        extra: the extra of senseweave, or the package, that it needs beyond a plain install.
        is_installed: whether what it needs is there.
    """

    id: str
    senses: tuple[str, ...]
    extra: str | None
    is_installed: bool


@dataclasses.dataclass(frozen=True)
class Provider:
    """A package with environments that `make` knows how to adapt.

    Attributes:
        prefix: what its ids start with.
        package: what to import, once, so that Gymnasium knows the ids.
        extra: the extra of senseweave that installs it.
        options: for `gymnasium.make` and `adapt`, unless the caller says otherwise.
        examples: id -> senses, for the listing.
    """

    prefix: str
    package: str
    extra: str
    options: dict[str, Any]
    examples: dict[str, tuple[str, ...]]


_OURS: dict[str, EnvEntry] = {}


def register(env_id: str, *, senses: tuple[str, ...], **registration: Any) -> None:
    """Registers an environment of ours with Gymnasium and with the listing.

    Args:
        env_id: "senseweave/Name-v0".
        senses: as it is made without options.
        **registration: for `gymnasium.register`, such as `entry_point` and `vector_entry_point`.
    """
    gym.register(env_id, **registration)
    _OURS[env_id] = EnvEntry(env_id, tuple(sorted(senses)), None, True)


def make(env_id: str, **options: Any) -> gym.Env[Any, Any]:
    """Makes one environment that emits the contract, by id.

    Args:
        env_id: "BabyAI-GoToLocal-v0", "senseweave/...", "CartPole-v1", or "package:Id", where importing the package
            registers the id.
        **options: the adapter's (see `make_babyai` and `adapt`) and the environment's own.

    Returns:
        An environment whose `observation_space` is `senses.space()`, with `senses`, `action_names` and `step_s`.

    Raises:
        UnknownNameError: no such id or package.
        ConfigError: an option that neither the adapter nor the environment takes.
        MissingExtraError: the environment needs an extra that is not installed.
        SpecError: an observation that cannot be read without a word from you.
    """
    name = resolve(env_id)
    if name.startswith(MINIGRID):
        from .adapters.babyai import make_babyai

        return make_babyai(name, **options)
    for provider in PROVIDERS:
        if name.startswith(provider.prefix):
            _import_provider(provider)
            options = provider.options | options
    if name not in gym.registry:
        raise unknown_name("The environment", name, known_ids(), "`senseweave envs` lists them")
    if name.startswith(OURS):
        return construct(name, options)
    return _make_adapted(name, options)


def resolve(env_id: str) -> str:
    """The id that Gymnasium knows: of "package:Id" the package is imported, which registers the id.

    Raises:
        UnknownNameError: there is no such package, or `env_id` is no id.
    """
    if not isinstance(env_id, str) or not env_id:
        raise UnknownNameError(f"An environment's id must be a string such as BabyAI-GoToLocal-v0; got {env_id!r}.")
    package, _, name = env_id.rpartition(":")
    if package:
        import_package(env_id)
    return name


def _make_adapted(env_id: str, options: dict[str, Any]) -> gym.Env[Any, Any]:
    from .adapters.babyai import BabyAISenses, is_minigrid
    from .adapters.generic import adapt

    minigrid_names = option_names(BabyAISenses.__init__)
    adapt_names = option_names(adapt)
    all_names = minigrid_names | adapt_names
    env = construct(env_id, {name: options[name] for name in options if name not in all_names}, adapt_names)
    adapting = {name: options[name] for name in options if name in all_names}
    allowed, wrap = (minigrid_names, BabyAISenses) if is_minigrid(env) else (adapt_names, adapt)
    for name in adapting:
        if name not in allowed:
            env.close()
            raise unknown_option(f'"{env_id}"', name, f"choose of: {', '.join(sorted(allowed))}.")
    return wrap(env, **adapting)


def option_names(function: Any) -> set[str]:
    """The names of a function's keyword-only arguments."""
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def import_package(env_id: str | None) -> None:
    """Imports the package that a user names before an id ("package:Id"): it may register senses as well as the id.

    Raises:
        UnknownNameError: there is no such package.
    """
    package, _, _ = (env_id or "").rpartition(":")
    if not package:
        return
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not (package == error.name or package.startswith(error.name + ".")):
            raise  # the package is there, and lacks something itself
        raise UnknownNameError(
            f'The package "{package}" cannot be found; install it, or add its folder to PYTHONPATH.'
        ) from error


def _import_provider(provider: Provider) -> None:
    try:
        module = importlib.import_module(provider.package)
    except ImportError as error:
        raise MissingExtraError(
            f'"{provider.prefix}..." needs an extra ({error}); {how_to_install(provider.extra)}'
        ) from error
    gym.register_envs(module)


def known_ids() -> list[str]:
    """Every id that `make` knows now, in alphabetical order."""
    from .adapters.babyai import babyai_ids

    examples = [env_id for provider in PROVIDERS for env_id in provider.examples]
    return sorted({*babyai_ids(), *examples, *gym.registry})


def known() -> list[EnvEntry]:
    """The environments that senseweave knows by name, for `senseweave envs`; `make` takes other Gymnasium ids too."""
    from .adapters.babyai import babyai_ids

    entries = list(_OURS.values())
    can_weave = importlib.util.find_spec("imageio") is not None
    for env_id in babyai_ids():
        needs_more = env_id.startswith("MiniGrid-WFC-")
        extra = "minigrid[wfc]" if needs_more else None
        entries.append(EnvEntry(env_id, ("grid", "instruction"), extra, can_weave or not needs_more))
    for provider in PROVIDERS:
        is_installed = importlib.util.find_spec(provider.package.partition(".")[0]) is not None
        entries += [
            EnvEntry(env_id, senses, provider.extra, is_installed) for env_id, senses in provider.examples.items()
        ]
    return sorted(entries, key=lambda entry: (not entry.id.startswith(OURS), entry.id))


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        prefix="ALE/",
        package="ale_py",
        extra="atari",
        options={"sound_obs": True, "sample_rate_hz": 30720},
        examples={f"ALE/{game}-v5": ("audio", "camera") for game in ("Enduro", "Assault", "Seaquest", "SpaceInvaders")},
    ),
    Provider(
        prefix="Vizdoom",
        package="vizdoom.gymnasium_wrapper",
        extra="vizdoom",
        # snd_efx 0: some OpenAL versions abort the process on the effects of positional sound.
        options={"sample_rate_hz": 44100, "hold_instruction": True, "game_args": "+snd_efx 0"},
        examples={
            "VizdoomBasicAudio-v1": ("audio", "camera", "gamevariables"),
            "VizdoomBasicNotifications-v1": ("camera", "gamevariables", "instruction"),
        },
    ),
)
"""The known packages. Their sound: ALE's 512 samples a frame at 60 frames a second, ViZDoom's 44.1 kHz."""
