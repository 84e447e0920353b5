import json
from pathlib import Path

import numpy as np
import pytest
import torch

import senseweave.envs.rooms.sound
from kit.rooms.listening import empty_rooms, random_rooms
from senseweave.envs.rooms.codes import COLOURS, SOUNDS
from senseweave.envs.rooms.env import RoomsEnv
from senseweave.envs.rooms.levels.registry import LEVELS, make_level
from senseweave.envs.rooms.missions import VOICES
from senseweave.envs.rooms.sound.ears import RoomsEars
from senseweave.envs.rooms.sound.recordings import recordings
from senseweave.envs.rooms.sound.speech import Speech
from senseweave.envs.rooms.state import RoomsState
from senseweave.perception.errors import ConfigError

DATA = Path(senseweave.envs.rooms.sound.__path__[0]) / "data"
THINGS = ("ball", "box", "key")
MISSIONS = (
    *(f"go to the {colour} {thing}" for colour in COLOURS for thing in THINGS),
    *(f"go to the {sound} object" for sound in SOUNDS),
    "pick up the red key on your left",
    "pick up a blue box in front of you",
    "pick up the grey ball behind you",
    "pick up the yellow key on your right",
    "open the purple door",
    "open a green door",
    "put the red ball next to the blue box",
    "put the yellow key next to the purple ball",
)
SPEECH = Speech(MISSIONS)


def moments(mission: int, voice: int, steps: int, state: RoomsState | None = None) -> RoomsState:
    """The first steps of an episode, one a row."""
    state = empty_rooms(steps) if state is None else state
    state.mission[:], state.voice[:] = mission, voice
    state.step_count[:] = torch.arange(steps)
    return state


def spoken(mission: int, voice: int) -> torch.Tensor:
    """The whole instruction and a little silence: (t,)."""
    return SPEECH.blocks(moments(mission, voice, int(SPEECH.steps[mission, voice]) + 2)).flatten()


def test_levels_draw_from_the_voices_that_were_recorded():
    assert len(recordings().voices) == VOICES


@pytest.mark.parametrize("name", sorted(set(LEVELS) - {"SeekGrounded"}))
def test_every_mission_of_every_level_can_be_spoken(name: str):
    missions = make_level(name).missions
    steps = Speech(missions).steps
    assert steps.shape == (len(missions), VOICES)
    assert steps.min() >= 5 and steps.max() <= 45


def test_the_instruction_is_its_words_one_after_the_other_and_then_silence():
    said = recordings()
    for voice in range(VOICES):
        parts = [said.places[word][voice] for word in ("go", "to", "the", "ringing", "object")]
        expected = torch.cat([said.blocks[voice][first : first + count] for first, count in parts]).flatten()
        mission = MISSIONS.index("go to the ringing object")
        heard = spoken(mission, voice)
        assert SPEECH.steps[mission, voice] * 1600 == len(expected)
        assert torch.equal(heard[: len(expected)], expected)
        assert heard[len(expected) :].count_nonzero() == 0
        late = SPEECH.blocks(moments(mission, voice, 1000))
        assert torch.equal(late.flatten()[: len(expected)], expected)
        assert late.flatten()[len(expected) :].count_nonzero() == 0


def test_missions_and_voices_sound_different():
    heard = SPEECH.blocks(moments(0, 0, 20))
    assert not torch.equal(heard, SPEECH.blocks(moments(1, 0, 20)))
    for voice in range(1, VOICES):
        assert not torch.equal(heard, SPEECH.blocks(moments(0, voice, 20)))


def test_each_environment_hears_its_own_mission_voice_and_moment():
    state = empty_rooms(200)
    generator = torch.Generator().manual_seed(0)
    state.mission[:] = torch.randint(0, len(MISSIONS), (200,), generator=generator)
    state.voice[:] = torch.randint(0, VOICES, (200,), generator=generator)
    state.step_count[:] = torch.randint(0, 40, (200,), generator=generator)
    heard = SPEECH.blocks(state)
    assert heard.dtype == torch.float32
    assert heard.shape == (200, 1600)
    for row in range(0, 200, 17):
        assert torch.equal(SPEECH.blocks(state.rows(torch.tensor([row])))[0], heard[row])


def test_recordings_are_equally_loud_not_overdriven_and_begin_and_end_softly():
    said = recordings()
    for word, places in said.places.items():
        for voice, (first, count) in enumerate(places):
            sound = said.blocks[voice][first : first + count].flatten().double()
            assert torch.equal((sound * 2**15).round(), sound * 2**15)
            assert sound.abs().max() <= 0.6 + 2**-15
            louder_half = sound[sound != 0].square().sort().values
            level_db = 10.0 * torch.log10(louder_half[len(louder_half) // 2 :].mean())
            assert -26.0 < level_db < -17.0, (word, said.voices[voice])
            assert sound[0] == 0.0
            assert sound[-1].abs() < 0.01
            assert 1 <= count <= 9
            assert sound[-1600:].abs().max() > 0.0, "a whole step of silence at the end"


def test_recordings_do_not_overlap_and_leave_nothing_over():
    said = recordings()
    for voice in range(VOICES):
        places = sorted(places[voice] for places in said.places.values())
        ends = [first + count for first, count in places]
        assert [first for first, _ in places] == [0, *ends[:-1]]
        assert ends[-1] == len(said.blocks[voice])


def test_the_files_are_small_and_their_licence_is_beside_them():
    assert sum(path.stat().st_size for path in DATA.iterdir() if path.is_file()) < 1_500_000
    licence = (DATA / "LICENCE.md").read_text(encoding="utf-8")
    for voice in json.loads((DATA / "speech.json").read_text(encoding="utf-8"))["voices"]:
        assert f"`{voice}.flac`" in licence


def test_a_word_that_was_not_recorded_is_named_in_one_sentence():
    with pytest.raises(ConfigError, match='"rod" of the mission "go to the rod" .* did you mean "red"') as error:
        Speech(("go to the red ball", "go to the rod"))
    assert "\n" not in str(error.value)


def test_a_level_whose_words_were_not_recorded_cannot_be_spoken():
    with pytest.raises(ConfigError, match='The word "short" of the mission .* was not recorded') as error:
        RoomsEnv("SeekGrounded", spoken=True)
    assert "\n" not in str(error.value)


def test_capitals_and_commas_are_not_heard():
    state = moments(0, 0, 40)
    plain = Speech(("go to the red ball then open the door",))
    assert torch.equal(Speech(("Go to the red ball, then open the door",)).blocks(state), plain.blocks(state))


def test_a_level_without_missions_is_silent():
    assert Speech(()).steps.shape == (0, VOICES)


def recognised(sounds: list[torch.Tensor], grammar_file: Path) -> list[str]:
    """What pocketsphinx makes of each sound, given BabyAI's grammar."""
    pocketsphinx = pytest.importorskip("pocketsphinx")
    grammar = f"""#JSGF V1.0;
    grammar missions;
    <what> = {"|".join((*COLOURS, *SOUNDS))};
    <thing> = (the|a) [<what>] (ball|box|key|door|object) [on your left|on your right|in front of you|behind you];
    public <mission> = go to <thing> | pick up <thing> | open <thing> | put <thing> next to <thing>;
    """
    grammar_file.write_text(grammar, encoding="utf-8")
    decoder = pocketsphinx.Decoder(jsgf=str(grammar_file), loglevel="FATAL", samprate=16_000)
    texts = []
    for sound in sounds:
        samples = np.concatenate([np.zeros(1600), sound.double().numpy() * 2**15]).astype(np.int16)
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        texts.append(decoder.hyp().hypstr if decoder.hyp() else "")
    return texts


@pytest.mark.nightly
@pytest.mark.parametrize("voice", range(VOICES))
def test_a_speech_recogniser_understands_every_voice(voice: int, tmp_path: Path):
    """Written by machine, read by machine: of 34 missions at least 28 word for word."""
    texts = recognised([spoken(mission, voice) for mission in range(len(MISSIONS))], tmp_path / "missions.gram")
    exact = sum(text == mission for text, mission in zip(texts, MISSIONS, strict=True))
    print(recordings().voices[voice], exact, "of", len(MISSIONS))
    assert exact >= 28


def test_speech_stands_out_from_the_sounds_of_a_room():
    """In a room with three sounds, its level is well above theirs on average."""
    state = moments(0, 0, 400, random_rooms(400))
    ears = RoomsEars(8, 8, objects=3)
    room = ears(state).square().mean()
    said = torch.cat([spoken(mission, voice) for mission in range(8) for voice in range(VOICES)]).square().mean()
    assert 10.0 * torch.log10(said / room) > 8.0
