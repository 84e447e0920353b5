import pytest
import torch
from scipy import stats

from senseweave.envs.rooms.codes import COLOURS, EMPTY_CODE, KEY, KINDS, SOUNDS
from senseweave.envs.rooms.levels.registry import make_level
from senseweave.envs.rooms.levels.seek import SIZES, Seek, held_out
from senseweave.envs.rooms.state import RoomsState
from senseweave.perception.errors import ConfigError

HELD_OUT_IN_SMALL_ROOMS = [(0, 3), (1, 1), (2, 0), (4, 2), (7, 3), (8, 0), (8, 1)]
"""(look, sound); a policy that was trained on one version is tested on the same by another."""

FAMILY = ("Seek", "SeekSeen", "SeekHeard", "SeekSpoken")
SENSES = ("Seek", "SeekSeen", "SeekHeard")


def made(name: str, count: int, seed: int = 11, **options: object) -> tuple[Seek, RoomsState]:
    level = make_level(name, **options)
    assert isinstance(level, Seek)
    zeros = torch.zeros(count, dtype=torch.int64)
    return level, level.generate(zeros + seed, torch.arange(count), zeros)


def looks(state: RoomsState, level: Seek) -> torch.Tensor:
    return (state.object_kind - KEY) * level.colours + state.object_colour


def frequency(values: torch.Tensor) -> torch.Tensor:
    """How many objects of the same room share each object's value."""
    return (values[:, :, None] == values[:, None]).sum(dim=2)


def near(rate: torch.Tensor, chance: float, count: int) -> bool:
    """Within 4.5 standard errors."""
    return abs(rate.item() - chance) < 4.5 * (chance * (1 - chance) / count) ** 0.5


@pytest.mark.parametrize("split", [None, "train"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SENSES)
def test_who_does_not_know_the_instruction_can_only_guess(name, size, split):
    count = 4_000
    level, state = made(name, count, size=size, split=split)
    width, cell, look = level.width, state.object_cell, looks(state, level)
    dx = (cell % width - state.agent_cell[:, None] % width).abs()
    dy = (cell // width - state.agent_cell[:, None] // width).abs()
    slot = torch.arange(level.objects).expand(count, -1)
    scores = {
        "slot": slot,
        "distance": dx + dy,
        "cell": cell,
        "middle": ((2 * (cell % width) - width).abs() + (2 * (cell // width) - width).abs()),
        "look": look,
        "look's frequency": frequency(look),
        "colour's frequency": frequency(state.object_colour),
        "kind's frequency": frequency(state.object_kind),
        "sound": state.object_sound,
        "sound's frequency": frequency(state.object_sound),
        "combination": look * len(SOUNDS) + state.object_sound,
        "phase": state.object_phase,
    }
    for what, score in scores.items():
        for guess in (score.argmin(dim=1), score.argmax(dim=1)):
            rate = state.is_target.gather(1, guess[:, None]).float().mean()
            assert near(rate, 1 / level.objects, count), (what, rate)


@pytest.mark.parametrize("split", [None, "train", "test"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SENSES)
def test_the_instruction_says_nothing_about_what_the_other_senses_perceive(name, size, split):
    count = 10_000
    level, state = made(name, count, size=size, split=split)
    is_heard = torch.tensor(["object" in mission for mission in level.missions])[state.mission]
    other = torch.where(is_heard[:, None], looks(state, level), state.object_sound)
    for clue in (other, state.object_cell, state.object_phase):
        # The best table of (mission, clue) that the first half teaches, used on the second.
        half, size_of_table = count // 2, len(level.missions) * 200
        key = state.mission[:, None] * 200 + clue
        meant = torch.zeros(size_of_table).scatter_add_(
            0, key[:half].flatten(), state.is_target[:half].flatten().float()
        )
        seen = torch.zeros(size_of_table).scatter_add_(0, key[:half].flatten(), torch.ones(half * level.objects))
        score = (meant / seen.clamp(min=1))[key[half:]]
        guess = (score + torch.rand(score.shape, generator=torch.Generator().manual_seed(0)) * 1e-6).argmax(dim=1)
        rate = state.is_target[half:].gather(1, guess[:, None]).float().mean()
        assert near(rate, 1 / level.objects, half)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FAMILY)
def test_the_instruction_names_one_object_and_all_others_are_wrong(name, size):
    level, state = made(name, 400, size=size)
    assert (state.is_target.sum(dim=1) == 1).all() and torch.equal(state.is_wrong, ~state.is_target)
    for row in range(len(state)):
        mission = level.missions[state.mission[row]]
        texts = [
            f"go to the {SOUNDS[sound]} object" if "object" in mission else f"go to the {COLOURS[colour]} {KINDS[kind]}"
            for kind, colour, sound in zip(
                state.object_kind[row], state.object_colour[row], state.object_sound[row], strict=True
            )
        ]
        assert [text == mission for text in texts] == state.is_target[row].tolist()
        assert len(set(texts)) == level.objects  # all differ in what decides: the odd one out gives nothing away
        if name == "SeekHeard":
            assert len(set(looks(state, level)[row].tolist())) == 1


@pytest.mark.parametrize("split", [None, "train", "test"])
@pytest.mark.parametrize("size", SIZES)
def test_looks_and_sound_decide_equally_often_in_seek_and_never_mix_in_the_others(size, split):
    for name, low, high in (("Seek", 0.47, 0.53), ("SeekSpoken", 0.47, 0.53), ("SeekSeen", 0, 0), ("SeekHeard", 1, 1)):
        level, state = made(name, 6_000, size=size, split=split)
        heard = sum("object" in level.missions[row] for row in state.mission.tolist()) / 6_000
        assert low <= heard <= high
        if split != "test":
            assert set(state.mission.tolist()) == set(range(len(level.missions)))


@pytest.mark.parametrize("name", SENSES)
def test_every_kind_colour_sound_and_mission_is_equally_likely(name):
    level, state = made(name, 4_000)
    for values, kinds in (
        (state.object_kind - KEY, 3),
        (state.object_colour, level.colours),
        (state.object_sound, level.sounds),
    ):
        # One slot only: the objects of a room are not independent of each other.
        counts = torch.bincount(values[:, 0], minlength=kinds)
        assert len(counts) == kinds and stats.chisquare(counts).pvalue > 1e-4
    for part in (m for m in (range(9), range(9, 13)) if name == "Seek"):
        counts = torch.bincount(state.mission, minlength=13)[list(part)]
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FAMILY)
def test_objects_keep_their_distance_and_leave_the_agent_room(name, size):
    level, state = made(name, 3_000, size=size)
    x, y = state.object_cell % level.width, state.object_cell // level.width
    apart = torch.maximum((x[:, :, None] - x[:, None]).abs(), (y[:, :, None] - y[:, None]).abs())
    assert (apart[:, ~torch.eye(level.objects, dtype=torch.bool)] >= 2).all()
    from_agent = (x - state.agent_cell[:, None] % level.width).abs() + (
        y - state.agent_cell[:, None] // level.width
    ).abs()
    assert (from_agent >= 2).all()


def steps_to_face(state: RoomsState, width: int, slot: int) -> torch.Tensor:
    """Fewest actions until the object in a slot is faced and no other ever was; 999 where there is no way."""
    count = len(state)
    step = torch.tensor([1, width, -1, -width])
    holds = torch.full((count, width * width), -2)  # -2 free, -1 wall, else a slot
    holds[(state.cells != EMPTY_CODE).nonzero(as_tuple=True)] = -1
    holds.scatter_(1, state.object_cell, torch.arange(state.object_cell.shape[1]).expand(count, -1))
    ahead_cell = (torch.arange(width * width)[:, None] + step).clamp(0, width * width - 1)  # c 4
    ahead = holds[:, ahead_cell]  # b c 4
    is_goal = ahead == slot
    is_dead = ((ahead >= 0) & ~is_goal) | (holds != -2)[:, :, None]
    reached = torch.zeros_like(is_goal)
    reached[torch.arange(count), state.agent_cell, state.heading] = True
    steps = torch.full((count,), 999)
    for number in range(200):
        arrived = (reached & is_goal & ~is_dead).any(dim=(1, 2))
        steps = torch.where(arrived & (steps == 999), number, steps)
        before = reached
        moved = torch.zeros_like(reached)
        for heading in range(4):  # from the cell behind; the row of cells is rolled and walls are dead anyway
            moved[:, :, heading] = reached[:, :, heading].roll(step[heading].item(), dims=1)
        reached = (reached | reached.roll(1, dims=2) | reached.roll(-1, dims=2) | moved) & ~is_dead
        if torch.equal(reached, before):
            break
    return steps


@pytest.mark.parametrize(("size", "count"), [("small", 4_000), ("medium", 1_000), ("large", 300)])
def test_every_object_can_be_faced_without_facing_another_well_within_the_time_limit(size, count):
    level, state = made("Seek", count, size=size)
    for slot in range(level.objects):
        steps = steps_to_face(state, level.width, slot)
        assert (steps > 0).all()  # nothing is decided before the first action
        assert steps.max() <= level.max_steps / 2


@pytest.mark.nightly
def test_every_object_can_be_faced_without_facing_another_in_many_crowded_rooms():
    for size, objects in (("small", 3), ("medium", 6), ("medium", 5), ("large", 8)):
        for seed in range(10):
            level, state = made("Seek", 5_000, seed=seed, size=size, objects=objects)
            for slot in range(level.objects):
                assert steps_to_face(state, level.width, slot).max() <= level.max_steps


def combinations(state: RoomsState, level: Seek) -> torch.Tensor:
    return held_out(level.colours, level.sounds)[looks(state, level), state.object_sound]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SENSES)
def test_training_never_shows_what_is_held_out_and_the_test_always_means_it(name, size):
    level, state = made(name, 3_000, size=size, split="train")
    assert not combinations(state, level).any()
    level, state = made(name, 3_000, size=size, split="test")
    assert combinations(state, level)[state.is_target].all()
    meant = torch.stack([looks(state, level)[state.is_target], state.object_sound[state.is_target]], dim=1)
    assert {tuple(pair) for pair in meant.tolist()} == {
        tuple(pair) for pair in held_out(level.colours, level.sounds).nonzero().tolist()
    }
    first = state.is_target[:, 0].float().mean()
    assert near(first, 1 / level.objects, 3_000)


@pytest.mark.parametrize("size", SIZES)
def test_training_shows_every_pair_of_attributes(size):
    level, state = made("Seek", 6_000, size=size, split="train")
    kind, colour, sound = state.object_kind - KEY, state.object_colour, state.object_sound
    for one, other, pairs in (
        (kind, colour, 3 * level.colours),
        (kind, sound, 3 * level.sounds),
        (colour, sound, level.colours * level.sounds),
    ):
        assert len((one * 100 + other).flatten().unique()) == pairs


def test_what_is_held_out_is_a_fifth_and_does_not_change_from_version_to_version():
    for _, _, colours, sounds in SIZES.values():
        assert held_out(colours, sounds).float().mean() == pytest.approx(0.2, abs=0.02)
    assert [tuple(pair) for pair in held_out(3, 4).nonzero().tolist()] == HELD_OUT_IN_SMALL_ROOMS


def test_sizes_are_as_documented_and_speech_gets_time():
    for size, cells, objects, missions in (("small", 8, 3, 13), ("medium", 10, 5, 24), ("large", 14, 8, 26)):
        level = make_level("Seek", size=size)
        assert (level.height, level.width, level.objects, len(level.missions)) == (cells, cells, objects, missions)
        assert level.max_steps == cells**2 and not level.spoken
        spoken = make_level("SeekSpoken", size=size)
        assert spoken.spoken and spoken.max_steps > level.max_steps
    assert make_level("Seek", objects=2).objects == 2
    assert make_level("Seek", max_steps=30).max_steps == 30


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "huge"}, "`size` must be one of 'small', 'medium', 'large'; got 'huge'"),
        ({"split": "valid"}, "`split` must be one of"),
        ({"objects": 4}, "`objects` must be a whole number in 2..3"),
        ({"objects": 1}, "`objects` must be"),
        ({"max_steps": 0}, "`max_steps` must be"),
        ({"size": "large", "split": "train", "objects": 9}, "`objects` must be a whole number in 2..8"),
        ({"sise": "small"}, 'did you mean "size"'),
    ],
)
def test_wrong_options_get_one_sentence(options, words):
    with pytest.raises(ConfigError) as caught:
        make_level("Seek", **options)
    assert words in str(caught.value) and str(caught.value).count("\n") == 0


def test_objects_sound_apart_from_what_they_look_like():
    level, state = made("Seek", 4_000)
    is_seen = ~torch.tensor(["object" in mission for mission in level.missions])[state.mission]
    table = torch.zeros(9, 4)
    for look, sound in zip(
        looks(state, level)[is_seen, 1].tolist(), state.object_sound[is_seen, 1].tolist(), strict=True
    ):
        table[look, sound] += 1
    assert stats.chi2_contingency(table).pvalue > 1e-4
    assert (table > 0).all()


def test_the_worked_example_of_the_tables_is_what_they_are():
    level = make_level("Seek", split="train")
    assert level._common.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7]
    assert level._blocked[0].nonzero().flatten().tolist() == [2, 8]
    assert level._blocked[4].nonzero().flatten().tolist() == [3, 4, 5, 6, 7, 8]
    assert (level._counts.tolist(), level._starts.tolist(), level._mission_start.tolist()) == ([4, 8], [0, 4], [0, 9])
    assert level.missions[9] == "go to the ringing object"
    is_held_out = held_out(3, 4)
    assert int(is_held_out.sum()) == 7 and is_held_out[2].tolist() == [True, False, False, False]
    assert is_held_out[8].tolist() == [True, True, False, False]
    assert torch.equal(level._goes_with[0, :, :4], ~is_held_out) and not level._goes_with[0, :, 4:].any()
