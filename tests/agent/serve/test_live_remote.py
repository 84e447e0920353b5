"""A rig whose policy is on another machine: it acts, and keeps its safe action, whatever happens to the server."""

import contextlib
import functools
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from kit.benchmarks import script
from kit.limits import HANG_S
from kit.live.runs import clip, commands_in, seeker
from kit.live.serving import rememberer, scripted_rig, served, server
from senseweave.agent import cli
from senseweave.agent.live.loop import run_loop
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.remote.link import Link
from senseweave.envs.live.remote.messages import RemoteError
from senseweave.envs.live.remote.policy import RemotePolicy
from senseweave.envs.live.sessions.session import Session, only_file, read_ticks
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera, Spec

__all__ = ["clip", "rememberer", "seeker", "server"]

WITHOUT_TORCH = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "stable_baselines3", "sb3_contrib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Lacking())
from senseweave.agent.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_robot_without_torch_is_driven_and_its_session_is_recorded(server, clip, tmp_path):
    actions = tmp_path / "actions.jsonl"
    words = ["live", "--remote", server.url, "--camera", clip, "--microphone", clip, "--instruction", "go to the ball"]
    words += ["--seconds", "4", "--record", tmp_path, "--actions", actions, "--safe-action", "done", "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT_TORCH, *map(str, words)], capture_output=True, text=True, timeout=HANG_S
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    remote = result["remote"]
    assert remote["answers"] >= 3 and remote["connections"] == 1 and remote["greedy"] is True
    assert 0 < remote["round_trip_p50_ms"] <= remote["round_trip_p99_ms"] <= remote["round_trip_max_ms"]
    assert result["events_by_kind"]["connected"] == 1 and f"connected. {server.url} acts" in done.stderr
    own = [command for command in commands_in(actions) if not command["is_safe"]]
    assert 1 <= len(own) <= remote["answers"]
    ticks = list(read_ticks(Session(only_file(tmp_path))))
    assert "connected" in [event.kind for tick in ticks for event in tick.moment.events]
    assert sum(tick.gates is not None for tick in ticks) == len(own)


MISTAKES = [
    ("live --remote ws://127.0.0.1:1 --camera {clip}", "There is no policy server at ws://127.0.0.1:1: Connection ref"),
    ("live --remote http://x --camera {clip}", "A server's address is written as ws://HOST:PORT; got"),
    ("live --remote {url} --token /nowhere/t --camera {clip}", "The token cannot be read from /nowhere/t"),
    ("live --remote {url} --body senseweave/Seek-v0 --camera 93", "There is no camera 93"),
    ("live --remote {url} --required smell --camera {clip} --safe-action done", '`required` names "smell"'),
    (
        "serve {run} --host 0.0.0.0",
        "`host` 0.0.0.0 is reached by other machines, which needs a secret",
    ),
    ("serve {run} --port {port}", "Nothing can be served at 127.0.0.1, port"),
    ("serve /nowhere", 'The run directory "/nowhere" does not exist'),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_is_one_sentence_and_status_2(capsys, server, rememberer, clip, words, sentence):
    names = {"url": server.url, "run": rememberer, "clip": clip, "port": server.port}
    assert cli.main([word.format_map(names) for word in words.split()]) == 2
    told = capsys.readouterr()
    assert sentence in told.err and told.err.count("\n") == 1 and told.out == "", told.err


def rig_for(link, **options):
    hello = link.connect()
    return scripted_rig(hello.senses, hello.action_names, **options)


class Played:
    """What came of a server that drove a rig while something happened to it.

    Attributes:
        ticks: all of them.
        events: all of them.
        marks: name -> when it happened, in seconds of the rig's clock.
    """

    def __init__(self, link, rig, sent, happenings):
        self.ticks, self.events, self.marks, self._sent = [], [], {}, sent
        self._is_over, self._has_begun = threading.Event(), threading.Event()
        harm = threading.Thread(target=self._happen, args=[happenings])
        harm.start()
        try:
            player = RemotePolicy(link, rig)
            self.tally = run_loop(
                rig,
                player,
                observers=[self.ticks.append, lambda tick: self._has_begun.set()],
                on_end=self.events.extend,
                wants_to_stop=self._is_over.is_set,
            )
        finally:
            self._has_begun.set()
            harm.join(HANG_S)
            rig.close()
            link.close()
        self.events = [event for tick in self.ticks for event in tick.moment.events] + self.events
        self.kinds = [event.kind for event in self.events]

    def _happen(self, happenings):
        self._has_begun.wait(HANG_S)
        try:
            for seconds, name, do in happenings:
                time.sleep(seconds)
                do()
                self.marks[name] = time.monotonic()
        finally:
            self._is_over.set()

    def chosen(self, begin, end, *, after_s=0.0):
        """When the policy's own actions were sent between two marks, the first of them `after_s` later."""
        begin_s, end_s = self.marks.get(begin, 0.0) + after_s, self.marks[end]
        times = [command.time_ns / 1e9 for command in self._sent if not command.is_safe]
        return [at_s for at_s in times if begin_s < at_s < end_s]

    def safe(self, begin, end):
        """When the safe action was sent between two marks."""
        times = [command.time_ns / 1e9 for command in self._sent if command.is_safe]
        return [at_s for at_s in times if self.marks[begin] < at_s < self.marks[end]]


def nothing():
    """What happens at a mark that only ends a phase."""


def test_a_server_that_is_killed_and_comes_back_is_taken_up_again_and_meanwhile_the_safe_action_is_sent(rememberer):
    with contextlib.ExitStack() as servers:
        first = servers.enter_context(served(rememberer, "--greedy"))
        link = Link(first.url, backoff=Backoff(first_delay_s=0.05, max_delay_s=0.2))
        rig, sent = rig_for(link)
        came = Played(
            link,
            rig,
            sent,
            [
                (1.0, "killed", first.process.kill),
                (0.0, "back", lambda: servers.enter_context(served(rememberer, "--greedy", port=first.port))),
                (3.0, "end", nothing),
            ],
        )
    last_s = came.chosen("", "back")[-1]
    assert last_s < came.marks["killed"] + 0.1, "nobody chose while it was gone"
    (safe_s,) = came.safe("killed", "back")  # once, as for a policy that hangs
    assert rig.watchdog_s <= safe_s - last_s < rig.watchdog_s + 0.5
    assert came.chosen("back", "end")[0] < came.marks["back"] + 2.0
    assert [kind for kind in came.kinds if kind in ("connected", "lost")][:3] == ["connected", "lost", "connected"]
    assert {"safe", "resumed"} < set(came.kinds) and link.connections >= 2
    missed = [tick for tick in came.ticks if tick.move.missed]
    assert "There is no connection to" in missed[len(missed) // 2].safe_reason
    assert came.tally.safe_ticks == len(missed) <= rig.timing.overruns


def test_answers_that_come_after_their_tick_are_never_acted_on_and_those_in_time_are_again(monkeypatch, server):
    with script(monkeypatch, "parts.remote.rough_link").RoughLink(server.port) as rough:
        link = Link(f"ws://127.0.0.1:{rough.port}")
        rig, sent = rig_for(link, step_s=0.1)
        slow, quick = (functools.partial(setattr, rough, "delay_s", delay_s) for delay_s in (0.07, 0.0))
        came = Played(link, rig, sent, [(1.5, "slow", slow), (2.0, "quick", quick), (2.0, "end", nothing)])
    assert came.chosen("", "slow") and came.chosen("quick", "end")
    assert not came.chosen("slow", "quick", after_s=0.3), "late answers came, and nobody acted on them"
    assert came.safe("slow", "quick")
    assert link.answers > sum(not command.is_safe for command in sent) + 3, "they did come"
    assert any(event.kind == "late" and "within a tick of 100 ms" in event.detail for event in came.events)
    missed = [tick for tick in came.ticks if tick.move.missed]
    assert len(missed) > 10 and {tick.sent for tick in missed} == {None} and {tick.gates for tick in missed} == {None}
    assert any("still awaited" in tick.safe_reason for tick in missed)


def test_a_link_that_is_cut_is_made_again_and_one_that_is_silent_is_given_up(monkeypatch, server):
    with script(monkeypatch, "parts.remote.rough_link").RoughLink(server.port) as rough:
        link = Link(f"ws://127.0.0.1:{rough.port}", backoff=Backoff(stall_s=0.7, first_delay_s=0.05, max_delay_s=0.2))
        rig, sent = rig_for(link, step_s=0.1)
        mute, loud = (functools.partial(setattr, rough, "is_silent", value) for value in (True, False))
        happenings = [(1.5, "cut", rough.cut), (1.5, "mute", mute), (1.5, "loud", loud), (3.0, "end", nothing)]
        came = Played(link, rig, sent, happenings)
    assert came.chosen("cut", "mute", after_s=0.3) and came.chosen("loud", "end")
    assert not came.chosen("mute", "loud", after_s=0.3) and came.safe("mute", "loud")
    assert came.kinds.count("lost") >= 2 and came.kinds.count("connected") >= 3 and link.connections >= 3
    assert [event for event in came.events if event.kind == "lost" and "does not answer in time" in event.detail]


def test_another_policy_in_its_place_is_never_asked(monkeypatch, server, seeker):
    with (
        served(seeker, "--greedy") as other,
        script(monkeypatch, "parts.remote.rough_link").RoughLink(server.port) as rough,
    ):
        link = Link(f"ws://127.0.0.1:{rough.port}")
        rig, sent = rig_for(link)

        def swap():
            rough.target = other.port
            rough.cut()

        came = Played(link, rig, sent, [(1.0, "swapped", swap), (2.0, "end", nothing)])
        assert [event for event in came.events if event.kind == "warning" and "Another policy is at" in event.detail]
        assert not came.chosen("swapped", "end", after_s=0.2)
        assert other.end()["answers"] == 0


def test_a_rig_that_does_not_fit_is_refused_in_one_sentence(server):
    link = Link(server.url)
    hello = link.connect()
    with pytest.raises(ConfigError, match='"camera" is Camera'):
        RemotePolicy(link, scripted_rig(Spec(camera=Camera(16, 16)), hello.action_names)[0])
    with pytest.raises(ConfigError, match="The actions here are go, stay, but those of the policy at"):
        RemotePolicy(link, scripted_rig(hello.senses, ("go", "stay"))[0])
    link.close()
    with pytest.raises(RemoteError, match="There is no policy server at ws://127.0.0.1:1"):
        Link("ws://127.0.0.1:1").connect()


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="needs the extra onnx")
def test_an_exported_policy_is_served_without_torch(seeker, tmp_path):
    words = [sys.executable, "-P", "-m", "senseweave.agent.cli", "export", seeker, "--out", tmp_path / "robot"]
    environment = os.environ | {"SENSEWEAVE_SHAPE_CHECKS": "0"}
    subprocess.run(list(map(str, words)), check=True, capture_output=True, env=environment, timeout=HANG_S)
    with served(tmp_path / "robot", "--greedy", command=[sys.executable, "-P", "-c", WITHOUT_TORCH, "serve"]) as one:
        link = Link(one.url)
        rig, sent = rig_for(link, step_s=0.1)
        came = Played(link, rig, sent, [(1.5, "end", nothing)])
        assert came.chosen("", "end") and one.end()["answers"] == link.answers
        assert link.hello is not None and link.hello.senses.names == ("audio", "camera", "instruction")
