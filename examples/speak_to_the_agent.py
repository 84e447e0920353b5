"""Say "go to the red ball", and a trained agent goes there: what it sees and hears is simulated, its orders are yours.

    python examples/speak_to_the_agent.py runs/seek               # with your microphone
    python examples/speak_to_the_agent.py runs/seek --virtual     # a synthesised voice and a virtual microphone

The body is an environment of Rooms whose target is the red ball; the agent never gets its written instruction, only
what is understood of your words. In every second room something else is said, which must lead it elsewhere. --virtual
needs espeak-ng and PulseAudio:

    apt-get install espeak-ng pulseaudio pulseaudio-utils libasound2-plugins libportaudio2
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import torch

import senseweave.envs
from senseweave.agent.play.players import PolicyPlayer
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import load_policy
from senseweave.envs.live.bodies.simulated import BodyActuator
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sensors.instructions.speech import speech_sensor

FIRST_HELD_OUT_SEED = 1_000_000_000
MOST_TRIES = 5
PULSE = """
load-module module-native-protocol-unix socket={folder}/native auth-anonymous=1
load-module module-null-sink sink_name=vspeaker rate=16000 channels=1
load-module module-remap-source master=vspeaker.monitor source_name=vmic
set-default-sink vspeaker
set-default-source vmic
"""
ALSA = """
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


@contextlib.contextmanager
def virtual_microphone() -> Iterator[None]:
    """A loudspeaker that nobody hears, whose sound is the default microphone of this process."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mic.pa").write_text(PULSE.format(folder=folder))
        (Path(folder) / "alsa.conf").write_text(ALSA)
        os.environ |= {
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_SINK": "vspeaker",
            "ALSA_CONFIG_PATH": f"{folder}/alsa.conf",
        }
        private = os.environ | {"HOME": folder, "XDG_RUNTIME_DIR": folder}
        words = ["pulseaudio", "-n", "-F", f"{folder}/mic.pa", "--exit-idle-time=-1", "--use-pid-file=no"]
        with subprocess.Popen([*words, "--daemonize=no"], env=private, stderr=subprocess.DEVNULL) as server:
            try:
                while not (Path(folder) / "native").exists():
                    time.sleep(0.05)
                time.sleep(0.5)
                yield
            finally:
                server.terminate()


def say(text: str, *, is_virtual: bool) -> None:
    """Speaks with a synthesised voice, or asks a person to speak."""
    if not is_virtual:
        print(f'  say: "{text}"', flush=True)
        return
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", "en-us+f2", "-s", "150", "-w", file.name, text], check=True)
        subprocess.run(["paplay", file.name], check=True)


def rooms_with(mission: str, count: int) -> list[int]:
    """Held-out seeds of Seek whose target is the one that a mission names."""
    env, seeds, seed = gymnasium.make("senseweave/Seek-v0"), [], FIRST_HELD_OUT_SEED
    while len(seeds) < count:
        if env.reset(seed=seed)[1]["instruction_text"] == mission:
            seeds.append(seed)
        seed += 1
    return seeds


def wait_until_ready(sensor) -> None:
    """Returns when the recogniser listens; what is said before is not heard."""
    while True:
        for event in sensor.take_events():
            print(f"{event.kind}: {event.detail}", flush=True)
            if event.kind == "ready":
                return
            if event.kind in ("failed", "ended"):
                sys.exit(1)
        time.sleep(0.05)


def understood(sensor, clock: SystemClock, text: str, *, is_virtual: bool) -> str:
    """Says a text until something is understood that was not said before; returns what."""
    before = sensor.newest(clock.now_ns())
    for _ in range(MOST_TRIES):
        say(text, is_virtual=is_virtual)
        give_up_s = time.monotonic() + 4.0
        while time.monotonic() < give_up_s:
            newest = sensor.newest(clock.now_ns())
            if newest is not None and (before is None or newest.captured_ns > before.captured_ns):
                return newest.text
            time.sleep(0.02)
    return ""


def main() -> None:
    """Speaks, watches where the agent goes, and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run directory of an agent that was trained in senseweave/Seek-v0")
    parser.add_argument("--rooms", type=int, default=4)
    parser.add_argument("--mission", default="go to the red ball")
    parser.add_argument("--other", default="go to the blue box", help="what is said in every second room")
    parser.add_argument("--virtual", action="store_true", help="a synthesised voice and a virtual microphone")
    options = parser.parse_args()
    missing = [name for name in ("espeak-ng", "pulseaudio", "paplay") if options.virtual and not shutil.which(name)]
    if missing:
        parser.error(f"--virtual needs {' and '.join(missing)}; install what this script's first lines name")
    with contextlib.ExitStack() as stack:
        if options.virtual:
            stack.enter_context(virtual_microphone())
        run = RunDirectory.open(options.run)
        env = senseweave.envs.make("senseweave/Seek-v0")
        phrases = env.get_wrapper_attr("instructions")
        for mission in (options.mission, options.other):
            if mission not in phrases:
                parser.error(f'"{mission}" is no mission of Seek; choose of: {", ".join(phrases)}')
        body = BodyActuator(env)
        clock = SystemClock()
        ear = speech_sensor("instruction", run.config.spec["instruction"], phrases=phrases, microphone="default")
        rig = LiveRig(
            run.config.spec,
            body.sensors(["audio", "camera"]) | {"instruction": ear},
            action_names=body.action_names,
            step_s=run.config.step_s,
            actuator=body,
            clock=clock,
            start_up_s=0.0,
        )
        stack.callback(rig.close)
        policy, _ = load_policy(run, rig, torch.device("cpu"))
        player = PolicyPlayer(policy)
        ear.start(clock)  # before the rig: nothing moves until the first words are understood
        wait_until_ready(ear)
        for number, seed in enumerate(rooms_with(options.mission, options.rooms)):
            asked = options.other if number % 2 else options.mission
            heard = understood(ear, clock, asked, is_virtual=options.virtual)
            if not heard:
                print(f'room {number}: "{asked}" was not understood', flush=True)
                continue
            observation, info = rig.reset(seed=seed)
            player.start(seed)
            report, steps = {}, 0
            while not (report.get("terminated") or report.get("truncated")):
                observation, _, _, _, info = rig.step(player.act(observation).action)
                report, steps = info["actuator"], steps + 1
            place = options.mission.removeprefix("go to ")
            end = f"it went to {place}" if report["is_success"] else f"it did not go to {place}"
            print(f'room {number}: said "{asked}", understood "{heard}": {end}, {steps} steps', flush=True)


if __name__ == "__main__":
    main()
