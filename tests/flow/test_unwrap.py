from __future__ import annotations

import anyio
import pytest

from chatbots.flow.unwrap import unwrapped


async def test_the_only_error_of_a_task_group_comes_out_as_itself() -> None:
    error = ZeroDivisionError()

    async def fail() -> None:
        raise error

    async def run() -> None:
        with unwrapped():
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                group.start_soon(fail)

    with pytest.raises(ZeroDivisionError) as raised:
        await run()
    assert raised.value is error


@pytest.mark.checklist(129)
def test_it_comes_out_however_deep_it_lies() -> None:
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError) as raised, unwrapped():
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [error])])
    assert raised.value is error


def test_its_own_cause_stays() -> None:
    cause = KeyError("why")
    error = ZeroDivisionError()
    error.__cause__ = cause
    with pytest.raises(ZeroDivisionError) as raised, unwrapped():
        raise ExceptionGroup("outer", [error])
    assert raised.value.__cause__ is cause


@pytest.mark.parametrize(
    "group",
    [
        ExceptionGroup("two", [ValueError(), KeyError()]),
        ExceptionGroup("one of two", [ExceptionGroup("two", [ValueError(), KeyError()])]),
        BaseExceptionGroup("two", [KeyboardInterrupt(), KeyError()]),
    ],
)
def test_several_errors_stay_a_group(group: BaseExceptionGroup[BaseException]) -> None:
    with pytest.raises(BaseExceptionGroup) as raised, unwrapped():
        raise group
    assert raised.value is group


def test_an_interrupt_comes_out_as_itself() -> None:
    with pytest.raises(KeyboardInterrupt), unwrapped():
        raise BaseExceptionGroup("one", [KeyboardInterrupt()])


def test_another_error_passes() -> None:
    with pytest.raises(ZeroDivisionError), unwrapped():
        raise ZeroDivisionError


def test_no_error_passes() -> None:
    with unwrapped():
        pass
