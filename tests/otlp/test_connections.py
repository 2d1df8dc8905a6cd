"""Who goes when a connection is overdue, or when there is no room for one more."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from llm_trace_exporter.receivers.connections import ConnectionLimits, Connections, ConnectionState


@dataclass(eq=False)
class Client:
    name: str
    is_open: bool = True

    def abort(self) -> None:
        self.is_open = False


@dataclass
class Listener:
    """Connections under a clock that a test moves."""

    limits: ConnectionLimits = field(default_factory=lambda: ConnectionLimits(4, max_taking=2))
    now_s: float = 100.0
    closed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.all = Connections(self.limits, lambda: self.now_s, self.closed.append)

    def client(self, name: str, state: ConnectionState, *, for_s: float = 0.0) -> Client:
        client = Client(name)
        self.all.stand(client, state)
        self.now_s += for_s
        return client


def test_there_is_room_below_the_limit() -> None:
    listener = Listener()
    clients = [listener.client(str(n), ConnectionState.SILENT) for n in range(3)]
    assert listener.all.has_room()
    assert all(client.is_open for client in clients)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ConnectionState.SILENT, ConnectionState.IDLE),
        (ConnectionState.IDLE, ConnectionState.SENDING),
        (ConnectionState.SENDING, ConnectionState.TAKING),
        (ConnectionState.TAKING, ConnectionState.BUSY),
    ],
)
def test_the_least_deserving_makes_room(first: ConnectionState, second: ConnectionState) -> None:
    listener = Listener()
    longer = listener.client("longer", second, for_s=5)
    goes = listener.client("goes", first, for_s=5)
    others = [listener.client("busy", ConnectionState.BUSY) for _ in range(2)]
    assert listener.all.has_room()
    assert not goes.is_open
    assert longer.is_open and all(other.is_open for other in others)
    assert (listener.closed, listener.all.count) == (["limit"], 3)


def test_the_longest_of_equals_goes() -> None:
    listener = Listener()
    clients = [listener.client(str(n), ConnectionState.IDLE, for_s=2) for n in range(4)]
    listener.all.stand(clients[0], ConnectionState.IDLE)
    assert listener.all.has_room()
    assert [client.is_open for client in clients] == [True, False, True, True]


def test_who_has_just_come_stays() -> None:
    """It has had no time to say anything: those that are idle have."""
    listener = Listener()
    idle = [listener.client(str(n), ConnectionState.IDLE, for_s=1) for n in range(3)]
    new = listener.client("new", ConnectionState.SILENT)
    assert listener.all.has_room()
    assert new.is_open and not idle[0].is_open


def test_nobody_goes_whose_request_is_worked_on() -> None:
    listener = Listener()
    busy = [listener.client(str(n), ConnectionState.BUSY, for_s=1_000) for n in range(4)]
    assert not listener.all.has_room()
    listener.all.close_overdue()
    assert all(client.is_open for client in busy)


@pytest.mark.parametrize(
    ("state", "patience_s", "reason"),
    [
        (ConnectionState.SILENT, 10, "head_timeout"),
        (ConnectionState.IDLE, 75, "idle_timeout"),
        (ConnectionState.SENDING, 60, "body_timeout"),
        (ConnectionState.TAKING, 30, "answer_timeout"),
    ],
)
def test_each_has_its_time(state: ConnectionState, patience_s: float, reason: str) -> None:
    listener = Listener()
    client = listener.client("one", state, for_s=patience_s - 1)
    listener.all.close_overdue()
    assert client.is_open
    listener.now_s += 1
    listener.all.close_overdue()
    assert (client.is_open, listener.closed, listener.all.count) == (False, [reason], 0)


def test_many_may_take_an_answer_but_few_slowly() -> None:
    listener = Listener(ConnectionLimits(100, max_taking=2))
    readers = [listener.client(str(n), ConnectionState.TAKING) for n in range(10)]
    assert all(reader.is_open for reader in readers)
    listener.now_s += 1
    listener.client("one more", ConnectionState.TAKING)
    assert [reader.is_open for reader in readers] == [False, *[True] * 9]


def test_one_that_left_is_forgotten() -> None:
    listener = Listener()
    client = listener.client("one", ConnectionState.IDLE)
    listener.all.leave(client)
    listener.all.leave(client)
    assert listener.all.count == 0
