"""The moving picture of README: an agent whose camera is unplugged in the middle of an episode, and who arrives by ear.

    python benchmarks/readme_picture.py runs/seek --out docs/pictures/unplugged.webp

Everything in it is real: the policy of the run, the held-out rooms, and a camera that is absent from step 3 on. It is
one success, chosen: of the first rooms, one that ends well and takes long enough to be watched. How often it ends well
is printed beside, and docs/results.md has the success rates without each sense. `senseweave watch` draws the picture,
and the command that draws it again is printed.
"""

import argparse
import json
import sys
from pathlib import Path

import gymnasium
import torch
from parts.tables import tell

from senseweave.agent.evaluate.watch import watch
from senseweave.agent.play.episodes import held_out_seed
from senseweave.agent.play.players import PolicyPlayer
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import choose_env, load_policy
from senseweave.agent.settings.watch import WatchConfig
from senseweave.envs import make
from senseweave.perception.spec import PRESENT

SENSE = "camera"
ATTRIBUTE = "ing object"
"""Instructions that name a sound, "go to the ringing object", end so; the others cannot be followed by ear."""


def play(player: PolicyPlayer, env: gymnasium.Env, seed_set: int, step: int) -> tuple[str, int, bool]:
    """The first episode of a set, as `senseweave watch --seed` plays it: instruction, steps, success."""
    torch.manual_seed(seed_set)
    observation, info = env.reset(seed=held_out_seed(seed_set, 0))
    player.start(0)
    senses, instruction, steps = env.get_wrapper_attr("senses"), info["instruction_text"], 0
    while True:
        observation[PRESENT] = observation[PRESENT] * senses.present(*([SENSE] if steps >= step else []))
        observation, _, terminated, truncated, info = env.step(player.act(observation).action)
        steps += 1
        if terminated or truncated:
            return instruction, steps, bool(info["is_success"])


def main(run: str, out: str, step: int, sets: int, least_steps: int, most_steps: int) -> None:
    """Searches, draws, and says how it was chosen."""
    torch.set_num_threads(1)
    directory = RunDirectory.open(run)
    env_id, options = choose_env(directory, None, None)
    env = make(env_id, **options)
    player = PolicyPlayer(load_policy(directory, env, torch.device("cpu"))[0])
    played = [play(player, env, seed_set, step) for seed_set in range(sets)]
    by_ear = [(number, steps, won) for number, (told, steps, won) in enumerate(played) if told.endswith(ATTRIBUTE)]
    chosen = [(steps, number) for number, steps, won in by_ear if won and least_steps <= steps <= most_steps]
    if not chosen:
        sys.exit(f"None of {sets} rooms is a success of {least_steps} to {most_steps} steps; search more with --sets.")
    _, number = max(chosen)
    result = watch(WatchConfig(policy=run, unplug=(f"{SENSE}@{step}",), seed=number, episodes=1, out=out, device="cpu"))
    episode = result["episodes"][0]
    if (episode["steps"], episode["is_success"]) != played[number][1:]:
        sys.exit(f"`senseweave watch` played {episode}, the search {played[number]}: the two have come apart.")
    tell(
        f"{out}: {Path(out).stat().st_size / 1e6:.2f} MB, {episode['steps']} steps, {episode['instruction']!r}.\n"
        f"With the {SENSE} unplugged at step {step} {sum(won for *_, won in played)} of {sets} rooms end in success, "
        f"and {sum(won for *_, won in by_ear)} of the {len(by_ear)} whose instruction names a sound. This is one.\n"
        f"Again: senseweave watch --policy {run} --unplug {SENSE}@{step} --seed {number} --episodes 1 --out {out}"
    )
    counts = {"rooms": sets, "successes": sum(won for *_, won in played)}
    by_sound = {"rooms_by_sound": len(by_ear), "successes_by_sound": sum(won for *_, won in by_ear)}
    print(json.dumps({"seed_set": number} | counts | by_sound | {"episode": episode}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="a run directory of Seek")
    parser.add_argument("--out", metavar="FILE", default="docs/pictures/unplugged.webp")
    parser.add_argument("--step", type=int, default=3, help="when the camera is unplugged (default: 3)")
    parser.add_argument("--sets", type=int, default=100, help="how many rooms are searched (default: 100)")
    parser.add_argument("--least-steps", type=int, default=10)
    parser.add_argument("--most-steps", type=int, default=14)
    main(**vars(parser.parse_args()))
