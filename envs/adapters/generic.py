"""`adapt`: any Gymnasium environment with pictures, sound or text becomes one that emits the contract.

`inference.py` decides what each source is, `converters.py` and `pictures.py` convert it, `actions.py` shows the actions
as policies know them; this wrapper puts the senses together, holds an instruction that is given only once, and tells
the rest of senseweave the spec, the actions' names and the step's duration. Spaces are looked at when `adapt` is
called, values thoroughly at the first reset and the first step, and their types and shapes at every step.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from ...perception.errors import ConfigError
from ...perception.spec import PRESENT, Camera, Kind, Microphone, Spec
from ...perception.tokenizer import DEFAULT_MAX_TOKENS, default_tokenizer
from ..contract import Observation, text_key
from . import facts
from .actions import PlainActions
from .converters import TextConverter
from .inference import GIVEN, infer
from .sources import OwnMask, Source, sources_of
from .transitions import observation_of_reset, parts_of_step, require_new_api
from .wishes import Tell, Wishes, read_kinds, read_names, read_size


def adapt(
    env: gym.Env[Any, Any],
    *,
    camera: str | None = None,
    audio: str | None = None,
    instruction: str | Tell | None = None,
    sample_rate_hz: int | None = None,
    size: Sequence[int] | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    hold_instruction: bool = False,
    kinds: Mapping[str, Kind | Mapping[str, Any]] | str | None = None,
    ignore: str | Sequence[str] = (),
    action_names: Sequence[str] | None = None,
    step_s: float | None = None,
) -> gym.Env[Any, Any]:
    """Makes an environment emit the contract; one that does already comes back as it is.

    Read without a word from you: uint8, or floats in 0..1 or 0..255, of shape (h, w), (h, w, 1), (h, w, 3) or channels
    first, from 16 x 16 up, as a camera; uint8 that is smaller or has limits below 255 as a grid of categories; floats
    (h, w) or (h, w, 1) from 0 to some metres as depth; int16 as sound; text as an instruction; Discrete and
    MultiDiscrete one-hot, MultiBinary and rows of numbers plainly, as vectors. The only picture is named `camera`, the
    only depth map `depth`, the only sound `audio`, the only text `instruction`, the only grid `grid`; everything else
    keeps its source's name. A Dict or a Tuple inside of another is lifted: {"pixels": {"top": ...}} has the source
    "pixels_top", a Tuple counts its parts. What is neither is one source called "observation".

    A source that is missing or None at a step is absent. Actions count from 0 and stand in one row, whatever the
    environment's own begin with; `info["success"]` is told as `is_success`.

    Args:
        env: any Gymnasium environment.
        camera: the source to be `camera`, where there are several pictures.
        audio: the source to be `audio`, where it is uint8 or float and so could be something else.
        instruction: the source to be `instruction`: text, or token ids of the environment's own. Where no source is
            called so, a text of several words is the instruction itself, and a function gives it for an observation and
            its infos, as the environment gave them (None: there is none now).
        sample_rate_hz: the sound's rate, which no space carries.
        size: (height, width) that every picture is resized to, by area; as they are if not given.
        max_tokens: length of a tokenised text.
        hold_instruction: keep the last text that was not empty until the episode ends; absent before there is one.
        kinds: source -> kind, for sources that would be read as something else; on a command line
            'kinds={"scan": Vector(20)}'.
        ignore: sources to leave out; the name of a Dict inside leaves out all of it.
        action_names: what the actions are called; taken from the environment, or numbered.
        step_s: nominal seconds of a step; from the environment's `dt` or its render rate, or 0.1.

    Raises:
        SpecError: a source is ambiguous or of no known kind, and the sentence says which keyword settles it; or no
            policy can act in the action space; or `reset` is the old Gym's.
        ConfigError: a keyword is out of range.
    """
    read = read_size(size), max_tokens, read_kinds(kinds), read_names("ignore", ignore)
    wishes = Wishes(camera, audio, instruction, sample_rate_hz, *read)
    if not emits_contract(env):
        return AdaptedSenses(env, wishes, hold_instruction=hold_instruction, action_names=action_names, step_s=step_s)
    is_plain = PlainActions(env.action_space).are_the_same
    says_nothing = wishes == Wishes(max_tokens=max_tokens) and not hold_instruction and action_names is None
    if says_nothing and is_plain and step_s is None:
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
        require_new_api(env)
        found = infer(env.observation_space, wishes, default_tokenizer())
        self._converters, self._tell = dict(sorted(found.converters.items())), found.tell
        self.senses = Spec(**{name: converter.kind for name, converter in self._converters.items()})
        self.observation_space = self.senses.space()
        self._actions = PlainActions(env.action_space)
        self.action_space = self._actions.space
        self.action_names = facts.action_names(env, action_names)
        self.step_s = facts.step_s(env, step_s)
        given = Source(GIVEN, (GIVEN,), gym.spaces.Text(1))
        sources = sources_of(env.observation_space) | ({GIVEN: given} if found.tell is not None else {})
        self._sources = {name: sources[converter.source] for name, converter in self._converters.items()}
        self._own_mask = OwnMask(env.observation_space, list(self._sources.values()))
        self._all_present = self.senses.present()
        self._holds = hold_instruction
        self._held: dict[str, str] = {}
        self._has_reset = self._has_stepped = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; nothing is held from the one before.

        Raises:
            ObservationError: the environment gives something else than its spaces say.
        """
        raw, info = observation_of_reset(self.env.reset(seed=seed, options=options))
        self._held.clear()
        observation = self._sense(raw, info, looks_closely=not self._has_reset)
        self._has_reset = True
        return observation, info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Does one action in the environment and reads its observation.

        Raises:
            ObservationError: the environment gives something else than its spaces say.
        """
        result, looks_closely = self.env.step(self._actions.taken_back(action)), not self._has_stepped
        raw, reward, terminated, truncated, info = parts_of_step(result, looks_closely=looks_closely)
        facts.note_success(info)
        observation = self._sense(raw, info, looks_closely=looks_closely)
        self._has_stepped = True
        return observation, reward, terminated, truncated, info

    def _sense(self, raw: Any, info: dict[str, Any], *, looks_closely: bool) -> Observation:
        present = self._all_present.copy()
        if (own := self._own_mask.of(raw)) is not None:
            present &= own.astype(present.dtype)
        told = self._tell(raw, info) if self._tell is not None else None
        observation: Observation = {}
        for number, (name, converter) in enumerate(self._converters.items()):
            source = self._sources[name]
            value = told if self._tell is not None and source.name == GIVEN else source.value_in(raw)
            if isinstance(converter, TextConverter):
                reading, is_here = self._read(name, converter, value, info)
            else:
                reading = None if value is None else converter.convert(value)
                is_here = reading is not None
                if is_here and looks_closely:
                    converter.look(value)
            observation[name] = converter.kind.placeholder() if reading is None else reading
            present[number] &= is_here
        observation[PRESENT] = present
        return observation

    def _read(self, name: str, converter: TextConverter, value: Any, info: dict[str, Any]) -> tuple[Any, bool]:
        """Token ids of a text, and whether there is one; `info` is told of it."""
        text = converter.text(value)
        if self._holds:
            text = self._held[name] = text if text is not None and text.strip() else self._held.get(name, "")
        tokens, info[f"{name}_was_truncated"] = converter.encode(text or "")
        info[text_key(name)] = text or ""
        return tokens, bool(text) if self._holds else text is not None
