"""`Simulation`: a level, the world's rules, the senses and their outages over one batch of lives.

What `RoomsVectorEnv` and `RoomsEnv` have in common. It knows nothing of Gymnasium and resets nothing by itself.

b environments, k some of them
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ...perception.checks import choose_device
from ...perception.errors import ConfigError, did_you_mean, unknown_name, unknown_option
from .codes import DONE
from .expert.honest import HonestExpert
from .expert.planner import Planner
from .levels.registry import LEVELS, level_options, make_level
from .outages import RoomsOutages, zero_absent
from .senses import RoomsSenses
from .settings import OPTION_NAMES, RoomsSettings
from .state import CARRIED, RoomsState
from .world import World, WorldStep

_OUTAGES, _EXPERT = "outages.", "expert."
"""Begin the names of the outages' tensors in `tensors`, and of what the honest expert has found out."""

EXPERTS = ("honest", "knowing")
"""Who may say what to do: one that knows what has been seen, and one that knows everything."""


class Simulation:
    """A batch of rooms that is begun, acted in and observed.

    Args:
        level_name: one of LEVELS.
        options: for `RoomsSettings` and for the level, by name.
        device: where everything is.

    Attributes:
        level: makes the episodes.
        settings: as completed for this level.
        spec: the senses.
        state: the truth; after `begin`.

    Raises:
        UnknownNameError: there is no such level.
        ConfigError: an option is unknown or out of range.
        SpecError: an outage rate for a sense that is not there.
    """

    def __init__(self, level_name: str, options: Mapping[str, Any], device: torch.device) -> None:
        self._made_of = level_name, dict(options)
        LEVELS.require(level_name)
        own = {name: value for name, value in options.items() if name in OPTION_NAMES}
        others = {name: value for name, value in options.items() if name not in OPTION_NAMES}
        known = {*level_options(level_name), *OPTION_NAMES}
        for name in others:
            if name not in known:
                raise unknown_option(f'"{level_name}"', name, did_you_mean(name, known))
        self.settings = RoomsSettings.read(level_name, LEVELS[level_name].spoken, own)
        self.level = make_level(level_name, device=device, **others)
        self.senses = RoomsSenses(self.level, self.settings, device)
        self.spec = self.senses.spec
        self.device = device
        self._world = World(self.level.height, self.level.width, device)
        outages = RoomsOutages(
            self.spec.names, self.settings.outages, self.settings.outage_steps, self.settings.all_at_once, device
        )
        self._outages = outages if bool(outages.process.rate.any()) else None
        self._planner: Planner | None = None
        self._honest: HonestExpert | None = None
        self._state: RoomsState | None = None
        self._next: RoomsState | None = None  # the next episode of every life, where it is not used already
        self._is_used = torch.zeros(0, dtype=torch.bool, device=device)

    def __reduce__(self) -> tuple[Any, ...]:
        """By level, options and state, for pickles and copies: tables are made again where it arrives."""
        state = {name: tensor.cpu().numpy() for name, tensor in self.tensors().items()} if self.has_begun else None
        return _restored, (type(self), *self._made_of, str(self.device), state)

    @property
    def state(self) -> RoomsState:
        """The truth.

        Raises:
            ConfigError: nothing has begun.
        """
        if self._state is None:
            raise ConfigError("The environment has not begun; call reset() first.")
        return self._state

    @property
    def has_begun(self) -> bool:
        """Whether there is a state."""
        return self._state is not None

    def begin(self, seed: Int[Tensor, " b"], index: Int[Tensor, " b"], episode: Int[Tensor, " b"]) -> None:
        """Starts an episode in every environment; see random.py for what names a life."""
        self._continue_from(self.level.generate(seed, index, episode))
        if self._outages is not None:
            self._outages.begin(self.state)

    def begin_next_everywhere(self) -> None:
        """Starts the next episode of every life."""
        state = self.state
        self.begin(state.seed, state.index, state.episode + 1)

    def must_generate(self, is_over: Bool[Tensor, " b"]) -> Bool[Tensor, ""]:
        """Whether the next episode of some of these environments has to be made before it can begin."""
        return (self._is_used & is_over).any()

    def begin_next(self, which: Int[Tensor, " k"], must_generate: bool) -> None:
        """Puts the next episode of its life in the place of every environment at `which`.

        Making a hundred episodes takes hardly longer than making one, so they are made for all at once beforehand.

        Args:
            which: numbers of the environments.
            must_generate: what `must_generate` says of them.
        """
        state = self.state
        if self._next is None:
            self._next = self.level.generate(state.seed, state.index, state.episode + 1)
            self._is_used.zero_()
        elif must_generate:
            used = self._is_used.nonzero()[:, 0]
            lives = (state.seed.index_select(0, used), state.index.index_select(0, used))
            self._next.write(used, self.level.generate(*lives, state.episode.index_select(0, used) + 1))
            self._is_used.zero_()
        rows = self._next.rows(which)
        self._is_used.index_fill_(0, which, True)
        state.write(which, rows)
        if self._outages is not None:
            self._outages.begin_rows(which, rows)

    def _continue_from(self, state: RoomsState) -> None:
        self._state = state
        self._next = None
        self._is_used = torch.ones(len(state), dtype=torch.bool, device=self.device)

    def act(self, actions: Int[Tensor, " b"]) -> WorldStep:
        """Does one action everywhere; they must be in 0..6."""
        outcome = self._world.step(self.state, actions)
        if self._outages is not None:
            self._outages.advance(self.state)
        return outcome

    def observe(self, which: Int[Tensor, " k"] | None = None) -> dict[str, Tensor]:
        """What is sensed now, in all environments or in some; looking changes nothing."""
        observation = self.senses(self.state if which is None else self.state.rows(which))
        if self._outages is not None:
            absent = self._outages.absent()
            zero_absent(observation, self.spec.names, absent if which is None else absent[which])
        return observation

    def expert_actions(self, expert: str = "knowing") -> Int[Tensor, " b"]:
        """What an expert would do now; while an instruction is being spoken, nothing but listen.

        Args:
            expert: "knowing" knows everything, and only turns to the left where what is meant can be told by its look
                alone and is out of sight (expert/gaze.py). "honest" knows what has been seen since the episode began,
                and searches (expert/honest.py); ask it at every step.

        Raises:
            UnknownNameError: there is no such expert.
        """
        if expert not in EXPERTS:
            raise unknown_name("expert", str(expert), EXPERTS)
        if expert == "honest":
            actions = self._honest_expert.act(self.state, self._here())
        else:
            by_look = self.level.is_decided_by_look if "camera" in self.spec else None
            must_see = None if by_look is None else by_look.index_select(0, self.state.mission)
            actions = self._knowing_expert.act(self.state, must_see)
        speech = self.senses.speech
        return actions if speech is None else torch.where(speech.is_going_on(self.state), DONE, actions)

    def sees_target(self) -> Bool[Tensor, " b"] | None:
        """Whether a thing that the mission means is in view now, or in the hands; None where nothing can be seen."""
        state, sight = self.state, self._honest_expert.belief.sight
        if sight.is_blind:
            return None
        seen = sight(state, self._here())
        is_seen = seen.gather(1, state.object_cell.clamp(min=0)) & (state.object_cell >= 0)
        return (state.is_target & (is_seen | (state.object_cell == CARRIED))).any(dim=1)

    def _here(self) -> dict[str, Bool[Tensor, " b"]]:
        """Sense -> where it is not gone now; none where no sense ever is."""
        if self._outages is None:
            return {}
        return dict(zip(self.spec.names, ~self._outages.absent().t(), strict=True))

    @property
    def _knowing_expert(self) -> Planner:
        if self._planner is None:
            self._planner = Planner(self.level.height, self.level.width, self.device)
        return self._planner

    @property
    def _honest_expert(self) -> HonestExpert:
        if self._honest is None:
            size = self.settings.height_and_width
            self._honest = HonestExpert(self.level, self._knowing_expert, self.spec.names, size)
        return self._honest

    def tensors(self) -> dict[str, Tensor]:
        """Copies of all that decides the future, by name, b rows each."""
        tensors = {name: getattr(self.state, name).clone() for name in RoomsState.names()}
        if self._outages is not None:
            tensors[f"{_OUTAGES}is_out"] = self._outages.is_out.clone()
            tensors[f"{_OUTAGES}key"] = self._outages.key.clone()
        if self._honest is not None and len(self._honest.belief.seen):
            tensors |= {f"{_EXPERT}{name}": part for name, part in self._honest.belief.tensors().items()}
        return tensors

    def set_tensors(self, tensors: Mapping[str, Tensor], num_envs: int) -> None:
        """Goes on from what `tensors` gave, of an environment with the same options.

        Raises:
            ConfigError: they are of another sort of environment.
        """
        if not isinstance(tensors, Mapping) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
            raise ConfigError("A saved state must be a dict of tensors, as `get_state` gives it.")
        if not self.has_begun:
            self.begin(*torch.zeros(3, num_envs, dtype=torch.int64, device=self.device))
        found_out = {name: part for name, part in tensors.items() if name.startswith(_EXPERT)}
        here = {name: part for name, part in self.tensors().items() if not name.startswith(_EXPERT)}
        if found_out:
            nothing = self._honest_expert.belief.nothing(num_envs)
            here |= {f"{_EXPERT}{name}": part for name, part in nothing.items()}
        if tensors.keys() != here.keys():
            different = ", ".join(sorted(tensors.keys() ^ here.keys()))
            raise ConfigError(f"The saved state is of an environment with other options: {different} differ.")
        for name, tensor in here.items():
            given = tensors[name]
            if given.shape != tensor.shape or given.dtype != tensor.dtype:
                raise ConfigError(
                    f'"{name}" of the saved state is {given.dtype} {tuple(given.shape)}, but here {tensor.dtype} '
                    f"{tuple(tensor.shape)}; take the options and the number of environments that it was saved with."
                )
        mission = tensors["mission"]
        if not bool(((mission >= 0) & (mission < len(self.level.missions))).all()):
            raise ConfigError(
                f"The saved state is of another level: it has instruction {int(mission.max())}, but "
                f"{self.level.name} here has {len(self.level.missions)} of them, counted from 0."
            )
        copies = {name: tensor.to(self.device, copy=True) for name, tensor in tensors.items()}
        self._continue_from(RoomsState(**{name: copies[name] for name in RoomsState.names()}))
        if self._outages is not None:
            self._outages.is_out, self._outages.key = copies[f"{_OUTAGES}is_out"], copies[f"{_OUTAGES}key"]
        self._honest = self._honest if found_out else None
        if self._honest is not None:
            self._honest.belief.set_tensors({name.removeprefix(_EXPERT): copies[name] for name in found_out})


def _restored(
    kind: type[Simulation], level_name: str, options: dict[str, Any], device: str, state: dict[str, Any] | None
) -> Simulation:
    """What `Simulation.__reduce__` took apart.

    Raises:
        ConfigError: its device is not here.
    """
    simulation = kind(level_name, options, choose_device(device))
    if state is not None:
        tensors = {name: torch.as_tensor(array) for name, array in state.items()}
        simulation.set_tensors(tensors, len(tensors["seed"]))
    return simulation
