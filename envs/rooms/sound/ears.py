"""Two ears on the agent's head: what it hears of a room in one step, 0.1 s of stereo sound that ends now.

A pure function of the state: every object's loop runs with the episode's clock, so that step joins step, and a reading
begins with the pose before the last action and fades to the present one within 8 ms. A carried object sounds from one
cell ahead, where it was and where it will be put down, so that picking up and dropping are not heard. What changes at
once is heard to do so: a door that opens, a box that is no more.

b environments, m objects, e ears (left, right), p poses (the last one, this one), l cells of a line, t samples
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from ....perception.checks import require_whole
from ....perception.errors import ConfigError
from ..random import mix
from ..state import CARRIED, GONE, RoomsState
from .head import AZIMUTHS
from .paths import MAX_WALLS, Paths
from .tables import FADE_SAMPLES, FIRST_NOISE_ROW, FULL_SCALE, NOISE_ROWS, sound_tables
from .timbres import LOOP_STEPS, RATE_HZ, STEP_SAMPLES

EARS = 2
CHUNK_ROWS = 64
"""On a CPU so many environments are heard at a time, so that their samples stay in the cache."""


class RoomsEars:
    """Hears rooms of one size, from batches of any length.

    Args:
        height: of the room, in cells.
        width: likewise.
        objects: slots of objects, m.
        one_room: nothing inside the outer walls stops sound; saves looking for walls on the way.
        noise: whether there is background noise, at about -60 dB of full scale.
        device: where the states are.

    Raises:
        ConfigError: a size is below its least value.
    """

    channels = EARS
    samples = STEP_SAMPLES
    sample_rate_hz = RATE_HZ

    def __init__(
        self,
        height: int,
        width: int,
        objects: int,
        one_room: bool = False,
        noise: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        for name, value, least in (("height", height, 3), ("width", width, 3), ("objects", objects, 1)):
            require_whole(name, value, least, of="RoomsEars")
        self.cells, self.objects = height * width, objects
        self.one_room = one_room
        self.noise = noise
        self.device = torch.empty(0, device=device).device
        self.tables = sound_tables(self.device)
        self.paths = Paths(height, width, self.device)
        self.ear_bits = torch.tensor([0, 20], device=self.device)

    def __call__(self, state: RoomsState, speech: Float[Tensor, "b 1600"] | None = None) -> Float[Tensor, "b 2 1600"]:
        """What is heard in the step that ends now.

        Args:
            state: rooms of this size, on this device.
            speech: samples that both ears hear besides.

        Returns:
            float32 (b, 2, 1600), left and right, multiples of 2^-15 in -1..1.

        Raises:
            ConfigError: the state has another number of objects or cells, or speech another shape.
        """
        self._check(state, speech)
        rows, weights = self.sources(state)
        (old_rows, rows), (old_weights, weights) = rows, weights
        if self.noise:
            rows = torch.cat((rows, self._noise(state)), dim=-1)
            weights = torch.nn.functional.pad(weights, (0, 1), value=1.0)
        heard = torch.empty(len(state), EARS, STEP_SAMPLES, device=self.device)
        step = CHUNK_ROWS if self.device.type == "cpu" else max(1, len(state))
        for start in range(0, len(state), step):
            part = slice(start, start + step)
            sound = self._add_up(rows[part], weights[part], self.tables.rows)
            sound[..., :FADE_SAMPLES] += self._add_up(old_rows[part], old_weights[part], self.tables.fades)
            if speech is not None:
                sound.add_(speech[part, None], alpha=FULL_SCALE)
            sound.round_().clamp_(-FULL_SCALE, FULL_SCALE - 1.0)
            torch.mul(sound, 1.0 / FULL_SCALE, out=heard[part])
        return heard

    def _check(self, state: RoomsState, speech: Tensor | None) -> None:
        if state.object_cell.shape[1] != self.objects:
            raise ConfigError(
                f"These ears were made for {self.objects} objects, but the state has {state.object_cell.shape[1]}; "
                "pass objects=... of the level to RoomsEars."
            )
        if state.cells.shape[1] != self.cells:
            raise ConfigError(
                f"These ears were made for {self.cells} cells, but the state has {state.cells.shape[1]}; "
                "pass height=... and width=... of the level to RoomsEars."
            )
        if speech is not None and speech.shape != (len(state), STEP_SAMPLES):
            raise ConfigError(
                f"`speech` must have shape ({len(state)}, {STEP_SAMPLES}), one row for each environment; "
                f"got {tuple(speech.shape)}."
            )

    def sources(self, state: RoomsState) -> tuple[Int[Tensor, "2 b 2 n"], Float[Tensor, "2 b 2 n"]]:
        """Which rows of the table are heard, and how loud: for the last pose and this one, for each ear.

        Returns:
            rows and weights (p, b, e, m).
        """
        cell = state.object_cell
        audible = (state.object_sound >= 0) & (cell != GONE)
        block = (state.object_phase + state.step_count[:, None]) % LOOP_STEPS
        known = torch.where(audible, state.object_sound * (AZIMUTHS * LOOP_STEPS) + block, 0)  # b m
        pose = torch.stack((state.previous_pose, state.pose))  # p b
        head = (pose >> 2)[:, :, None]  # p b 1
        source = torch.where(cell == CARRIED, head, cell.clamp(min=0))  # p b m
        offset = self.paths.spread[source] - self.paths.spread[head] + self.paths.zero
        gain = self.paths.gain[offset] * audible
        if not self.one_room:
            gain = gain * self._behind_walls(state, head, offset)
        sizes = self.paths.rows.shape
        turn = torch.arange(EARS, device=self.device) * 4 + (pose & 3)[:, :, None]  # p b e
        direction = self.paths.rows.view(-1)[(turn * sizes[2])[..., None] + offset[:, :, None]]  # p b e m
        rows = direction * audible[:, None] + known[:, None]
        weights = gain[:, :, None].expand_as(rows)
        return rows, weights.contiguous()

    def _behind_walls(self, state: RoomsState, head: Int[Tensor, "2 b 1"], offset: Int[Tensor, "2 b m"]) -> Tensor:
        """What walls and shut doors on the way leave of a sound: amplitudes (p, b, m)."""
        count = state.cells.shape[1]
        first = torch.arange(0, state.cells.numel(), count, device=self.device)[:, None]
        way = self.paths.lines[offset] + (head + first)[..., None]  # p b m l
        stops = self.paths.stops_sound[state.cells.view(-1)[way].int()]
        entered = (stops[..., 1:] > stops[..., :-1]).sum(dim=-1)
        return self.paths.wall_gain[entered.clamp(max=MAX_WALLS)]

    def _noise(self, state: RoomsState) -> Int[Tensor, "b 2 1"]:
        """Rows of background noise, by a hash of the life and the step; each ear takes other bits of it."""
        life = state.seed * 1_000_003 + state.index * 998_244_353 + state.episode * 1_000_000_007
        bits = mix(life * 4_096 + state.step_count)
        return ((bits[:, None] >> self.ear_bits) % NOISE_ROWS + FIRST_NOISE_ROW)[..., None]

    def _add_up(
        self, rows: Int[Tensor, "b 2 n"], weights: Float[Tensor, "b 2 n"], table: Float[Tensor, "r t"]
    ) -> Float[Tensor, "b 2 t"]:
        """Weighted sums of rows, slot after slot, so that a row's sum does not depend on the batch."""
        total = embedding_bag(rows.flatten(0, 1), table, mode="sum", per_sample_weights=weights.flatten(0, 1))
        return total.view(-1, EARS, table.shape[1])
