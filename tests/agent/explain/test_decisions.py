"""A log of decisions is a fair, bounded selection that does not depend on how many episodes run side by side."""

from collections import Counter

import numpy as np

from senseweave.agent.explain.decisions import MAX_WHOLE_STEPS, WHOLE_EPISODES, DecisionLog


def note_all(log, lengths, side_by_side):
    """Plays episodes of these lengths, some at a time; what is sensed and done in a step is its number."""
    for first in range(0, len(lengths), side_by_side):
        playing = list(range(first, min(first + side_by_side, len(lengths))))
        step = 0
        while playing:
            seen = {"touch": np.full((len(playing), 1), step, np.float32)}
            memory = None if step == 0 else (np.full((1, len(playing), 2), step, np.float32),)
            log.note(seen, playing, np.full(len(playing), step == 0), memory, np.full(len(playing), step))
            step += 1
            playing = [episode for episode in playing if lengths[episode] > step]


def told(decisions):
    return [(decision.episode, decision.step) for decision in decisions]


def test_what_is_drawn_does_not_depend_on_how_many_run_side_by_side():
    lengths = [30, 3, 50, 12, 7, 1]
    logs = [DecisionLog(6, seed=4, most=24) for _ in range(2)]
    note_all(logs[0], lengths, 6)
    note_all(logs[1], lengths, 1)
    assert told(logs[0].drawn()) == told(logs[1].drawn())
    assert Counter(decision.episode for decision in logs[0].drawn()) == {0: 4, 1: 3, 2: 4, 3: 4, 4: 4, 5: 1}


def test_a_decision_holds_what_was_sensed_carried_and_done():
    log = DecisionLog(2, most=20)
    note_all(log, [5, 8], 2)
    for decision in log.drawn():
        assert decision.observation["touch"].tolist() == [decision.step] and decision.action == decision.step
        assert decision.is_first == (decision.step == 0) == (decision.memory is None)
        assert decision.memory is None or decision.memory[0].tolist() == [[decision.step] * 2]


def test_each_step_of_an_episode_is_drawn_equally_often():
    log = DecisionLog(2000, most=2000)
    note_all(log, [10] * 2000, 500)
    counts = np.bincount([decision.step for decision in log.drawn()], minlength=10)
    assert counts.sum() == 2000 and counts.min() > 140 and counts.max() < 260, counts


def test_the_first_episodes_are_kept_whole_up_to_a_bound():
    log = DecisionLog(WHOLE_EPISODES + 1, most=1)
    note_all(log, [7, MAX_WHOLE_STEPS + 5, 2, 3, 9], 5)
    assert [decision.step for decision in log.whole(0)] == list(range(7))
    assert len(log.whole(1)) == MAX_WHOLE_STEPS
    assert log.whole(WHOLE_EPISODES) == []


def test_one_of_each_comes_from_episodes_that_are_evenly_spread():
    log = DecisionLog(9, most=90)
    note_all(log, [4] * 9, 9)
    assert [decision.episode for decision in log.one_each(5)] == [0, 2, 4, 6, 8]
    assert [decision.episode for decision in log.one_each(100)] == list(range(9))
    assert told(log.one_each(5)) == told(log.one_each(5))


def test_no_more_decisions_are_kept_than_asked_for_however_many_episodes_there_are():
    log = DecisionLog(100, most=20)
    note_all(log, [3] * 100, 10)
    kept = [episode for episode, _ in told(log.drawn())]
    assert len(kept) == 20 and kept == sorted(set(kept)) and (kept[0], kept[-1]) == (0, 99)
    assert len(log.one_each(8)) == 8
