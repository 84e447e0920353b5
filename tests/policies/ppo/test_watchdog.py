"""Workers of vector environments that die or hang end a training with one sentence, and nobody waits for ever."""

import os
import signal
import threading
import time

import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor

from kit.limits import HANG_S
from kit.worlds.noise import Noise
from senseweave.perception.errors import EnvironmentFault
from senseweave.policies.ppo.sources import ArrayEnvironments, environments_of
from senseweave.policies.ppo.watchdog import Watchdog

ACTIONS = torch.zeros(2, dtype=torch.int64)


def make_noise():
    return Monitor(Noise())


def in_processes(kind):
    """Two environments in processes of their own, with `fork`, where siblings hold each other's pipes."""
    if kind == "sb3":
        return SubprocVecEnv([make_noise] * 2, start_method="fork")
    return AsyncVectorEnv([Noise] * 2, context="fork", autoreset_mode=AutoresetMode.SAME_STEP)


def played(env):
    """Environments that have been reset and stepped once."""
    environments = environments_of(env, torch.device("cpu"))
    environments.reset(0)
    environments.step(ACTIONS)
    return environments


@pytest.fixture(params=["sb3", "gymnasium"])
def env(request):
    env = in_processes(request.param)
    yield env
    env.close()  # a fault leaves nothing to wait for


@pytest.mark.parametrize("number", [0, 1])
def test_a_worker_that_is_killed_is_named_at_once(env, number):
    environments = played(env)
    os.kill(env.processes[number].pid, signal.SIGKILL)
    with pytest.raises(EnvironmentFault, match=f"Worker {number}, which plays environment {number}, was ended by SIG"):
        for _ in range(3):
            environments.step(ACTIONS)


def test_a_worker_that_dies_while_it_is_waited_for_is_named(env):
    environments = played(env)
    pid = env.processes[1].pid
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(EnvironmentFault, match="Worker 1, which plays environment 1, was ended by SIGKILL"):
        environments.step(ACTIONS)


def test_a_worker_that_hangs_is_named_after_the_time_that_was_set(env):
    environments = played(env)
    env.max_wait_s = 0.2
    os.kill(env.processes[1].pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(EnvironmentFault, match=r"Worker 1, .* did not answer for 0.2 s; .* a larger `max_wait_s`"):
        environments.step(ACTIONS)
    assert time.monotonic() - began < HANG_S
    assert not any(process.is_alive() for process in env.processes)


class Leaving(Noise):
    def step(self, action):
        os._exit(7)


class Raising(Noise):
    def step(self, action):
        raise RuntimeError("the motor driver is gone")


def test_a_worker_that_leaves_by_itself_tells_its_exit_status():
    environments = ArrayEnvironments(SubprocVecEnv([make_noise, Leaving], start_method="fork"), torch.device("cpu"))
    environments.reset(0)
    with pytest.raises(EnvironmentFault, match="Worker 1, which plays environment 1, ended with exit status 7"):
        environments.step(ACTIONS)


def test_what_an_environment_raises_in_a_worker_of_stable_baselines_is_no_empty_message(capfd):
    environments = ArrayEnvironments(SubprocVecEnv([make_noise, Raising], start_method="fork"), torch.device("cpu"))
    environments.reset(0)
    with pytest.raises(EnvironmentFault, match="exit status 1; what it raised stands above"):
        environments.step(ACTIONS)
    assert "the motor driver is gone" in capfd.readouterr().err


def test_wrapped_environments_are_watched_and_those_of_this_process_are_not():
    wrapped = VecMonitor(SubprocVecEnv([Noise] * 2, start_method="fork"))
    assert Watchdog.of(wrapped) is not None
    wrapped.close()
    assert Watchdog.of(DummyVecEnv([make_noise])) is None
