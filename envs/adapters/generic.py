"""`adapt`: any Gymnasium environment with pictures, sound or text becomes one that emits the contract.

`inference.py` decides what each source is, `converters.py` converts it; this wrapper puts the senses together, holds an
instruction that is given only once, and tells the rest of senseweave the spec, the actions' names and the step's
duration. Rewards, ends and actions stay the environment's own.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from ...perception.errors import ConfigError, SpecError
from ...perception.spec import PRESENT, Camera, Kind, Microphone, Spec
from ...perception.tokenizer import DEFAULT_MAX_TOKENS, default_tokenizer
from ..contract import Observation, text_key
from .converters import TextConverter
from .inference import BARE_SOURCE, Wishes, infer

DEFAULT_STEP_S = 0.1


def adapt(
    env: gym.Env[Any, Any],
    *,
    camera: str | None = None,
    audio: str | None = None,
    instruction: str | None = None,
    sample_rate_hz: int | None = None,
    size: Sequence[int] | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    hold_instruction: bool = False,
    kinds: Mapping[str, Kind] | None = None,
    ignore: Sequence[str] = (),
    action_names: Sequence[str] | None = None,
    step_s: float | None = None,
) -> gym.Env[Any, Any]:
    """Makes an environment emit the contract; one that does already comes back as it is.

    Read without a word from you: uint8 (h, w), (h, w, 1), (h, w, 3) or channels first, from 16 x 16 up, as a camera;
    smaller or with limits below 255 as a grid of categories; int16 as sound; text as an instruction; Discrete and
    MultiDiscrete one-hot, MultiBinary and rows of numbers plainly, as vectors. The only picture is named `camera`, the
    only sound `audio`, the only text `instruction`, the only grid `grid`; everything else keeps its source's name. An
    observation that is not a Dict counts as one source called "observation".

    Args:
        env: any Gymnasium environment with a flat Dict, or a single space, of observations.
        camera: the source to be `camera`, where there are several pictures.
        audio: the source to be `audio`, where it is uint8 or float and so could be something else.
        instruction: the source to be `instruction`: text, or token ids of the environment's own.
        sample_rate_hz: the sound's rate, which no space carries.
        size: (height, width) that every picture is resized to, by area; as they are if not given.
        max_tokens: length of a tokenised text.
        hold_instruction: keep the last text that was not empty until the episode ends; absent before there is one.
        kinds: source -> kind, for sources that would be read as something else.
        ignore: sources to leave out.
        action_names: what the actions are called; taken from the environment, or numbered.
        step_s: nominal seconds of a step; from the environment's `dt` or its render rate, or 0.1.

    Raises:
        SpecError: a source is ambiguous or of no known kind; the sentence says which keyword settles it.
        ConfigError: a keyword is out of range.
    """
    wishes = Wishes(
        camera, audio, instruction, sample_rate_hz, _size(size), max_tokens, dict(kinds or {}), tuple(ignore)
    )
    if not emits_contract(env):
        return AdaptedSenses(env, wishes, hold_instruction=hold_instruction, action_names=action_names, step_s=step_s)
    if wishes == Wishes(max_tokens=max_tokens) and not hold_instruction and action_names is None and step_s is None:
        return env
    # what it says about itself is known, and need not be inferred again, except pictures of another size
    senses: Spec = env.get_wrapper_attr("senses")
    resized = {} if size is None else senses.of_kind(Camera)
    known = {name: kind for name, kind in senses.items() if name not in resized}
    for name, kind in senses.of_kind(Microphone).items():
        if sample_rate_hz is not None and kind.sample_rate_hz != sample_rate_hz:
            raise ConfigError(f'`sample_rate_hz` of "{name}" is {kind.sample_rate_hz}; got {sample_rate_hz}.')
    wishes = dataclasses.replace(wishes, kinds=known | dict(wishes.kinds))
    return AdaptedSenses(env, wishes, hold_instruction=hold_instruction, action_names=action_names, step_s=step_s)


def emits_contract(env: gym.Env[Any, Any]) -> bool:
    """Whether the environment tells its senses and its observations are just those."""
    if not env.has_wrapper_attr("senses"):
        return False
    senses = env.get_wrapper_attr("senses")
    return isinstance(senses, Spec) and env.observation_space == senses.space()


class AdaptedSenses(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """What `adapt` makes. `info` holds, for every text, the raw string as `<name>_text`, and `<name>_was_truncated`.

    Args:
        env: the environment.
        wishes: what the caller said about the sources.
        hold_instruction: see `adapt`.
        action_names: see `adapt`.
        step_s: see `adapt`.
    """

    senses: Spec
    action_names: tuple[str, ...]
    step_s: float

    def __init__(
        self,
        env: gym.Env[Any, Any],
        wishes: Wishes,
        *,
        hold_instruction: bool = False,
        action_names: Sequence[str] | None = None,
        step_s: float | None = None,
    ) -> None:
        RecordConstructorArgs.__init__(
            self, wishes=wishes, hold_instruction=hold_instruction, action_names=action_names, step_s=step_s
        )
        gym.Wrapper.__init__(self, env)
        self._converters = dict(sorted(infer(env.observation_space, wishes, default_tokenizer()).items()))
        self.senses = Spec(**{name: converter.kind for name, converter in self._converters.items()})
        self.observation_space = self.senses.space()
        self.action_names = _action_names(env, action_names)
        self.step_s = _step_s(env, step_s)
        self._is_bare = not isinstance(env.observation_space, spaces.Dict)
        self._mask_order = _mask_order(
            env.observation_space, [converter.source for converter in self._converters.values()]
        )
        self._all_present = self.senses.present()
        self._holds = hold_instruction
        self._held: dict[str, str] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; nothing is held from the one before."""
        raw, info = self.env.reset(seed=seed, options=options)
        self._held.clear()
        return self._sense(raw, info := dict(info)), info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Does one action in the environment and reads its observation."""
        raw, reward, terminated, truncated, info = self.env.step(action)
        return self._sense(raw, info := dict(info)), float(reward), bool(terminated), bool(truncated), info

    def _sense(self, raw: Any, info: dict[str, Any]) -> Observation:
        sources = {BARE_SOURCE: raw} if self._is_bare else raw
        present = self._all_present.copy()
        if self._mask_order is not None:
            present[:] = np.asarray(sources[PRESENT])[self._mask_order]
        observation: Observation = {}
        for number, (name, converter) in enumerate(self._converters.items()):
            value = sources[converter.source]
            if not isinstance(converter, TextConverter):
                observation[name] = converter.convert(value)
                continue
            text = str(value)
            if self._holds:
                text = self._held[name] = text if text.strip() else self._held.get(name, "")
                present[number] &= bool(text)
            observation[name], info[f"{name}_was_truncated"] = converter.encode(text)
            info[text_key(name)] = text
        observation[PRESENT] = present
        return observation


def _size(size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if len(size) != 2:
        raise ConfigError(f"`size` must be (height, width) in pixels; got {size!r}.")
    return int(size[0]), int(size[1])


def _mask_order(space: spaces.Space[Any], sources: list[str]) -> NDArray[np.intp] | None:
    """Where each sense's bit is in the environment's own mask, which is in the order of its sorted sources."""
    mask = space.spaces.get(PRESENT) if isinstance(space, spaces.Dict) else None
    if mask is None or not isinstance(space, spaces.Dict):
        return None
    names = sorted(name for name in space.spaces if name != PRESENT)
    if mask.shape != (len(names),):
        raise SpecError(
            f'"{PRESENT}" must be a mask with one entry for each of the {len(names)} other sources; got {mask}.'
        )
    return np.array([names.index(source) for source in sources])


def _action_names(env: gym.Env[Any, Any], given: Sequence[str] | None) -> tuple[str, ...]:
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        number = int(space.n)
    else:
        number = int(np.prod(space.shape)) if space.shape is not None else 0
    if given is not None:
        if len(given) != number:
            raise ConfigError(f"`action_names` must name all {number} actions; got {len(given)}: {', '.join(given)}.")
        return tuple(given)
    if env.has_wrapper_attr("action_names"):
        return tuple(env.get_wrapper_attr("action_names"))
    if env.has_wrapper_attr("get_action_meanings"):
        return tuple(str(name).lower() for name in env.get_wrapper_attr("get_action_meanings")())
    return tuple(f"action_{index}" for index in range(number))


def _step_s(env: gym.Env[Any, Any], given: float | None) -> float:
    if given is not None:
        if not 0 < given < float("inf"):
            raise ConfigError(f"`step_s` must be a number of seconds above 0; got {given}.")
        return float(given)
    for name in ("step_s", "dt"):
        if env.has_wrapper_attr(name) and isinstance(env.get_wrapper_attr(name), (int, float)):
            return float(env.get_wrapper_attr(name))
    frames_per_s = env.metadata.get("render_fps")
    frames = env.get_wrapper_attr("frame_skip") if env.has_wrapper_attr("frame_skip") else 1
    return frames / frames_per_s if frames_per_s and isinstance(frames, int) else DEFAULT_STEP_S
