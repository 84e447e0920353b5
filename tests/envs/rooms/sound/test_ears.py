"""What is heard in rooms: continuity, silence, walls, noise, batches and wrong arguments."""

import numpy as np
import pytest
import torch

from kit.rooms.listening import baked_loop, empty_rooms, place, random_rooms, stepped
from senseweave.envs.rooms.codes import CLOSED, DOOR, LOCKED, OPEN, SOUNDS, WALL_CODE, pack
from senseweave.envs.rooms.sound import ears as ears_module
from senseweave.envs.rooms.sound.ears import RoomsEars
from senseweave.envs.rooms.state import CARRIED, GONE, RoomsState
from senseweave.perception.errors import ConfigError

UNIT = 2.0**-15
QUIET = RoomsEars(8, 8, objects=3, noise=False)
EARS = RoomsEars(8, 8, objects=3)


def walked(seconds: int = 3, seed: int = 0) -> list[RoomsState]:
    """One room with three sounds, through which the agent goes and turns at random, not minding what is in its way."""
    generator = torch.Generator().manual_seed(seed)
    state = random_rooms(1, seed=seed)
    state.previous_pose = state.pose
    states = [state]
    for _ in range(10 * seconds):
        state = state.clone()
        state.previous_pose = state.pose
        state.step_count += 1
        if torch.rand((), generator=generator) < 0.5:
            state.heading = torch.randint(0, 4, (1,), generator=generator)
        else:
            y, x = torch.randint(1, 7, (2,), generator=generator).tolist()
            state.agent_cell[:] = y * 8 + x
        states.append(state)
    return states


def joined(ears: RoomsEars, states: list[RoomsState]) -> torch.Tensor:
    """What the first environment heard, step after step: (2, t)."""
    return torch.cat([ears(state)[0] for state in states], dim=-1)


def loudness_db(sound: torch.Tensor) -> float:
    return 20.0 * float(torch.log10(sound.square().mean().sqrt()))


@pytest.mark.parametrize("sound", range(len(SOUNDS)))
def test_who_stands_still_hears_the_loop_without_a_border(sound: int):
    state = empty_rooms(1)
    place(state, 1, state.agent_cell + 2, sound)
    state.object_phase[:] = 4
    heard = joined(QUIET, stepped(state, [0] * 20))
    loop = baked_loop(sound, 0)[0].roll(-4 * 1600).repeat(3)[: heard.shape[1]]
    assert (heard - loop / 2.0).abs().max() <= 0.51 * UNIT


def test_steps_join_without_clicks_while_the_agent_moves_and_turns():
    """Neither slopes nor their changes are steeper at the borders of steps than they are within them."""
    slope, bend = [], []
    for seed in range(8):
        heard = joined(QUIET, walked(seed=seed)).double()
        for values, order in ((slope, 1), (bend, 2)):
            steepness = heard.diff(n=order, dim=-1).abs()
            borders = torch.stack([steepness[:, 1600 - order + i :: 1600][:, :29] for i in range(order)])
            values.append((borders.amax() / steepness.amax(), borders.mean() / steepness.mean()))
    assert max(most for most, _ in slope + bend) <= 1.0
    assert np.mean([mean for _, mean in slope]) < 1.1
    assert np.mean([mean for _, mean in bend]) < 1.1


def test_the_first_samples_after_a_turn_are_those_of_the_old_pose_and_the_last_those_of_the_new():
    state = empty_rooms(1)
    place(state, 0, state.agent_cell + 8, SOUNDS.index("whistling"))  # on the right
    before, after = stepped(state, [1])
    heard = QUIET(after)[0]
    unmoved, arrived = before.clone(), after.clone()
    unmoved.step_count += 1
    arrived.previous_pose = arrived.pose
    assert (heard[:, :1] - QUIET(unmoved)[0, :, :1]).abs().max() <= 3 * UNIT
    assert torch.equal(heard[:, 128:], QUIET(arrived)[0, :, 128:])
    assert not torch.allclose(heard[:, :64], QUIET(arrived)[0, :, :64], atol=20 * UNIT)


def test_picking_up_and_dropping_are_not_heard():
    state = empty_rooms(1)
    place(state, 0, state.agent_cell + 1, 3)
    carried = state.clone()
    carried.object_cell[:, 0] = CARRIED
    assert torch.equal(QUIET(state), QUIET(carried))
    carried.heading[:] = 2
    carried.previous_pose = carried.pose
    assert torch.equal(QUIET(state), QUIET(carried))


def test_samples_are_multiples_of_the_smallest_step_within_full_scale():
    heard = EARS(random_rooms(64))
    assert heard.dtype == torch.float32
    assert heard.shape == (64, 2, 1600)
    assert torch.equal((heard / UNIT).round() * UNIT, heard)
    loud = EARS(random_rooms(4), torch.full((4, 1600), 3.0))
    assert loud.max() == 1.0 - UNIT
    assert EARS(random_rooms(4), torch.full((4, 1600), -3.0)).min() == -1.0


def test_eight_sounds_about_the_agent_do_not_overdrive():
    heard = RoomsEars(8, 8, objects=8)(random_rooms(2000, objects=8))
    assert heard.abs().max() < 0.9


def test_nothing_sounds_nothing_is_heard():
    state = empty_rooms(5)
    assert QUIET(state).count_nonzero() == 0
    place(state, 0, state.agent_cell + 1, -1)
    assert QUIET(state).count_nonzero() == 0


def test_what_is_gone_or_silent_adds_nothing():
    state = random_rooms(32)
    less = state.clone()
    less.object_cell[:, 1] = GONE
    less.object_sound[:, 2] = -1
    alone = state.clone()
    alone.object_sound[:, 1:] = -1
    assert torch.equal(QUIET(less), QUIET(alone))
    assert not torch.equal(QUIET(less), QUIET(state))


def test_sounds_add_up():
    state = random_rooms(16)
    parts = []
    for slot in range(3):
        alone = state.clone()
        alone.object_sound[:] = torch.where(torch.arange(3) == slot, state.object_sound, -1)
        parts.append(QUIET(alone))
    assert (QUIET(state) - sum(parts)).abs().max() <= 2 * UNIT


def test_the_order_of_slots_does_not_matter_to_what_is_heard():
    state = random_rooms(16)
    turned = state.clone()
    for name in ("object_sound", "object_phase", "object_cell"):
        setattr(turned, name, getattr(state, name).flip(1))
    assert (QUIET(state) - QUIET(turned)).abs().max() <= UNIT


def test_background_noise_is_faint_and_different_in_each_step_life_and_ear():
    state = empty_rooms(64)
    noise = EARS(state)
    assert loudness_db(noise) == pytest.approx(-60.0, abs=0.5)
    assert (noise[:, 0] != noise[:, 1]).any(dim=1).sum() > 60
    later, other = state.clone(), state.clone()
    later.step_count += 1
    other.episode += 1
    for changed in (later, other):
        assert (EARS(changed) != noise).any(dim=-1).float().mean() > 0.95
    assert torch.equal(EARS(state.clone()), noise)


@pytest.mark.parametrize("rows", [1, 5, 64, 1000])
def test_environments_hear_the_same_bits_at_any_batch_size(rows: int, monkeypatch: pytest.MonkeyPatch):
    state = random_rooms(150, objects=3)
    speech = torch.rand(150, 1600).round(decimals=3)
    expected = EARS(state, speech)
    monkeypatch.setattr(ears_module, "CHUNK_ROWS", rows)
    assert torch.equal(EARS(state, speech), expected)
    for first, last in ((0, 1), (77, 78), (10, 61), (149, 150)):
        which = torch.arange(first, last)
        assert torch.equal(EARS(state.rows(which), speech[which]), expected[which])


def test_hearing_changes_nothing_and_hands_out_new_samples():
    state = random_rooms(8)
    copy = state.clone()
    first = EARS(state)
    kept = first.clone()
    second = EARS(state)
    assert first.data_ptr() != second.data_ptr()
    second.zero_()
    assert torch.equal(first, kept)
    assert all(torch.equal(getattr(state, name), getattr(copy, name)) for name in state.names())


def test_speech_is_heard_alike_in_both_ears():
    state = empty_rooms(2)
    speech = (torch.rand(2, 1600) - 0.5).mul(2**15).round() * UNIT
    assert torch.equal(QUIET(state, speech), speech[:, None].expand(-1, 2, -1))


WIDE = RoomsEars(9, 15, objects=3, noise=False)


def behind(*columns: int, code: int = WALL_CODE, down: int = 0) -> float:
    """Level of a sound eight cells east of the agent and `down` below it, behind columns that are filled."""
    state = empty_rooms(1, 9, 15)
    state.agent_cell[:] = 3 * 15 + 2
    state.previous_pose = state.pose
    place(state, 0, (3 + down) * 15 + 10, 7)
    cells = state.cells.view(1, 9, 15)
    for column in columns:
        cells[:, 1:-1, column] = code
    return loudness_db(WIDE(state))


def test_each_wall_on_the_way_damps_by_eight_decibels_up_to_three_of_them():
    free = behind()
    for walls in ((5,), (4, 6), (4, 6, 8), (3, 5, 7, 9)):
        assert free - behind(*walls) == pytest.approx(8.0 * min(3, len(walls)), abs=0.3)


@pytest.mark.parametrize(("state", "damps"), [(OPEN, False), (CLOSED, True), (LOCKED, True)])
def test_shut_doors_damp_and_open_ones_do_not(state: int, damps: bool):
    assert behind() - behind(6, code=pack(DOOR, 2, state)) == pytest.approx(8.0 if damps else 0.0, abs=0.2)


def test_a_thick_or_slanting_wall_counts_once():
    free = behind(down=3)
    assert free - behind(5, 6, down=3) == pytest.approx(8.0, abs=0.2)
    state = empty_rooms(1, 9, 15)
    state.agent_cell[:] = 3 * 15 + 2
    state.previous_pose = state.pose
    place(state, 0, 6 * 15 + 10, 7)
    state.cells.view(1, 9, 15)[:, 5, 1:-1] = WALL_CODE
    assert free - loudness_db(WIDE(state)) == pytest.approx(8.0, abs=0.2)


def test_balls_and_what_stands_aside_do_not_damp():
    assert behind(6, code=pack(6, 1)) == pytest.approx(behind(), abs=1e-6)
    assert behind(1, 12) == pytest.approx(behind(), abs=1e-6)


def test_rooms_of_one_room_need_not_look_for_walls():
    state = random_rooms(64)
    assert torch.equal(RoomsEars(8, 8, objects=3, one_room=True)(state), EARS(state))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"height": 2}, "`height`"),
        ({"width": 7.5}, "`width`"),
        ({"objects": 0}, "`objects`"),
        ({"objects": True}, "`objects`"),
    ],
)
def test_wrong_sizes_are_named_in_one_sentence(wrong: dict[str, object], said: str):
    with pytest.raises(ConfigError, match=said) as error:
        RoomsEars(**{"height": 8, "width": 8, "objects": 3, **wrong})  # pyright: ignore[reportArgumentType]
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_states_and_speech_that_do_not_fit_are_named_in_one_sentence():
    with pytest.raises(ConfigError, match="made for 3 objects, but the state has 5"):
        EARS(random_rooms(2, objects=5))
    with pytest.raises(ConfigError, match=r"64 cells, but the state has 100"):
        EARS(random_rooms(2, height=10, width=10))
    with pytest.raises(ConfigError, match=r"`speech` must have shape \(2, 1600\)"):
        EARS(random_rooms(2), torch.zeros(1, 1600))
