"""An instruction that no observation holds: a constant, or what a function makes of an observation and its infos."""

from typing import Any

import pytest
from gymnasium import spaces

from kit.worlds.scripted import JOINTS, TEXT, ScriptedWorld
from senseweave.envs import adapt, make
from senseweave.perception.errors import ConfigError, ObservationError, SpecError
from senseweave.perception.spec import Instruction, Spec, Vector
from senseweave.perception.tokenizer import default_tokenizer

POSITION = spaces.Dict({"position": JOINTS})


def test_a_constant_instruction_is_said_all_the_time() -> None:
    env = adapt(ScriptedWorld(POSITION), instruction="go to the red ball")
    assert env.get_wrapper_attr("senses") == Spec(instruction=Instruction(48, 1024), position=Vector(3))
    observation, info = env.reset()
    for _ in range(3):
        assert observation["instruction"].tolist() == default_tokenizer().encode("go to the red ball", 48)[0].tolist()
        assert info["instruction_text"] == "go to the red ball" and observation["present"].tolist() == [1, 1]
        observation, _, _, _, info = env.step(0)


def test_an_instruction_is_said_to_an_observation_that_is_no_dict() -> None:
    env = make("CartPole-v1", instruction="balance the pole")
    assert env.get_wrapper_attr("senses") == Spec(instruction=Instruction(48, 1024), vector=Vector(4))
    assert env.reset(seed=0)[1]["instruction_text"] == "balance the pole"


def test_a_function_says_what_the_infos_or_the_observation_tell() -> None:
    env = adapt(ScriptedWorld(POSITION, info={"task": "push the cube"}), instruction=lambda seen, info: info["task"])
    observation, info = env.reset()
    assert info["instruction_text"] == "push the cube" and observation["present"].all()
    texts = [{"position": [value, 0.0, 0.0]} for value in (0.0, 1.0, 0.0)]

    def tell(seen: Any, info: Any) -> str | None:
        return "go on" if seen["position"][0] else None

    env = adapt(ScriptedWorld(POSITION, *texts), instruction=tell)
    here = [env.reset()[0]["present"].tolist(), env.step(0)[0]["present"].tolist(), env.step(0)[0]["present"].tolist()]
    assert here == [[0, 1], [1, 1], [0, 1]]
    env = adapt(ScriptedWorld(POSITION, *texts), instruction=tell, hold_instruction=True)
    here = [env.reset()[0]["present"].tolist(), env.step(0)[0]["present"].tolist(), env.step(0)[0]["present"].tolist()]
    assert here == [[0, 1], [1, 1], [1, 1]]


def test_the_name_of_a_source_is_that_source_as_before() -> None:
    two = spaces.Dict({"hint of the day": TEXT, "task": TEXT})
    assert adapt(ScriptedWorld(two), instruction="task").get_wrapper_attr("senses").names == (
        "hint_of_the_day",
        "instruction",
    )
    env = adapt(ScriptedWorld(two, {"hint of the day": "look", "task": "go"}), instruction="hint of the day")
    assert env.reset()[1]["instruction_text"] == "look"


def test_a_text_of_the_environment_keeps_its_name_beside_what_is_said() -> None:
    env = adapt(ScriptedWorld(spaces.Dict({"news": TEXT}), {"news": "rain"}), instruction="go home now")
    info = env.reset()[1]
    assert (info["instruction_text"], info["news_text"]) == ("go home now", "rain")


def test_mistakes_are_one_sentence_whose_advice_works() -> None:
    with pytest.raises(SpecError, match=r'no source "positon"; did you mean "position"') as caught:
        adapt(ScriptedWorld(POSITION), instruction="positon")
    assert "\n" not in str(caught.value)
    advice = str(caught.value).partition("is said by instruction=")[2].removesuffix(".")
    env = adapt(ScriptedWorld(POSITION), instruction=eval(advice))
    assert env.reset()[1]["instruction_text"] == "positon"
    both = spaces.Dict({"instruction": TEXT, "position": JOINTS})
    with pytest.raises(SpecError, match='has a source "instruction" already.*ignore="instruction"'):
        adapt(ScriptedWorld(both), instruction="go to the ball")
    env = adapt(ScriptedWorld(both), instruction="go to the ball", ignore="instruction")
    assert env.reset()[1]["instruction_text"] == "go to the ball"
    with pytest.raises(ConfigError, match="`instruction` must be the name of a source, a text"):
        adapt(ScriptedWorld(POSITION), instruction=7)
    with pytest.raises(ObservationError, match='"instruction" must be text, one string; got int'):
        adapt(ScriptedWorld(POSITION), instruction=lambda seen, info: 7).reset()
