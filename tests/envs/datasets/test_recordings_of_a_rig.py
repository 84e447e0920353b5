"""What `senseweave live --record` writes, as episodes: where a body's episodes end, or the whole recording."""

import gymnasium as gym
import numpy as np

from kit.live.sessions import ACTIONS, make_rig, record
from senseweave.agent.live.loop import run_loop
from senseweave.envs.datasets import open_dataset
from senseweave.envs.live.bodies.simulated import BodyActuator
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sessions.recorder import Recorder
from senseweave.envs.live.tick import Move


def test_a_recording_without_ends_is_one_episode(tmp_path):
    ticks = record(tmp_path / "day.mcap", 3.0)
    acted = [tick for tick in ticks if tick.sent is not None]
    (episode,) = open_dataset(tmp_path / "day.mcap")
    assert len(episode) == len(acted) and episode.truncated and not episode.terminated
    assert episode.actions.tolist() == [int(tick.sent.action) for tick in acted]
    assert open_dataset(tmp_path).action_space == gym.spaces.Discrete(len(ACTIONS))
    for row, tick in enumerate(acted):
        assert episode.times_ns[row] == tick.moment.time_ns
        present = tick.moment.observation["present"]
        np.testing.assert_array_equal(episode.observations["present"][row], present)
        np.testing.assert_array_equal(episode.ages_s[row], list(tick.moment.ages_s.values()))
        if present[1]:
            np.testing.assert_array_equal(episode.observations["camera"][row], tick.moment.observation["camera"])
    assert set(episode.actors) == {"policy"} and not episode.observations["present"].all()


def test_what_was_only_watched_has_no_actions(tmp_path):
    rig = make_rig()
    with Recorder.of(rig, tmp_path / "day.mcap") as recorder:
        tally = run_loop(rig, None, seconds=1.0, observers=[recorder.on_tick])
    episodes = open_dataset(tmp_path)
    assert episodes.action_space is None and episodes[0].actions is None and len(episodes[0]) == tally.ticks


def test_a_body_says_where_its_episodes_end_and_what_they_earned(tmp_path):
    body = BodyActuator(
        gym.make("senseweave.envs:senseweave/GoToLocal-v0", senses="grid,instruction", max_episode_steps=9)
    )

    body.env.reset(seed=3)  # the loop asks its player before the rig begins, to warm it up

    class Expert:
        has_gates = False

        def start(self, seed):
            pass

        def act(self, observation):
            return Move(int(body.env.unwrapped.expert_action()))

    rig = LiveRig(
        body.senses, body.sensors(), actuator=body, action_names=body.action_names, step_s=0.1, clock=VirtualClock(),
        start_up_s=0.0,
    )  # fmt: skip
    with Recorder.of(rig, tmp_path / "day.mcap") as recorder:
        run_loop(rig, Expert(), seconds=6.0, seed=3, observers=[recorder.on_tick])
    episodes = open_dataset(tmp_path)
    assert len(episodes) == body.episodes + 1 > 3  # the last one was going on
    *whole, last = episodes
    assert sum(bool(episode.success) for episode in whole) == body.successes > 0
    assert all(episode.rewards[-1] > 0 and episode.terminated for episode in whole if episode.success)
    assert last.truncated and last.success is None and all(episode.instruction for episode in episodes)
    assert sum(map(len, episodes)) == episodes.steps
