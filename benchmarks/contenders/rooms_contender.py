"""One contender of rooms_speed.py, in a process of its own: it waits for a line, takes steps, tells its speed.

    python benchmarks/rooms_contender.py rooms-grid --num-envs 2048 --steps 50

Prints one JSON object when it is ready and one for each line that it reads. Random actions, resets included. Written to
be run by another interpreter too: xminigrid lives best in an environment without torch.
"""

import argparse
import contextlib
import io
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

Play = Callable[[], object]
"""Takes some steps; how many of them, in all environments together, is fixed when it is made."""


def rooms(options: argparse.Namespace, senses: tuple[str, ...]) -> tuple[Play, int, dict[str, Any]]:
    """Ours: torch tensors, on the CPU or a GPU."""
    import torch

    from senseweave.envs.rooms.vector_env import RoomsVectorEnv

    torch.set_num_threads(options.threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    env = RoomsVectorEnv(options.level, num_envs=options.num_envs, senses=senses, device=options.device)
    env.reset(seed=0)
    generator = torch.Generator(options.device).manual_seed(0)
    actions = torch.randint(7, (64, options.num_envs), generator=generator, device=options.device)
    facts = {"bytes_per_environment": env.state.bytes_per_environment}

    def play() -> None:
        for number in range(options.steps):
            env.step(actions[number % 64])
        if options.device != "cpu":
            torch.cuda.synchronize()

    play()
    facts["resident_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return play, options.steps * options.num_envs, facts


def minigrid(options: argparse.Namespace) -> tuple[Play, int, dict[str, Any]]:
    """The original in gymnasium's SyncVectorEnv; its observation as it comes, without a tokenizer."""
    import gymnasium
    import minigrid  # noqa: F401  registers the levels
    import numpy as np

    env = gymnasium.make_vec(f"BabyAI-{options.level}-v0", options.num_envs, vectorization_mode="sync")
    actions = np.random.default_rng(0).integers(7, size=(64, options.num_envs))

    def play() -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # levels tell of every room that they reject
            for number in range(options.steps):
                env.step(actions[number % 64])

    with contextlib.redirect_stdout(io.StringIO()):
        env.reset(seed=0)
    return play, options.steps * options.num_envs, {}


def xminigrid(options: argparse.Namespace) -> tuple[Play, int, dict[str, Any]]:
    """XLand-MiniGrid, "go near the red ball" among five objects, 9 x 9: the nearest that it has to GoToRedBall."""
    import jax
    import jax.numpy as jnp
    import xminigrid as library
    from xminigrid.core.constants import Colors, Tiles
    from xminigrid.core.goals import AgentNearGoal
    from xminigrid.core.rules import EmptyRule
    from xminigrid.types import RuleSet
    from xminigrid.wrappers import GymAutoResetWrapper

    env, settings = library.make("XLand-MiniGrid-R1-9x9")
    env = GymAutoResetWrapper(env)
    goal = jnp.array([Tiles.BALL, Colors.RED])
    others = [jnp.array([kind, Colors.GREY]) for kind in (Tiles.BALL, Tiles.SQUARE, Tiles.KEY, Tiles.PYRAMID)]
    rules = RuleSet(AgentNearGoal(tile=goal).encode(), EmptyRule().encode()[None], jnp.stack([goal, *others]))
    settings = settings.replace(ruleset=rules)
    reset = jax.jit(jax.vmap(lambda key: env.reset(settings, key)))
    step = jax.vmap(lambda state, action: env.step(settings, state, action))

    @jax.jit
    def many(state: Any, key: Any) -> Any:
        actions = jax.random.randint(key, (options.steps, options.num_envs), 0, env.num_actions(settings))
        return jax.lax.scan(lambda state, action: (step(state, action), None), state, actions)[0]

    held = {"state": reset(jax.random.split(jax.random.key(0), options.num_envs)), "number": 0}

    def play() -> None:
        held["number"] += 1
        held["state"] = jax.block_until_ready(many(held["state"], jax.random.key(held["number"])))

    return play, options.steps * options.num_envs, {}


def vizdoom(options: argparse.Namespace) -> tuple[Play, int, dict[str, Any]]:
    """ViZDoom's notifications scenario at 160 x 120 with stereo sound at 11 kHz and text: all three senses in one."""
    import gymnasium
    import numpy as np
    from vizdoom import gymnasium_wrapper  # noqa: F401  registers the scenarios

    env = gymnasium.make(
        "VizdoomBasicNotifications-v1",
        audio_buffer_enabled=True,
        audio_sampling_rate="SR_11025",
        screen_resolution="RES_160X120",
        frame_skip=4,
        game_args="+snd_efx 0",
    ).unwrapped
    draw = np.random.default_rng(0)
    env.reset(seed=0)

    def play() -> None:
        for _ in range(options.steps):
            _, _, terminated, truncated, _ = env.step(draw.integers(env.action_space.n))
            if terminated or truncated:
                env.reset()

    return play, options.steps, {}


CONTENDERS: dict[str, Callable[[argparse.Namespace], tuple[Play, int, dict[str, Any]]]] = {
    "rooms-grid": lambda options: rooms(options, ("grid", "instruction")),
    "rooms-camera": lambda options: rooms(options, ("camera", "instruction")),
    "rooms-audio": lambda options: rooms(options, ("audio", "instruction")),
    "rooms-all": lambda options: rooms(options, ("camera", "audio", "instruction")),
    "minigrid": minigrid,
    "xminigrid": xminigrid,
    "vizdoom": vizdoom,
}


def main() -> int:
    """Serves turns until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--level", default="GoToRedBallGrey")
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=50, help="steps of all environments in a turn")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    play, steps, facts = CONTENDERS[options.contender](options)
    play()  # the first turn compiles, fills caches, and does not count
    print(json.dumps({"ready": True, "steps": steps, **facts}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        play()
        print(json.dumps({"steps_per_second": steps / (time.perf_counter() - began)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
