import json

import pytest

from senseweave.agent.cli.commands import COMMANDS
from senseweave.agent.cli.parse import parse
from senseweave.agent.settings.live import LiveConfig
from senseweave.agent.settings.serve import ServeConfig
from senseweave.perception.errors import ConfigError

MISTAKES = [
    ({}, "There is nothing to sense; give --camera, --microphone or --instruction"),
    ({"camera": ""}, "`camera` must be a name; got ''."),
    ({"camera": "0", "rate_hz": 0.0}, "`rate_hz` must be in 0..1000, 0 excluded; got 0.0."),
    ({"camera": "0", "rate_hz": float("nan")}, "`rate_hz` must be in 0..1000, 0 excluded; got nan."),
    ({"camera": "0", "rate_hz": 1e4}, "in 0..1000, 0 excluded; got 10000.0."),
    ({"camera": "0", "seconds": -1.0}, "`seconds` must be above 0; got -1.0. Leave it out to go on until Ctrl-C."),
    ({"camera": "0", "seconds": float("inf")}, "`seconds` must be above 0; got inf."),
    ({"camera": "0", "max_age_s": {"camera": 0.0}}, '`max_age_s` of "camera" must be above 0; got 0.0.'),
    ({"camera": "0", "report": "page.txt"}, "`report` must end in .html or .htm; got 'page.txt'."),
    ({"camera": "0", "device": "gpu"}, "`device` must be"),
    ({"camera": "0", "actions": "a.jsonl"}, "`actions` is about acting, but nobody acts; add --policy DIR"),
    ({"camera": "0", "greedy": True}, "`greedy` is about acting, but nobody acts"),
    ({"camera": "0", "safe_action": "done"}, "`safe-action` is about acting, but nobody acts"),
    ({"camera": "0", "required": ("camera",)}, "`required` is about acting, but nobody acts"),
    ({"body": "senseweave/Seek-v0"}, "`body` is about acting, but nobody acts"),
    ({"policy": "r", "camera": "0", "required": ("camera",)}, "needs to know what is safe"),
    ({"policy": "r", "remote": "ws://x", "camera": "0"}, "One agent acts; got --policy r and --remote ws://x."),
    ({"policy": "r", "token": "t", "camera": "0"}, "`token` is for a server; got none. Add --remote"),
    ({"remote": "ws://x", "greedy": True, "camera": "0"}, "which its server is told; add --greedy to `serve`"),
    ({"remote": "ws://x"}, "There is nothing to sense"),
    ({"policy": "r", "body": "a", "actions": "b"}, "`actions` go to one place; got a file and a body."),
]


@pytest.mark.parametrize(("fields", "message"), MISTAKES, ids=[str(fields) for fields, _ in MISTAKES])
def test_a_mistake_in_the_settings_of_a_live_session_is_one_sentence(fields, message):
    with pytest.raises(ConfigError) as caught:
        LiveConfig(**fields)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_alone_is_served_without_a_token(host):
    assert ServeConfig(run="r", host=host).token is None
    assert ServeConfig(run="r", host="0.0.0.0", token="file").host == "0.0.0.0"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "0.0.0.0"}, "`host` 0.0.0.0 is reached by other machines, which needs a secret; add --token FILE"),
        ({"host": "::"}, "`host` :: is reached by other machines"),
        ({"host": "gpu-machine"}, "`host` gpu-machine is reached by other machines"),
        ({"port": 70_000}, "`port` must be a whole number in 0..65535"),
        ({"max_clients": 0}, "`max_clients` must be"),
        ({"idle_s": 0.0}, "`idle_s` must be"),
    ],
)
def test_a_mistake_in_the_settings_of_a_server_is_one_sentence(fields, message):
    with pytest.raises(ConfigError) as caught:
        ServeConfig(run="r", **fields)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_live_settings_survive_json():
    config = LiveConfig(
        policy="run", camera="0", required=("camera",), safe_action="done", max_age_s={"camera": 0.5}, rate_hz=30.0
    )
    assert LiveConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ConfigError, match='did you mean "camera"'):
        LiveConfig.from_json({"camra": "0"})


def test_the_words_of_a_session_become_its_settings():
    words = "live --policy run --camera 0 --microphone default --instruction - --rate 30 --seconds 2.5 --greedy"
    words += " --required camera audio --max-age camera=0.5 --max-age audio=1e0 --safe-action done --actions udp:9000"
    name, *words = [*words.split(), "--record", "session", "--report", "page.html", "--json"]
    settings, common = parse(name, COMMANDS[name], words)
    assert isinstance(settings, LiveConfig) and common.json
    assert (settings.rate_hz, settings.seconds, settings.greedy) == (30.0, 2.5, True)
    assert settings.max_age_s == {"camera": 0.5, "audio": 1.0} and settings.required == ("camera", "audio")
    assert (settings.instruction, settings.actions, settings.safe_action) == ("-", "udp:9000", "done")
