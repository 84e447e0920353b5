"""The page shows what was found, escapes what others wrote and needs nothing else; pictures lie where tokens do."""

import dataclasses
import html.parser
import math

import numpy as np
import pytest
import torch

from senseweave.agent.explain.page import page
from senseweave.agent.explain.pictures import draw_tokens, relative, weighed_words
from senseweave.agent.explain.scenes import Scene, SenseView, ShownEpisode
from senseweave.agent.explain.shapley import Estimate
from senseweave.agent.explain.verdict import headline, judge_senses, warnings_of
from senseweave.perception import Camera, Grid, Instruction, Microphone, Perception, Spec, Vector, default_tokenizer

SPEC = Spec(
    camera=Camera(32, 32),
    ears=Microphone(2, 1600, 16000),
    instruction=default_tokenizer().instruction(48),
    map=Grid(4, 6, (3, 2)),
    touch=Vector(3),
)
HOSTILE = '<script src="//example.org/x.js"></script>'


class Reader(html.parser.HTMLParser):
    """Collects addresses, tags and words, and checks that tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.tags, self.words, self.open = [], [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "action", "data", "poster")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def sure(value):
    return Estimate(value, 0.01, (value - 0.02, value + 0.02))


@pytest.fixture(scope="module")
def perception():
    return Perception(SPEC)


def result(**changes):
    rows = [
        {
            "senses": senses,
            "without": [],
            "success_rate": 0.25 * len(senses),
            "success_interval": [0.1, 0.9],
            "difference": {"value": -0.1, "interval": [-0.2, 0.1], "is_chance": True} if len(senses) < 2 else None,
            "mean_return": 0.5,
            "mean_length": 9.0,
            "length_over_bot": 1.5,
        }
        for senses in (["camera", "ears"], ["camera"], ["ears"], [])
    ]
    found = {"decisions": 8, "largest_gap": 0.001, "senses": {}}
    found["senses"] = {name: {"absolute": 1.0, "share": 0.5, "signed": -0.5} for name in ("camera", "ears")}
    usual = {
        "env": HOSTILE,
        "run": "runs/<b>",
        "trained_steps": 10,
        "episodes": 20,
        "policy": "sampled",
        "bot_mean_length": 6.0,
        "removed": ["touch"],
        "verdict": "This policy uses its ears and ignores its camera.",
        "warnings": ["This policy ignores its camera."],
        "subsets": rows,
        "shapley": {"measure": "success", "decisions": 100},
        "attributions": found,
    }
    return usual | changes


def written(shown=None, **changes):
    values = {"camera": sure(0.0), "ears": sure(0.4)}
    estimates = dict.fromkeys(("results", "choices", "log_probability"), values)
    return page(result(**changes), judge_senses(values, values, "success"), estimates, shown)


def episode(perception, text):
    ids, _ = default_tokenizer().encode(text, 48)
    words = weighed_words(SPEC["instruction"], ids, np.linspace(-1, 1, 48))
    picture = draw_tokens(perception, "camera", np.full((32, 32, 3), 90, np.uint8), np.arange(16.0))
    view = SenseView("instruction", True, 0.5, 0.25, None, None, None, words, words)
    seen = SenseView("camera", True, 0.5, 0.25, picture, picture, picture, [], [])
    gone = dataclasses.replace(view, name="ears", is_present=False)
    scene = Scene(3, "<i>forward", 0.75, [seen, gone, view])
    return ShownEpisode(1, True, 9, {"camera": [0.1, 0.9], "ears": [0.5, 0.5]}, [scene])


def test_the_page_needs_nothing_else_and_escapes_what_others_wrote(perception):
    text = written(episode(perception, HOSTILE))
    reader = Reader(text)
    assert reader.addresses and all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert "script" not in reader.tags and "link" not in reader.tags and "<i>forward" in reader.words
    assert all(word not in text for word in ("url(", "@import", "http:", "https:"))
    assert "default-src 'none'" in text and reader.words.count("Step 3") == 1
    assert "<script src=" in reader.words, "the instruction is shown as it was written"


def test_the_page_has_every_section_and_every_subset(perception):
    reader = Reader(written(episode(perception, "go to the red ball")))
    sections = (
        *("Which senses it uses", "This policy ignores its camera.", "Success with each subset of senses"),
        *("Shapley values", "Gates over time", "Where it looked, and what moved it", "Integrated gradients"),
        "How to read this",
    )
    places = [reader.words.index(section) for section in sections]
    assert places == sorted(places)
    for told in ("camera + ears", "none", "x expert", "With 20 episodes the intervals are rough", "ears: absent"):
        assert told in reader.words, told
    assert reader.words.count("0.10 to 0.90") == 4
    assert "go to the red ball" in reader.words and "probability 0.75" in reader.words


def test_the_page_does_without_pictures_and_without_success():
    rows = [row | {"success_rate": None, "success_interval": None} for row in result()["subsets"]]
    reader = Reader(written(subsets=rows, bot_mean_length=None, episodes=500))
    assert (
        "Gates over time" not in reader.words
        and "intervals are rough" not in reader.words
        and "x expert" not in reader.words
    )


def test_small_and_wide_charts_have_names_for_who_cannot_see_them():
    assert written().count('role="img" aria-label=') == 4


def test_weights_glow_where_their_patch_is(perception):
    frame = np.full((32, 32, 3), 100, np.uint8)
    weights = np.zeros(16)
    weights[1 * 4 + 3] = 0.2  # row 1, column 3 of 4 x 4 patches
    plain = draw_tokens(perception, "camera", frame)
    glowing = draw_tokens(perception, "camera", frame, weights)
    assert plain.shape == glowing.shape == (160, 160, 3) and (plain == 100).all()
    bright = glowing[..., 0] > 150
    rows, columns = np.nonzero(bright)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 79, 120, 159)
    against = draw_tokens(perception, "camera", frame, -weights, is_signed=True)
    assert against[60, 140, 0] > 200 > 100 > against[60, 140, 2], "what speaks against it is red"


def test_a_frame_that_patches_do_not_divide_evenly_is_covered_from_its_corner():
    perception = Perception(Spec(camera=Camera(100, 40)))
    rows, columns = perception.encoders["camera"].grid_shape
    assert (rows, columns) == (7, 3)
    weights = np.zeros(rows * columns)
    weights[1 * columns] = 1.0
    glowing = draw_tokens(perception, "camera", np.zeros((100, 40, 3), np.uint8), weights)
    found = np.nonzero(glowing[..., 0] > 100)[0]
    assert abs(found.min() - 16 * 1.6) < 2 and abs(found.max() - 32 * 1.6) < 2, "a patch is 16 pixels"


@pytest.mark.parametrize(("height", "width", "side"), [(84, 84, 16), (120, 160, 32), (64, 64, 8), (36, 36, 8)])
def test_a_patch_is_as_large_as_the_encoder_sees_it(height, width, side):
    encoder = Perception(Spec(camera=Camera(height, width))).encoders["camera"]
    assert encoder.patch_px == side
    assert encoder.grid_shape == (math.ceil(height / side), math.ceil(width / side))


def test_a_grid_a_sound_and_numbers_have_pictures_and_a_text_has_none(perception):
    grid = draw_tokens(perception, "map", np.zeros((4, 6, 2), np.uint8), np.eye(1, 24, 23)[0])
    assert grid.shape == (107, 160, 3) and grid[-5, -5, 0] > 150 and grid[5, 5].max() == 0
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 1600)).astype(np.float32)
    tokens = perception.encoders["ears"](torch.from_numpy(sound)[None]).tokens.shape[1]
    weights = np.eye(1, tokens, 0)[0]
    heard = draw_tokens(perception, "ears", sound, weights)
    assert heard.shape == (160, 160, 3)
    assert heard[-5, 5, 0] > 150 and heard[-5, -5].max() == 0, "the first token lies at the left"
    numbers = np.array([0.5, -1.0, 2.0], np.float32)
    plain = draw_tokens(perception, "touch", numbers)
    weighed = draw_tokens(perception, "touch", numbers, np.ones(1))
    assert plain.shape == (160, 160, 3) and weighed.shape == (174, 160, 3)
    assert np.array_equal(weighed[:160], plain) and (weighed[160:, :, 0] > 150).all()
    assert draw_tokens(perception, "instruction", np.zeros(48, np.int32), np.ones(48)) is None


def test_words_keep_their_spelling_and_get_their_own_weight():
    ids, _ = default_tokenizer().encode("go to the red ball", 48)
    words = weighed_words(SPEC["instruction"], ids, np.arange(48.0))
    assert "".join(word.text for word in words) == "go to the red ball"
    assert [word.weight for word in words] == pytest.approx([place / 47 for place in range(len(words))])
    silence = weighed_words(SPEC["instruction"], np.zeros(48, np.int32), np.ones(48))
    assert [word.text for word in silence] == ["(nothing was said)"]
    foreign = weighed_words(Instruction(3, 7), np.array([5, 6, 0]), np.ones(3))
    assert [word.text for word in foreign] == ["#5 ", "#6 "]


def test_relative_weights_reach_one_and_zeros_stay():
    assert relative(np.array([0.5, -2.0, np.nan])).tolist() == [0.25, -1.0, 0.0]
    assert relative(np.zeros(2)).tolist() == [0.0, 0.0]


def wide(value, half):
    return Estimate(value, half / 2, (value - half, value + half))


@pytest.mark.parametrize(
    ("result", "choice", "use"),
    [
        (sure(0.1), sure(0.0), "uses"),
        (sure(-0.1), sure(0.0), "hurt"),
        (sure(0.01), sure(0.5), "reacts"),
        (sure(0.01), sure(-0.5), "reacts"),
        (sure(0.01), sure(0.01), "ignores"),
        (sure(0.01), wide(0.5, 0.6), "ignores"),
        (sure(0.0), wide(0.006, 0.003), "ignores"),
        (sure(0.0), wide(0.03, 0.005), "reacts"),
        (wide(0.132, 0.146), sure(0.5), "unclear"),
        (wide(0.0, 0.06), sure(0.5), "unclear"),
        (wide(0.0, 0.04), sure(0.5), "reacts"),
        (Estimate(0.0, math.nan, (-math.inf, math.inf)), sure(0.5), "unclear"),
        (wide(0.132, 0.146), wide(0.005, 0.001), "ignores"),
    ],
)
def test_the_verdict_follows_the_intervals(result, choice, use):
    assert judge_senses({"camera": result}, {"camera": choice}, "success")[0].use == use


def test_too_few_episodes_are_said_in_the_sentence_and_in_the_headline():
    verdicts = judge_senses({"ears": wide(0.132, 0.146)}, {"ears": sure(0.5)}, "success")
    assert (
        "too few episodes to tell whether it gains by that: success +0.132 (-0.014 to +0.278)" in verdicts[0].sentence
    )
    assert headline(verdicts) == "This policy reacts to its ears (too few episodes to tell whether it gains)."


def test_every_sense_that_is_ignored_stands_in_one_warning():
    nothing = {"camera": sure(0.0), "ears": sure(0.0)}
    assert warnings_of(judge_senses(nothing, nothing, "success")) == ["This policy ignores its camera and ears."]
    assert warnings_of(judge_senses({"ears": sure(0.5)}, {"ears": sure(0.5)}, "success")) == []


def test_what_is_little_beside_the_other_senses_is_noise():
    choices = {"camera": wide(0.03, 0.005), "ears": sure(5.0)}
    verdicts = judge_senses({"camera": sure(0.0), "ears": sure(0.5)}, choices, "return")
    assert [verdict.use for verdict in verdicts] == ["ignores", "uses"]
    assert headline(verdicts) == "This policy uses its ears and ignores its camera."
    assert "return +0.500 (+0.480 to +0.520)" in verdicts[1].sentence
