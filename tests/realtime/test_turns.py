from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from chatbots.realtime.turns import (
    BARGE_IN,
    MODEL,
    USER,
    Illegal,
    Model,
    ModelDeed,
    Turns,
    User,
    UserDeed,
    diagram,
)

USERS: list[User] = list(get_args(User))
MODELS: list[Model] = list(get_args(Model))
USER_DEEDS: list[UserDeed] = list(get_args(UserDeed))
MODEL_DEEDS: list[ModelDeed] = list(get_args(ModelDeed))


def turns(user: User, model: Model, *, interruptible: bool = True) -> Turns:
    made = Turns(interruptible=interruptible)
    made.user, made.model = user, model
    return made


def state(made: Turns) -> tuple[User, Model]:
    return made.user, made.model


def test_each_state_has_its_ways_and_each_can_be_reached() -> None:
    assert [*USER] == USERS
    assert [*MODEL] == MODELS
    for states, table in ((USERS, USER), (MODELS, MODEL)):
        assert {to for ways in table.values() for to in ways.values()} == {*states}


@pytest.mark.parametrize(("user", "deed"), [*product(USERS, USER_DEEDS)])
def test_what_the_user_does_is_as_the_table_has_it_or_changes_nothing(
    user: User, deed: UserDeed
) -> None:
    made = turns(user, "idle")
    if deed in USER[user]:
        assert made.heard(deed) is False
        assert state(made) == (USER[user][deed], "idle")
    else:
        with pytest.raises(Illegal, match=f"The user is {user}: {deed} cannot be"):
            made.heard(deed)
        assert state(made) == (user, "idle")


@pytest.mark.parametrize(("model", "deed"), [*product(MODELS, MODEL_DEEDS)])
def test_what_the_model_does_is_as_the_table_has_it_or_changes_nothing(
    model: Model, deed: ModelDeed
) -> None:
    made = turns("silent", model)
    assert made.may(deed) == (deed in MODEL[model])
    if deed in MODEL[model]:
        assert made.does(deed) is False
        assert state(made) == ("silent", MODEL[model][deed])
    else:
        with pytest.raises(Illegal, match=f"The model is {model}: {deed} cannot be"):
            made.does(deed)
        assert state(made) == ("silent", model)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("user", ["silent", "paused"])
def test_who_speaks_into_an_answer_interrupts_it_and_nothing_else(user: User, model: Model) -> None:
    made = turns(user, model)
    after = BARGE_IN.get(("speaking", model))
    assert made.heard("speech_started") is (after is not None)
    assert state(made) == ("speaking", after or model)


@pytest.mark.parametrize("model", MODELS)
def test_where_the_user_may_not_cut_in_both_speak(model: Model) -> None:
    made = turns("silent", model, interruptible=False)
    assert made.heard("speech_started") is False
    assert state(made) == ("speaking", model)


def test_an_answer_to_who_already_speaks_is_interrupted_as_it_begins() -> None:
    made = turns("speaking", "asked")
    assert made.does("created") is True
    assert state(made) == ("speaking", "stopping")


@given(st.lists(st.sampled_from(sorted({*USER_DEEDS, *MODEL_DEEDS}))))
def test_in_any_order_nobody_answers_who_speaks(deeds: list[str]) -> None:
    made = Turns()
    for deed in deeds:
        before = state(made)
        try:
            made.heard(deed) if deed in USER_DEEDS else made.does(deed)  # type: ignore[arg-type]  # either
        except Illegal:
            assert state(made) == before
        assert state(made) not in BARGE_IN
        assert state(made) in {*product(USERS, MODELS)}


def test_the_diagram_draws_every_way() -> None:
    lines = diagram(MODEL).splitlines()
    ways = sum(len(table) - 1 for table in MODEL.values())
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> idle"]
    assert len(lines) == 2 + ways + len(BARGE_IN)
    assert "    answering --> stopping: barge-in" in lines
    assert "    silent --> speaking: speech_started" in diagram(USER).splitlines()
    assert "lost" not in diagram(USER) + diagram(MODEL)
