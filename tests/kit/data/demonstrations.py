"""Small episodes that an expert really played, and how two of them are compared."""

import dataclasses
import functools

import gymnasium
import numpy as np

from senseweave.agent.play.recorded import facts_of, play_recorded
from senseweave.agent.play.registry import Seat
from senseweave.agent.play.unlearned import make_expert
from senseweave.envs import make
from senseweave.envs.datasets import DatasetFacts, Episode, Episodes
from senseweave.perception import Camera, Instruction, Microphone, Spec, Vector

GOTO = "senseweave/GoToObj-v0"


@functools.cache
def played(env_id: str = GOTO, episodes: int = 4, senses: str = "grid,instruction") -> Episodes:
    """What an expert did; do not change it."""
    env = make(env_id, **({"senses": senses} if senses else {}))
    facts = facts_of(env, env_id)
    player = make_expert("", Seat(env, env_id))
    return Episodes.of(facts, [play_recorded(player, env, facts, seed, "expert") for seed in range(episodes)])


ARM = DatasetFacts(
    Spec(
        top=Camera(16, 24), wrist=Camera(17, 19), audio=Microphone(2, 40, 400), state=Vector(3),
        instruction=Instruction(6, 1024),
    ),
    gymnasium.spaces.Box(np.array([-0.5, 0.0], np.float32), np.array([0.5, 2.0], np.float32)),
    ("turn", "lift"),
    0.1,
)  # fmt: skip


def arm_episode(seed: int, steps: int = 7, *, final: bool = True) -> Episode:
    """An arm with two cameras whose senses come and go, and an instruction that changes."""
    draws, n = np.random.default_rng(seed), steps + final
    sound = np.round(draws.uniform(-1, 1, (n, 2, 40)) * 2**15) / 2**15
    texts = ["lift the arm"] * (n // 2) + ["turn left; é"] * (n - n // 2)
    tokens = {text: draws.integers(1, 1000, 6) for text in dict.fromkeys(texts)}
    times = 5_000_000_000 + np.cumsum(draws.integers(90_000_000, 110_000_000, n))
    captured = times[:, None] - draws.integers(1, 30_000_000, (n, 5))
    said_ns = [times[0] - 7 if row < n // 2 else times[n // 2] - 7 for row in range(n)]
    captured[:, ARM.spec.names.index("instruction")] = said_ns
    return Episode.of(
        ARM,
        {
            "top": draws.integers(0, 256, (n, 16, 24, 3)).astype(np.uint8),
            "wrist": draws.integers(0, 256, (n, 17, 19, 3)).astype(np.uint8),
            "audio": sound.astype(np.float32),
            "state": draws.normal(size=(n, 3)).astype(np.float32),
            "instruction": np.array([tokens[text] for text in texts], np.int32),
            "present": (draws.random((n, 5)) < 0.8).astype(np.int8),
        },
        draws.uniform(ARM.action_space.low, ARM.action_space.high, (steps, 2)).astype(np.float32),
        draws.normal(size=steps),
        terminated=seed % 2 == 0,
        success=None if seed % 3 == 0 else seed % 3 == 1,
        texts=texts,
        times_ns=times,
        captured_ns=captured,
        actors=["person" if draws.random() < 0.5 else "policy" for _ in range(steps)],
        seed=seed if seed % 2 else None,
    )


def arm(episodes: int = 3, *, final: bool = True) -> Episodes:
    return Episodes.of(ARM, [arm_episode(seed, 5 + seed, final=final) for seed in range(episodes)])


def assert_same(one: Episode, other: Episode, but: tuple[str, ...] = (), rows: int | None = None) -> None:
    """Every field is the same bit for bit, but some; of the observations, only so many rows."""
    for field in dataclasses.fields(Episode):
        if field.name in but:
            continue
        first, second = getattr(one, field.name), getattr(other, field.name)
        if field.name == "observations":
            assert first.keys() == second.keys()
            for name in first:
                assert first[name].dtype == second[name].dtype, name
                np.testing.assert_array_equal(first[name][:rows], second[name][:rows], err_msg=name)
        elif field.name in ("texts", "times_ns", "captured_ns", "ages_s"):
            np.testing.assert_array_equal(first[:rows], second[:rows], err_msg=field.name)
        elif isinstance(first, np.ndarray):
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second, err_msg=field.name)
        else:
            assert first == second, field.name
