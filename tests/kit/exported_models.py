"""Small perceptions and policies that tests export; also a script that exports some, in a process of its own.

    python tests/kit/exported_models.py FOLDER NAME...

torch.export traces with sizes that are symbols, which the executed shapes of the tests would take for numbers: so the
folders are written by a process without that hook. The models are made anew from the same seeds on both sides.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from gymnasium import spaces  # noqa: E402
from stable_baselines3.common.policies import MultiInputActorCriticPolicy  # noqa: E402

from kit.absence_cases import perception_of, randomise  # noqa: E402
from senseweave.perception import Camera, Instruction, Microphone, PerceptionConfig, Spec, Vector  # noqa: E402
from senseweave.policies import PerceptionExtractor, SensePolicy  # noqa: E402
from senseweave.policies.export import export  # noqa: E402

QUICK = Spec(touch=Vector(3), instruction=Instruction(6, 1024))
"""Senses that are traced fast."""

SMALL = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
POLICIES = {
    "plain": (spaces.Discrete(4), "none", QUICK),
    "sb3": (spaces.Discrete(4), None, QUICK),
    "several": (spaces.MultiDiscrete([3, 2]), "none", QUICK),
    "switches": (spaces.MultiBinary(3), "none", QUICK),
    "numbers": (spaces.Box(np.float32([-1, -2]), np.float32([1, 0.5])), "gru", QUICK),
    "looking": (spaces.Discrete(3), "looking_gru", QUICK),
    "seeing": (
        spaces.Discrete(7),
        "looking_gru",
        Spec(camera=Camera(16, 16), audio=Microphone(2, 400, 8000), instruction=Instruction(6, 1024)),
    ),
}
"""Name -> actions, memory (None is stable-baselines3's own policy), senses."""


def policy_of(name: str):
    """A small policy of which every parameter was moved."""
    actions, memory, senses = POLICIES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        kind, more = (MultiInputActorCriticPolicy, {}) if memory is None else (SensePolicy, {"memory": memory})
        policy = kind(
            senses.space(),
            actions,
            lambda _: 0.0,
            features_extractor_class=PerceptionExtractor,
            features_extractor_kwargs={"spec": senses, "config": SMALL},
            normalize_images=False,
            **more,
        )
        randomise(policy)
    return policy.eval()


def model_of(name: str):
    """A policy by its name, or, as "quick", a perception alone."""
    return perception_of("concat", ("vector",), 0) if name == "quick" else policy_of(name)


def main(folder: str, names: list[str]) -> None:
    """Exports each to FOLDER/NAME; "NAME@torch" to torch.export."""
    torch.set_num_threads(1)
    for name in names:
        model, _, to = name.partition("@")
        export(model_of(model), pathlib.Path(folder) / name, to=to or "onnx")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
