"""When a mission is done, an episode lost, and the time up, case by case."""

import pytest

from kit.rooms.by_hand import AHEAD, GREEN, NOTHING_YET, RED, cell, play, reward_after, room
from senseweave.envs.rooms.codes import (
    BALL,
    BOX,
    CLOSED,
    DONE,
    DOOR,
    DROP,
    FORWARD,
    KEY,
    LEFT,
    LOCKED,
    OPEN,
    PICKUP,
    RIGHT,
    TOGGLE,
)
from senseweave.envs.rooms.state import GONE, OPEN_DOOR, PICK_UP, PUT_NEXT


def test_going_to_a_thing_is_done_when_it_is_faced():
    state = room((BALL, RED, (5, 3)), target=[0])
    assert play(state, LEFT) == NOTHING_YET
    assert play(state, RIGHT, FORWARD) == (reward_after(3), True, False)


def test_going_to_any_of_several_targets_will_do():
    state = room((BALL, RED, (1, 1)), (BALL, RED, (3, 2)), target=[0, 1])
    assert play(state, LEFT) == (reward_after(1), True, False)


def test_a_target_that_was_faced_from_the_start_counts_wherever_it_goes():
    for action in (PICKUP, TOGGLE, DONE):
        state = room((BOX, RED, AHEAD), target=[0])
        assert play(state, action) == (reward_after(1), True, False)


def test_picking_up_counts_for_targets_alone():
    state = room((BALL, RED, AHEAD), (BALL, GREEN, (3, 4)), verb=PICK_UP, target=[1])
    assert play(state, PICKUP) == NOTHING_YET
    assert play(state, LEFT, DROP, RIGHT, RIGHT) == NOTHING_YET
    assert play(state, PICKUP) == (reward_after(6), True, False)


def test_facing_what_has_to_be_picked_up_is_not_enough():
    state = room((BALL, RED, AHEAD), verb=PICK_UP, target=[0])
    assert play(state, DONE, TOGGLE, FORWARD, DROP) == NOTHING_YET


def test_opening_a_door_counts_and_closing_it_does_not():
    state = room((DOOR, RED, AHEAD, OPEN), verb=OPEN_DOOR, target=[0])
    assert play(state, TOGGLE) == NOTHING_YET
    assert play(state, TOGGLE) == (reward_after(2), True, False)


def test_opening_another_door_does_not_count():
    state = room((DOOR, RED, AHEAD, CLOSED), (DOOR, GREEN, (3, 4), CLOSED), verb=OPEN_DOOR, target=[1])
    assert play(state, TOGGLE) == NOTHING_YET
    assert play(state, RIGHT, TOGGLE) == (reward_after(3), True, False)


def test_unlocking_counts_as_opening():
    door, key = (DOOR, RED, AHEAD, LOCKED), (KEY, RED, (1, 1))
    state = room(door, key, verb=OPEN_DOOR, target=[0], carried=1)
    assert play(state, TOGGLE) == (reward_after(1), True, False)
    assert play(room(door, key, verb=OPEN_DOOR, target=[0]), TOGGLE) == NOTHING_YET


@pytest.mark.parametrize(
    ("second", "is_next"),
    [
        ((5, 3), True),
        ((4, 2), True),
        ((4, 4), True),
        ((5, 2), False),
        ((5, 4), False),
        ((6, 3), False),
        ((3, 4), False),
    ],
)
def test_a_thing_is_put_next_to_another_along_rows_and_columns(second, is_next):
    state = room((BALL, RED, (1, 1)), (KEY, GREEN, second), verb=PUT_NEXT, target=[0], second=[1], carried=0)
    assert play(state, DROP) == ((reward_after(1), True, False) if is_next else NOTHING_YET)


def test_the_second_thing_laid_next_to_the_first_does_not_count():
    state = room((BALL, RED, (5, 3)), (KEY, GREEN, (1, 1)), verb=PUT_NEXT, target=[0], second=[1], carried=1)
    assert play(state, DROP) == NOTHING_YET


def test_it_counts_where_the_second_thing_is_now_and_not_where_it_was():
    state = room((BALL, RED, (3, 4)), (KEY, GREEN, AHEAD), verb=PUT_NEXT, target=[0], second=[1])
    assert play(state, PICKUP, LEFT, DROP) == NOTHING_YET  # the key moved from (4, 3) to (3, 2)
    assert play(state, RIGHT, RIGHT, PICKUP, LEFT, FORWARD) == NOTHING_YET
    assert play(state, DROP) == NOTHING_YET  # the ball lies at (5, 3), next to where the key was
    assert play(state, PICKUP, LEFT, DROP) == (reward_after(12), True, False)  # and now at (4, 2)


def test_a_second_thing_that_is_held_or_gone_is_next_to_nothing():
    state = room((BALL, RED, (1, 1)), (BOX, GREEN, (3, 4)), verb=PUT_NEXT, target=[0], second=[1], carried=0)
    assert play(state, RIGHT, TOGGLE, DROP) == NOTHING_YET
    assert state.object_cell[0].tolist()[:2] == [cell(3, 4), GONE]


def test_a_target_is_not_next_to_itself():
    state = room((BALL, RED, (1, 1)), verb=PUT_NEXT, target=[0], second=[0], carried=0)
    assert play(state, DROP) == NOTHING_YET


def test_nothing_counts_that_could_not_be_laid_down():
    things = ((BALL, RED, (1, 1)), (KEY, GREEN, (5, 3)), (BOX, RED, AHEAD))
    state = room(*things, verb=PUT_NEXT, target=[0], second=[1], carried=0)
    assert play(state, DROP) == NOTHING_YET


def test_facing_a_wrong_thing_ends_the_episode_without_reward():
    state = room((BALL, RED, (6, 6)), (BALL, GREEN, (3, 2)), target=[0], wrong=[1])
    assert play(state, RIGHT) == NOTHING_YET
    assert play(state, LEFT, LEFT) == (0.0, True, False)


def test_facing_the_target_pays_among_wrong_things():
    state = room((BALL, RED, (3, 2)), (BALL, GREEN, (2, 2)), target=[0], wrong=[1])
    assert play(state, LEFT) == (reward_after(1), True, False)


def test_a_target_that_is_also_called_wrong_is_the_target():
    assert play(room((BALL, RED, (3, 2)), target=[0], wrong=[0]), LEFT) == (reward_after(1), True, False)


def test_a_thing_that_is_neither_may_be_faced():
    state = room((BALL, RED, (6, 6)), (KEY, GREEN, AHEAD), target=[0])
    assert play(state, DONE) == NOTHING_YET


def test_time_is_up_after_the_last_step():
    state = room((BALL, RED, (6, 6)), target=[0], max_steps=3)
    assert play(state, LEFT, LEFT) == NOTHING_YET
    assert play(state, LEFT) == (0.0, False, True)


def test_success_in_the_last_step_is_both():
    state = room((BALL, RED, (3, 2)), target=[0], max_steps=1)
    reward, terminated, truncated = play(state, LEFT)
    assert (terminated, truncated) == (True, True)
    assert reward == reward_after(1, 1) == pytest.approx(0.1)


def test_a_reward_is_that_of_the_step_rounded_once():
    for max_steps in (7, 64, 576, 1000):
        for steps in (1, 3, max_steps - 1):
            state = room((BALL, RED, (3, 2)), target=[0], max_steps=max_steps)
            state.step_count.fill_(steps - 1)
            assert play(state, LEFT)[0] == reward_after(steps, max_steps)
