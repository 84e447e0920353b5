"""An environment that asks for a memory: a cue at the first step, and a question five steps later."""

import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from senseweave.perception import Spec, Vector

SPEC = Spec(touch=Vector(3))
DELAY = 5


class CueWorld(VectorEnv):
    """Tensors, b rows; what is felt are the cue (-1 or 1, at the first step alone), the question, and a constant.

    The last action, 0 or 1, answers; the reward is 1 where it is the cue's. Environments begin at different steps.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "torch": True}
    single_observation_space, single_action_space = SPEC.space(), spaces.Discrete(2)

    def __init__(self, num_envs=64):
        self.num_envs = num_envs
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.generator = torch.Generator()

    @property
    def senses(self):
        return SPEC

    def reset(self, *, seed: int | None = None, options=None):
        if seed is not None:
            self.generator.manual_seed(seed)
        self.cue = torch.randint(2, (self.num_envs,), generator=self.generator)
        self.place = torch.arange(self.num_envs) % DELAY
        return self._look(), {}

    def step(self, actions):
        is_over = self.place == DELAY
        is_right = is_over & (actions == self.cue)
        final = self._look()
        new = torch.randint(2, (self.num_envs,), generator=self.generator)
        self.cue = torch.where(is_over, new, self.cue)
        self.place = torch.where(is_over, 0, self.place + 1)
        infos = {"is_success": is_right, "_is_success": is_over}
        if is_over.any():
            rows = is_over.nonzero()[:, 0]
            infos |= {"final_rows": rows, "final_obs": {name: part[rows] for name, part in final.items()}}
        return self._look(), is_right.float(), is_over, torch.zeros_like(is_over), infos

    def expert_actions(self):
        return self.cue.clone()

    def _look(self):
        is_first, is_asked = (self.place == 0).float(), (self.place == DELAY).float()
        touch = torch.stack([(2.0 * self.cue - 1.0) * is_first, is_asked, torch.ones(self.num_envs)], dim=1)
        return {"touch": touch, "present": torch.ones(self.num_envs, 1, dtype=torch.int8)}
