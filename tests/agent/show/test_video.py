import dataclasses
from fractions import Fraction

import av
import cv2
import gymnasium
import numpy as np
import pytest
import torch

from senseweave.agent.play.players import PolicyPlayer, RandomPlayer
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import load_policy
from senseweave.agent.show import painting as picture
from senseweave.agent.show import video
from senseweave.agent.show.frame import Ending, Frame, layout
from senseweave.agent.show.numbers import draw_numbers
from senseweave.agent.show.painting import draw
from senseweave.agent.show.palette import SENSES
from senseweave.agent.show.programme import Part, Programme, first_episodes
from senseweave.envs import make
from senseweave.envs.rooms.render import canvas
from senseweave.perception import Camera, Grid, Instruction, Microphone, Spec, Vector
from senseweave.perception.errors import MissingExtraError, SenseweaveError
from senseweave.policies.extractor import watch_states

LEVEL = "BabyAI-GoToRedBallGrey-v0"
EVERYTHING = Spec(
    camera=Camera(48, 80),
    ears=Microphone(2, 1600, 16000),
    grid=Grid(5, 9, (4, 3)),
    text=Instruction(8, 64),
    v=Vector(3),
)


@pytest.fixture(scope="module")
def policy(trained):
    return load_policy(RunDirectory.open(trained), make(LEVEL), torch.device("cpu"))[0]


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def count(drawn, colour):
    return int((drawn == np.array(colour)).all(axis=-1).sum())


def frame(senses: Spec, **changes) -> Frame:
    gates = dict.fromkeys(senses, 0.5)
    observation = {name: space.sample() for name, space in senses.space().items()}
    observation["present"] = senses.present()
    plain = Frame(
        observation, "go to the red ball", gates, np.full((30, 50, 3), 90, np.uint8), ["step 1", "return 0.00"]
    )
    return dataclasses.replace(plain, **changes)


def test_a_video_shows_whole_episodes_in_frames_of_one_even_size(policy, tmp_path):
    path = tmp_path / "deeper" / "film.mp4"
    filmed = video.record(PolicyPlayer(policy), make(LEVEL), path, first_episodes(0, 2, {}))
    frames = frames_of(path)
    assert len(frames) > 16 and {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["film.mp4"]
    assert not np.array_equal(frames[0], frames[-1])
    held = (3 - 1) + (6 - 1)  # a second at the begin and two at the end
    assert [episode.is_whole for episode in filmed] == [True, True]
    assert len(frames) == sum(episode.steps + 1 + held for episode in filmed)


def test_three_steps_a_second_are_shown_and_fewer_where_a_step_sounds_longer():
    paces = [video.Pace.of(step_s, has_sound=True).fps for step_s in (0.02, 0.1, 1 / 3, 0.5, 2.0)]
    assert paces == [3, 3, 3, 2, Fraction(1, 2)]
    assert video.Pace.of(2.0, has_sound=False).fps == 3
    assert video.Pace(Fraction(1, 2)).pictures(1.0) == 1, "a picture stands for its step at least"


def test_chosen_episodes_take_a_minute_at_most_and_end_with_their_outcome(policy, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(video, "draw", lambda senses, frame: seen.append(frame) or draw(senses, frame))
    env, turn = make(LEVEL), [np.array(0)] * 64  # it turns on the spot until time is over
    parts = [Part(seed, f"{seed}", turn, {"grid": 32} if seed == 3 else {}) for seed in range(5)]
    filmed = video.record(PolicyPlayer(policy), env, tmp_path / "film.mp4", Programme(parts))
    assert [episode.steps for episode in filmed] == [64] * 5 and all(episode.is_whole for episode in filmed)
    frames = frames_of(tmp_path / "film.mp4")
    assert 0.8 * 180 < len(frames) <= 180
    ends = [moment for moment in seen if moment.ending is not None]
    assert [moment.ending for moment in ends] == [Ending.OUT_OF_TIME] * 5
    assert {moment.status[0] for moment in ends} == {"step 64"}
    gaps = [moment.status[2] for moment in seen if len(moment.status) > 2]
    assert len(gaps) == 4 + 2 and all(gap.endswith(" steps later") for gap in gaps)
    dark = [moment for moment in seen if moment.title == "3" and not moment.observation["present"][0]]
    assert dark[0].status[0] == "step 32" and dark[-1].ending is not None


def test_every_word_is_in_its_place_before_a_pixel_is_painted():
    moment = frame(
        EVERYTHING,
        title="1 of 4: a success",
        note="seed 7",
        state="forward",
        room_title="the room, which it does not see",
    )
    arranged = layout(EVERYTHING, moment)
    assert (arranged.title, arranged.note, arranged.instruction) == (
        "1 of 4: a success",
        "seed 7",
        "go to the red ball",
    )
    assert arranged.heading[0] == "text" and arranged.status == "step 1    return 0.00" and arranged.state == "forward"
    assert [(panel.title, panel.legend) for panel in arranged.panels] == [
        ("camera", "what it sees"),
        ("ears", "lobe: direction; bars: loudness at each ear"),
        ("grid", "the cells that it is shown"),
        ("the room, which it does not see", "from above: lit = in view, line = its way, green = meant"),
    ]
    assert [(gate.name, gate.value, gate.is_here) for gate in arranged.gates] == [
        (name, 0.5, True) for name in ("camera", "ears", "grid", "text", "v")
    ]
    gone = EVERYTHING.present("camera", "text")
    blind = dataclasses.replace(
        moment, observation=moment.observation | {"present": gone}, absence={"camera": "unplugged"}, ending=Ending.WRONG
    )
    arranged = layout(EVERYTHING, blind)
    assert arranged.panels[0].title == "camera unplugged" and arranged.panels[0].picture is None
    assert arranged.heading[0] == "text absent" and not arranged.is_told and arranged.ending is Ending.WRONG
    assert [gate.is_here for gate in arranged.gates] == [False, True, True, False, True]


def test_the_picture_shows_what_the_policy_saw(policy):
    """minigrid's own drawing of the agent's view is the oracle."""
    env = make(LEVEL)
    observation, info = env.reset(seed=1_000_000_000)
    drawn = draw(env.get_wrapper_attr("senses"), Frame(observation, info["instruction_text"], None, None, []))
    expected = env.unwrapped.get_frame(tile_size=32, agent_pov=True)
    top = picture.PANELS_TOP + picture.LINE_PX
    panel = drawn[top : top + picture.PANEL_PX, picture.MARGIN_PX : picture.MARGIN_PX + picture.PANEL_PX]
    centres = (np.arange(7) * picture.PANEL_PX / 7 + picture.PANEL_PX / 14).astype(int)
    cells = (np.arange(7) * 32 + 16).astype(int)
    np.testing.assert_allclose(panel[np.ix_(centres, centres)], expected[np.ix_(cells, cells)], atol=40)


@pytest.mark.parametrize(
    "instruction",
    [None, "", "go", "word " * 2000, "x" * 10_000, "去红球 " * 20, "🙂🙃", "a\nb\tc", "\x00\x07", "\ud800 lone"],
    ids=["none", "empty", "short", "long", "unbroken", "chinese", "emoji", "lines", "control", "surrogate"],
)
def test_any_instruction_can_be_drawn_and_stays_inside_its_two_lines(instruction):
    with_text = draw(EVERYTHING, plain := frame(EVERYTHING, instruction=instruction))
    without = draw(EVERYTHING, dataclasses.replace(plain, instruction=None))
    assert with_text.shape == without.shape and with_text.dtype == np.uint8
    below = picture.PANELS_TOP
    np.testing.assert_array_equal(with_text[below:], without[below:])
    margin = picture.MARGIN_PX - 2
    assert (with_text[:, :margin] == without[:, :margin]).all() and (with_text[:, -4:] == without[:, -4:]).all()


def test_a_longer_bar_means_a_larger_gate():
    senses = Spec(camera=Camera(32, 32))
    below = picture.PANELS_TOP + picture.LINE_PX + picture.PANEL_PX
    blue = []
    for gate in (0.0, 0.25, 1.0, 7.0):
        drawn = draw(senses, frame(senses, gates={"camera": gate}, room=None))
        blue.append(count(drawn[below:], SENSES["camera"]))
    assert blue[0] == 0 and blue[1] == pytest.approx(blue[2] / 4, rel=0.05) and blue[3] == blue[2]


def test_without_a_policy_there_are_no_gates_to_draw():
    plain = frame(EVERYTHING)
    assert len(draw(EVERYTHING, dataclasses.replace(plain, gates=None))) < len(draw(EVERYTHING, plain))


def test_an_absent_sense_is_a_dark_panel_that_says_why():
    senses = Spec(camera=Camera(32, 32))
    white = {"camera": np.full((32, 32, 3), 255, np.uint8)}
    top, left = picture.PANELS_TOP + picture.LINE_PX, picture.MARGIN_PX
    drawn = []
    for present, absence in ((1, {}), (0, {}), (0, {"camera": "unplugged"})):
        whole = frame(senses, observation=white | {"present": np.array([present])}, room=None, absence=absence)
        drawn.append(draw(senses, whole)[top : top + picture.PANEL_PX, left : left + picture.PANEL_PX])
    assert (drawn[0] == 255).all()
    assert all((panel[:80] < 60).all() and count(panel, (255, 255, 255)) > 100 for panel in drawn[1:])
    assert not np.array_equal(drawn[1], drawn[2]), "the word is another"


@pytest.mark.parametrize(
    ("is_success", "is_out_of_time", "ending"),
    [
        (True, False, Ending.SUCCESS),
        (True, True, Ending.SUCCESS),
        (False, False, Ending.WRONG),
        (False, True, Ending.OUT_OF_TIME),
        (None, True, Ending.OVER),
    ],
)
def test_the_outcome_is_large_and_on_its_colour(is_success, is_out_of_time, ending):
    assert Ending.of(is_success, is_out_of_time=is_out_of_time) is ending and ending.is_success is is_success
    drawn = draw(EVERYTHING, frame(EVERYTHING, ending=ending))
    assert (drawn[-1] == ending.value[1]).all()
    band = (drawn == np.array(ending.value[1])).all(axis=-1).all(axis=1) | (drawn[:, 0] == ending.value[1]).all(axis=-1)
    letters = (drawn[band] == 255).all(axis=-1).any(axis=1)
    assert band.sum() > 0.25 * len(drawn) and letters.sum() > 45, "a quarter of the frame, in letters of 60 pixels"
    without_gates = draw(EVERYTHING, frame(EVERYTHING, ending=ending, gates=None))
    assert (without_gates[-1] == ending.value[1]).all()


def test_numbers_are_bars_to_the_left_and_to_the_right_with_their_values():
    drawn = draw_numbers(np.array([1.0, -2.0, 0.0, np.nan, np.inf], np.float32), 320, SENSES["audio"])
    rows = [(drawn[48 * row : 48 * row + 48] == SENSES["audio"]).all(axis=-1).sum(axis=0) for row in range(5)]
    columns = [np.nonzero(row)[0] for row in rows]
    middle = columns[2][0]
    assert columns[0].min() == middle == columns[1].max()
    assert np.ptp(columns[1]) == pytest.approx(2 * np.ptp(columns[0]), abs=1)
    assert all(len(columns[row]) == 1 for row in (2, 3, 4)), "nothing, and what is not finite, has no length"


@pytest.mark.parametrize("size", [1, 12, 13, 500])
def test_any_number_of_numbers_fits_a_panel(size):
    assert draw_numbers(np.linspace(-1e30, 1e30, size), 320, SENSES["audio"]).shape == (320, 320, 3)


def test_what_a_foreign_environment_draws_is_not_called_a_room(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(video, "draw", lambda senses, frame: titles.append(frame.room_title) or draw(senses, frame))
    for env_id in ("CartPole-v1", "senseweave/GoToRedBallGrey-v0"):
        env = video.make_with_pictures(env_id, {})
        video.record(RandomPlayer(env), env, tmp_path / "film.mp4", first_episodes(0, 1, {}), max_frames=2)
    assert titles == ["the environment's own picture"] * 2 + ["the room, which it does not see"] * 2


def test_a_sense_is_unplugged_in_the_middle_of_every_episode(policy, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(video, "draw", lambda senses, frame: seen.append(frame) or draw(senses, frame))
    two = first_episodes(0, 2, {"instruction": 0, "grid": 2})
    filmed = video.record(PolicyPlayer(policy), make(LEVEL), tmp_path / "film.mp4", two)
    first, second = (episode.steps + 1 for episode in filmed)
    assert len(seen) == first + second
    for part in (seen[:first], seen[first:]):
        assert [moment.observation["present"].tolist() for moment in part[:3]] == [[1, 0], [1, 0], [0, 0]]
        assert all(moment.gates["grid"] == 0.0 for moment in part[2:]) and part[1].gates["grid"] > 0
        assert part[2].absence == {"grid": "unplugged"}
    with pytest.raises(SenseweaveError, match='no sense "camera"'):
        video.record(PolicyPlayer(policy), make(LEVEL), tmp_path / "film.mp4", first_episodes(0, 1, {"camera": 2}))


def test_a_loop_stands_at_its_ends_and_has_no_end(policy, tmp_path):
    path = tmp_path / "film.webp"
    filmed = video.record(PolicyPlayer(policy), make(LEVEL), path, first_episodes(0, 1, {"grid": 2}))
    done, loop = cv2.imreadanimation(str(path))
    assert done and loop.loop_count == 0
    durations = np.array(loop.durations)
    assert filmed[0].steps > 3 and durations.sum() == pytest.approx(1000 * (filmed[0].steps + 1 - 3) / 3 + 4000, abs=20)
    assert durations[0] >= 1000 and durations[-1] >= 2000


def test_a_video_without_opencv_or_with_a_broken_renderer_is_told_and_not_raised(policy, tmp_path, monkeypatch, capsys):
    def no_cv2(purpose):
        raise MissingExtraError("Drawing needs OpenCV, which could not be imported (libGL.so.1).")

    with monkeypatch.context() as patch:
        patch.setattr(canvas, "import_cv2", no_cv2)
        assert video.try_to_record(policy, LEVEL, {}, tmp_path / "film.mp4") is None
    assert capsys.readouterr().err == (
        "There is no video: Drawing needs OpenCV, which could not be imported (libGL.so.1).\n"
    )
    with monkeypatch.context() as patch:
        patch.setattr(video, "draw", lambda *_: 1 / 0)
        assert video.try_to_record(policy, LEVEL, {}, tmp_path / "film.mp4") is None
    assert "drawing it failed: ZeroDivisionError" in capsys.readouterr().err
    (tmp_path / "taken.mp4").mkdir()
    assert video.try_to_record(policy, LEVEL, {}, tmp_path / "taken.mp4") is None
    assert "taken.mp4 could not be written" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.mp4"]


def test_an_environment_that_cannot_draw_itself_is_filmed_through_its_senses(policy, tmp_path, monkeypatch):
    def make_without_pictures(env_id, **options):
        if "render_mode" in options:
            raise gymnasium.error.Error("no pictures here")
        return make(env_id, **options)

    monkeypatch.setattr(video, "make", make_without_pictures)
    assert video.try_to_record(policy, LEVEL, {}, tmp_path / "film.mp4")
    assert frames_of(tmp_path / "film.mp4")


def test_watching_a_policy_gives_the_state_of_the_same_forward_call_and_ends(policy):
    env = make(LEVEL)
    observation, _ = env.reset(seed=0)
    batch = {key: value[None] for key, value in observation.items()}
    states = []
    with watch_states(policy, states.append):
        policy.predict(batch, deterministic=True)
    policy.predict(batch, deterministic=True)
    assert len(states) == 1 and set(states[0].gates) == {"grid", "instruction"}
    assert states[0].embedding.shape == (1, 128)
