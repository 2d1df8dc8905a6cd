"""Places and bytes of requests under way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from llm_trace_exporter.errors import Overloaded
from llm_trace_exporter.receivers.admission import SLOW_S, Admission, Ticket

TIMEOUT_S = 10.0


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, TIMEOUT_S))


async def read(admission: Admission, size: int, ends: asyncio.Event) -> Ticket:
    """A request that has sent so much, and ends some time."""
    with admission.enter() as ticket:
        async with ticket.reading(TIMEOUT_S):
            ticket.grow(size)
            await ends.wait()
        assert admission.requests[0] > 0
        return ticket


def test_a_request_takes_a_place_when_it_is_complete() -> None:
    async def test() -> None:
        admission, never = Admission(1, 100), asyncio.Event()
        slow = [asyncio.create_task(read(admission, 1, never)) for _ in range(10)]
        await asyncio.sleep(0)
        assert (admission.requests, admission.size_bytes) == ((0, 1), (10, 100))
        with admission.enter() as ticket:
            async with ticket.reading(TIMEOUT_S):
                pass
            assert admission.requests == (1, 1)
            with pytest.raises(Overloaded):
                admission.enter()
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        assert (admission.requests, admission.size_bytes) == ((0, 1), (0, 100))

    run(test())


def test_a_slow_one_goes_when_another_needs_its_bytes() -> None:
    async def test() -> None:
        clock, never = Clock(), asyncio.Event()
        admission = Admission(2, 100, clock)
        slow = asyncio.create_task(read(admission, 60, never))
        await asyncio.sleep(0)
        with admission.enter() as ticket:
            async with ticket.reading(TIMEOUT_S):
                with pytest.raises(Overloaded):
                    ticket.grow(60)  # it has just begun
                clock.now_s += SLOW_S
                ticket.grow(60)
        with pytest.raises(Overloaded, match="slowly"):
            await slow
        assert (admission.requests, admission.size_bytes) == ((0, 2), (0, 100))

    run(test())


def test_no_request_can_make_room_for_itself() -> None:
    async def test() -> None:
        clock = Clock()
        admission = Admission(2, 100, clock)
        with admission.enter() as ticket:
            async with ticket.reading(TIMEOUT_S):
                ticket.grow(100)
                clock.now_s += 2 * SLOW_S
                with pytest.raises(Overloaded):
                    ticket.grow(1)
        assert admission.size_bytes == (0, 100)

    run(test())


def test_sixteen_may_be_on_their_way_for_each_place() -> None:
    async def test() -> None:
        clock, never = Clock(), asyncio.Event()
        admission = Admission(1, 100, clock)
        slow = [asyncio.create_task(read(admission, 0, never)) for _ in range(17)]
        await asyncio.sleep(0.01)
        assert [task.done() for task in slow] == [*[False] * 16, True]
        clock.now_s += SLOW_S
        newest = asyncio.create_task(read(admission, 0, never))
        await asyncio.sleep(0.01)
        assert [task.done() for task in slow] == [True, *[False] * 15, True]
        for task in (*slow, newest):
            task.cancel()
        await asyncio.gather(*slow, newest, return_exceptions=True)

    run(test())
