"""A stranger's run is data: whatever its config.json names, no socket, device, program or outside file is opened.

All runs are tried in one process of its own, in which an audit hook sees every file, socket and program that Python
opens. Two of them are sound, so that it is seen that the hook looks at real work; one sentence ends each of the others.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from senseweave.agent.cli import main
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.strangers import as_words, choose_env, needs_naming
from senseweave.perception.errors import ConfigError
from senseweave.policies.saving.sealed import write_sealed

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"

LIVE = "senseweave/Live-v0"
VIZDOOM = "VizdoomBasicNotifications-v1"
BABYAI = "BabyAI-GoToRedBallGrey-v0"
SEEK = "senseweave/Seek-v0"


def hostile(outside: Path) -> dict[str, dict]:
    """Name -> what is changed in `train` of config.json, or at its top where the name says so."""
    path = str(outside)
    return {
        "a live rig with an address": {"env": LIVE, "env_options": {"camera": "http://127.0.0.1:9/x"}},
        "a live rig with a device": {"env": LIVE, "env_options": {"camera": "0"}},
        "a live rig with a file": {"env": LIVE, "env_options": {"camera": path, "instruction": path}},
        "a live rig with a microphone": {"env": LIVE, "env_options": {"microphone": "default"}},
        "a live rig that sends": {"env": LIVE, "env_options": {"actions": "udp:9"}},
        "a live rig alone": {"env": LIVE, "env_options": {}},
        "ViZDoom's arguments": {"env": VIZDOOM, "env_options": {"game_args": f"+logfile {path}"}},
        "ViZDoom's scenario": {"env": VIZDOOM, "env_options": {"scenario_file": path}},
        "ViZDoom alone": {"env": VIZDOOM, "env_options": {}},
        "Atari": {"env": "ALE/Enduro-v5", "env_options": {"obs_type": "ram"}},
        "Gymnasium's own": {"env": "CartPole-v1", "env_options": {}},
        "Gymnasium's own with a module": {"env": "os:CartPole-v1", "env_options": {}},
        "a module": {"env": "antigravity:Any-v0", "env_options": {}},
        "a module in front of a known level": {"env": "antigravity:senseweave/Seek-v0", "env_options": {}},
        "a level that nobody has": {"env": "senseweave/Evil-v0", "env_options": {}},
        "another level by an option": {"env": SEEK, "env_options": {"level": "Evil"}},
        "a device of torch": {"env": SEEK, "env_options": {"device": "cuda"}},
        "a window": {"env": SEEK, "env_options": {"render_mode": "human"}},
        "a window of minigrid": {"env": BABYAI, "env_options": {"render_mode": "human"}},
        "a path": {"env": SEEK, "env_options": {"size": path}},
        "an address": {"env": SEEK, "env_options": {"senses": "http://127.0.0.1:9/x"}},
        "an object": {"env": SEEK, "env_options": {"size": {"$own": "Evil"}}},
        "objects in a list": {"env": BABYAI, "env_options": {"compass": [{"a": 1}]}},
        "a huge number": {"env": BABYAI, "env_options": {"max_tokens": 10**12}},
        "an option of gymnasium.make": {"env": BABYAI, "env_options": {"vectorization_mode": "async"}},
        "an option with a strange name": {"env": SEEK, "env_options": {"\x1b[2J": 1}},
        "a path for an id": {"env": path, "env_options": {}},
        "escape codes for an id": {"env": "\x1b]0;PWNED\x07", "env_options": {}},
        "no id": {"env": "", "env_options": {}},
        "top: actions that are numbers": {"action_names": [1, 2]},
        "top: a step that is a text": {"step_s": "soon"},
        "top: ages that are a list": {"max_age_s": [1]},
        "top: an algorithm that is a list": {"algorithm": []},
    }


SCRIPT = r"""
import json, os, sys
from pathlib import Path
folder = Path(sys.argv[1])
events, watching = [], False

def hook(name, arguments):
    if watching and name in ("open", "socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen",
                             "os.system", "os.exec", "os.posix_spawn", "ctypes.dlopen", "import"):
        events.append((name, str(arguments[0])))

sys.addaudithook(hook)
from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.evaluate.watch import watch
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.settings.watch import WatchConfig
from senseweave.agent.train.train import resume
from senseweave.perception.errors import SenseweaveError

def tried(act):
    global watching
    events.clear()
    watching = True
    try:
        act()
        told = "done"
    except SenseweaveError as error:
        told = str(error)
    except BaseException as error:
        told = f"TRACEBACK {error!r}"
    watching = False
    seen = sorted({f"{name} {what}" for name, what in events if not is_fine(name, what)})
    return [told, seen]

OURS = (sys.prefix, sys.base_prefix, sys.argv[3], *filter(None, sys.path[1:]))
PLACES = tuple({str(Path(place).resolve()) for place in OURS})
FINE = (*PLACES, str(folder), "/proc", "/sys", "/dev/null", "/etc/localtime", "/usr/lib", "/lib")

def is_fine(name, what):
    if name == "import":
        return what.partition(".")[0] not in ("antigravity", "vizdoom", "ale_py", "webbrowser", "sounddevice")
    if name == "ctypes.dlopen":
        return True
    return name == "open" and (what.isdecimal() or os.path.realpath(what).startswith(FINE))

found = {}
for run in sorted(folder.iterdir()):
    if run.is_dir():
        found[run.name] = tried(lambda: evaluate(EvaluateConfig(str(run), episodes=1, device="cpu")))
for name in json.loads(sys.argv[2]):
    found["watch " + name] = tried(lambda: watch(WatchConfig(policy=str(folder / name), out=str(folder / "x.mp4"))))
    found["resume " + name] = tried(lambda: resume(folder / name, steps=10**6))
import socket
def control():
    open("/etc/hostname").close()
    socket.socket().connect_ex(("127.0.0.1", 9))
found["control"] = tried(control)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, list]:
    folder, outside = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("go to the red ball\n")
    whole = json.loads((GOLDEN / "trained" / "config.json").read_text(encoding="utf-8"))
    whole.pop("sha256")
    changes = {"sound": {}, "sound with its options": {"env_options": whole["train"]["env_options"]}} | hostile(outside)
    for name, change in changes.items():
        run = shutil.copytree(GOLDEN / "trained", folder / name.replace("/", "-"))
        content = whole | change if name.startswith("top:") else whole | {"train": whole["train"] | change}
        write_sealed(run / "config.json", content)
    others = ["a live rig with an address", "ViZDoom's arguments", "a module", "a path", "Gymnasium's own"]
    process = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, str(folder), json.dumps(others), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"TMPDIR": str(folder)},  # where libraries try out whether they may write
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return json.loads(process.stdout.strip().split("\n")[-1])


def test_the_hook_sees_files_and_sockets_and_sound_runs_are_evaluated(outcomes):
    assert any("/etc/hostname" in event for event in outcomes["control"][1])
    assert any("socket.connect" in event for event in outcomes["control"][1])
    assert outcomes["sound"] == ["done", []] == outcomes["sound with its options"]


def test_thirty_hostile_runs_end_in_one_sentence_and_open_nothing(outcomes, tmp_path):
    names = [name for name in outcomes if name not in ("sound", "sound with its options", "control")]
    assert len(names) >= 30
    for name in names:
        told, events = outcomes[name]
        assert events == [], (name, events)
        assert told != "done" and "TRACEBACK" not in told, (name, told)
        assert "\n" not in told and "\x1b" not in told and len(told) < 1500, (name, told)
    for name in hostile(tmp_path):
        if not name.startswith("top:"):
            assert "`env` must be named" in outcomes[name.replace("/", "-")][0] or name == "no id", outcomes[name]


def test_a_live_rig_is_not_evaluated_though_it_is_named(capsys, tmp_path):
    run = shutil.copytree(GOLDEN / "trained", tmp_path / "run")
    assert main(["evaluate", str(run), "--env", LIVE, "--env-option", "camera=http://127.0.0.1:9/x"]) == 2
    assert "is a live rig; act on it with `senseweave live --policy DIR`" in capsys.readouterr().err


def test_an_algorithm_that_is_none_of_ours_is_one_sentence_when_a_run_resumes(capsys, tmp_path):
    for change in ({}, {"magic": 1}, {"n_steps": 10**15}):
        run = shutil.copytree(GOLDEN / "trained", tmp_path / f"run{len(str(change))}")
        content = json.loads((run / "config.json").read_text(encoding="utf-8"))
        content.pop("sha256")
        content["algorithm"] = content["algorithm"] | change if change else {}
        write_sealed(run / "config.json", content)
        assert main(["train", "--resume", str(run), "--steps", "20000"]) == 2
        assert "The `algorithm` in" in capsys.readouterr().err, change


def test_what_must_be_named_is_printed_as_it_can_be_typed():
    options = {"game_args": "+logfile /x y", "size": 3}
    words = "--env VizdoomBasicAudio-v1 --env-option 'game_args=+logfile /x y' --env-option size=3"
    assert as_words("VizdoomBasicAudio-v1", options) == words
    assert needs_naming("VizdoomBasicAudio-v1", {})
    assert not needs_naming(SEEK, {"senses": "camera,audio", "compass": True})
    assert not needs_naming(SEEK, {"outages": {"camera": 0.5}, "camera_size": [64, 64]})
    assert not needs_naming(BABYAI, {"view": "camera", "max_episode_steps": 100})


def test_numbers_come_along_with_an_environment_that_is_named_and_texts_do_not(tmp_path):
    def run_of(env, options):
        content = json.loads((GOLDEN / "trained" / "config.json").read_text(encoding="utf-8"))
        content.pop("sha256")
        content["train"] |= {"env": env, "env_options": options}
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        write_sealed(folder / "config.json", content)
        return RunDirectory.open(folder)

    assert choose_env(run_of("Own-v0", {"size": 3}), "Own-v0", None) == ("Own-v0", {"size": 3})
    assert choose_env(run_of(VIZDOOM, {"game_args": "x"}), VIZDOOM, {"a": "b"}) == (VIZDOOM, {"a": "b"})
    assert choose_env(run_of(VIZDOOM, {"game_args": "x"}), SEEK, None) == (SEEK, {})
    for env, options in ((VIZDOOM, {"game_args": "x"}), (LIVE, {"camera": 0}), (SEEK, {"device": "cuda"})):
        with pytest.raises(ConfigError, match="must be named again"):
            choose_env(run_of(env, options), env, None)
