"""A contender of trainers.py: PPO in one file and one loop, in CleanRL's manner, on gymnasium's SyncVectorEnv.

Written for this benchmark after `ppo.py` of CleanRL (Huang et al. 2022, arXiv 2111.08858), which is no library.
As there, an episode that a time limit cuts off counts as ended.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical
from trainer_task import ActorCritic, Log, make_level, parameters_of, task_of_command_line

if __name__ == "__main__":
    args = task_of_command_line()
    log = Log(args.log)

    # environments
    mode = gym.vector.AutoresetMode.SAME_STEP
    envs = gym.vector.SyncVectorEnv([lambda: make_level(args)] * args.num_envs, autoreset_mode=mode)
    senses = envs.envs[0].get_wrapper_attr("senses")
    actions_of_env: Any = envs.single_action_space

    # agent
    agent = ActorCritic(senses, int(actions_of_env.n))
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=args.adam_eps)
    log.tell("facts", parameters=parameters_of(agent))

    # storage
    steps, width = args.n_steps, args.num_envs
    obs = torch.zeros(steps, width, *envs.single_observation_space.shape)
    actions = torch.zeros(steps, width, dtype=torch.int64)
    logprobs, rewards, dones, values = (torch.zeros(steps, width) for _ in range(4))

    next_obs = torch.as_tensor(envs.reset(seed=args.seed)[0])
    next_done = torch.zeros(width)
    log.tell("start")
    for iteration in range(args.updates):
        frames = iteration * args.rollout
        optimizer.param_groups[0]["lr"] = args.falling(args.learning_rate, args.last_learning_rate, frames)
        ent_coef = args.falling(args.ent_coef, args.last_ent_coef, frames)

        # play
        for step in range(steps):
            obs[step], dones[step] = next_obs, next_done
            with torch.no_grad():
                hidden = agent.encoder(next_obs)
                chances = Categorical(logits=agent.policy(hidden))
                actions[step] = chances.sample()
                logprobs[step] = chances.log_prob(actions[step])
                values[step] = agent.value(hidden).flatten()
            told, reward, terminations, truncations, _ = envs.step(actions[step].numpy())
            rewards[step] = torch.as_tensor(reward)
            next_obs, next_done = (
                torch.as_tensor(told),
                torch.as_tensor(np.logical_or(terminations, truncations)).float(),
            )

        # advantages
        with torch.no_grad():
            next_value = agent.value(agent.encoder(next_obs)).flatten()
        advantages, last = torch.zeros_like(rewards), torch.zeros(width)
        for t in reversed(range(steps)):
            alive = 1.0 - (next_done if t == steps - 1 else dones[t + 1])
            following = next_value if t == steps - 1 else values[t + 1]
            delta = rewards[t] + args.gamma * following * alive - values[t]
            advantages[t] = last = delta + args.gamma * args.gae_lambda * alive * last
        returns = advantages + values

        # learn
        b_obs, b_actions, b_logprobs = obs.flatten(0, 1), actions.flatten(), logprobs.flatten()
        b_advantages, b_returns = advantages.flatten(), returns.flatten()
        for _ in range(args.epochs):
            for rows in torch.randperm(args.rollout).split(args.batch_size):
                hidden = agent.encoder(b_obs[rows])
                chances = Categorical(logits=agent.policy(hidden))
                ratio = (chances.log_prob(b_actions[rows]) - b_logprobs[rows]).exp()
                gain = b_advantages[rows]
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                clipped = ratio.clamp(1 - args.clip_range, 1 + args.clip_range)
                policy_loss = -torch.min(ratio * gain, clipped * gain).mean()
                value_loss = (agent.value(hidden).flatten() - b_returns[rows]).square().mean()
                loss = policy_loss + args.vf_coef * value_loss - ent_coef * chances.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()
        log.tell("mark", frames=frames + args.rollout)
    envs.close()
