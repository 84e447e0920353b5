"""Every import that the documents of release 0.1 used goes on working, and so does the old path of what moved since."""

import importlib
import subprocess
import sys

import gymnasium
import pytest

from kit.limits import HANG_S

PATHS = (
    "senseweave.agent.build:load_policy",
    "senseweave.agent.players:PolicyPlayer",
    "senseweave.agent.rundir:RunDirectory",
    "senseweave.agent.shapley:shapley_values",
    "senseweave.agent.train:",
    "senseweave.envs.live.body:BodyActuator",
    "senseweave.envs.live.clock:SystemClock",
    "senseweave.envs.live.faults:",
    "senseweave.envs.live.faults:Stall",
    "senseweave.envs.live.faults:Unplugged",
    "senseweave.envs.live.rig:LiveRig",
    "senseweave.envs.live.scripted:",
    "senseweave.envs.live.session:read_session",
    "senseweave.envs.live.speech:speech_sensor",
    "senseweave.envs.live:BodyActuator",
    "senseweave.envs.live:LiveRig",
    "senseweave.envs.live:Script",
    "senseweave.envs.live:ScriptedSensor",
    "senseweave.envs.live:VirtualClock",
    "senseweave.envs.live:open_sensors",
    "senseweave.envs.rooms.codes:COLOURS",
    "senseweave.envs.rooms.codes:KEY",
    "senseweave.envs.rooms.codes:KINDS",
    "senseweave.envs.rooms.codes:SOUNDS",
    "senseweave.envs:",
    "senseweave.envs:SensorOutages",
    "senseweave.envs:adapt",
    "senseweave.envs:make",
    "senseweave.envs:senseweave/Live-v0",
    "senseweave.perception.fusion:Fused",
    "senseweave.perception.objectives:OBJECTIVES",
    "senseweave.perception.objectives:Seen",
    "senseweave.perception.objectives:linear_cca",
    "senseweave.perception:",
    "senseweave.perception:Camera",
    "senseweave.perception:FUSIONS",
    "senseweave.perception:Fusion",
    "senseweave.perception:Instruction",
    "senseweave.perception:Kind",
    "senseweave.perception:Microphone",
    "senseweave.perception:ModalityDropout",
    "senseweave.perception:Perception",
    "senseweave.perception:PerceptionConfig",
    "senseweave.perception:Spec",
    "senseweave.perception:TokenGroup",
    "senseweave.perception:config_within",
    "senseweave.perception:count_parameters",
    "senseweave.perception:default_tokenizer",
    "senseweave.perception:integrated_gradients",
    "senseweave.perception:register_encoder",
    "senseweave.perception:register_kind",
    "senseweave.policies.auxiliary:AUXILIARIES",
    "senseweave.policies.presets:ppo_settings",
    "senseweave.policies:",
    "senseweave.policies:PPO",
    "senseweave.policies:imitate",
    "senseweave.policies:ppo_settings",
    "senseweave.policies:pretrain_on",
)
"""The paths that documents of release 0.1 used, as module:name; without a name, the module alone."""

MOVED = {
    "envs.live.child": "envs.live.sensors.child",
    "envs.live.safety": "envs.live.bodies.safety",
    "envs.live.sensors.camera": "envs.live.sensors.cameras.camera",
    "envs.live.sensors.devices": "envs.live.sensors.cameras.devices",
    "envs.live.sensors.feeds": "envs.live.sensors.microphones.feeds",
    "envs.live.sensors.frames": "envs.live.sensors.decoding.frames",
    "envs.live.sensors.instruction": "envs.live.sensors.instructions.instruction",
    "envs.live.sensors.microphone": "envs.live.sensors.microphones.microphone",
    "envs.live.sensors.phrases": "envs.live.sensors.instructions.phrases",
    "envs.live.sensors.portaudio": "envs.live.sensors.microphones.portaudio",
    "envs.live.sensors.recogniser": "envs.live.sensors.instructions.recogniser",
    "envs.live.sensors.resample": "envs.live.sensors.microphones.resample",
    "envs.live.sensors.sample_clock": "envs.live.sensors.microphones.sample_clock",
    "envs.live.sensors.sound_tap": "envs.live.sensors.microphones.sound_tap",
    "envs.live.sensors.speech": "envs.live.sensors.instructions.speech",
    "perception.absence": "perception.observation.absence",
    "perception.brightness": "perception.observation.brightness",
    "perception.layout": "perception.observation.layout",
    "perception.raw": "perception.observation.raw",
    "policies.normalization": "policies.environment.normalization",
    "policies.ppo.buffer": "policies.ppo.callbacks.buffer",
    "policies.ppo.callback_locals": "policies.ppo.callbacks.locals",
    "policies.rescaled": "policies.environment.rescaled",
    "policies.spaces": "policies.environment.spaces",
}
"""Old path -> new path of modules that no document named, below `senseweave`."""


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_the_documents_of_an_earlier_release_used_can_be_imported(path):
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    if "/" in name:
        assert name in gymnasium.registry, "importing the module registers the environment"
    elif name:
        assert getattr(found, name) is not None


@pytest.mark.parametrize("name", ["BodyActuator", "LiveRig", "ppo_settings"])
def test_two_paths_to_one_name_lead_to_one_thing(name):
    modules = [path.partition(":")[0] for path in PATHS if path.endswith(f":{name}")]
    assert len(modules) == 2
    assert getattr(importlib.import_module(modules[0]), name) is getattr(importlib.import_module(modules[1]), name)


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_a_module_that_moved_has_each_of_its_names_under_its_old_path(old, new):
    there, here = (importlib.import_module(f"senseweave.{path}") for path in (old, new))
    names = [name for name in vars(here) if not name.startswith("__")]
    assert names and all(getattr(there, name) is getattr(here, name) for name in names)


def test_the_module_that_torchrun_was_told_to_run_still_is_the_train_command():
    command = [sys.executable, "-P", "-m", "senseweave.agent.train", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: senseweave train")
