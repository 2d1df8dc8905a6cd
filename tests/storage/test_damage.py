"""A damaged file: what can be read is kept, what cannot is told, and the exporter starts."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from llm_trace_exporter.errors import ExporterError
from tests.spans import chat, raw_log, raw_span
from tests.storage.machine import Machine

CALLS = 12
TABLES = ("marks", "journal", "series", "memory")
FOLLOWED = ("llm_requests_total", "llm_tokens_total", "llm_cost_usd_total", "llm_tool_calls_total")
DAMAGES = 20
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, float]]:
    """A file with every kind of row, as a crash left it, and what it holds."""
    machine = Machine(tmp_path_factory.mktemp("written") / "state.db")
    for number in range(CALLS):
        call = raw_span(chat() | {"gen_ai.response.id": f"id-{number}"})
        told = {"gen_ai.evaluation.name": "good", "gen_ai.evaluation.score.label": "pass"}
        verdict = raw_log(
            told, event="gen_ai.evaluation.result", trace=call.trace_id, span=call.span_id
        )
        machine.send(call, verdict, raw_span(TOOL, trace=call.trace_id, parent=call.span_id))
        if number == CALLS // 2:
            machine.settle()
            machine.checkpoint()
    machine.settle()
    expected = {name: machine.total(name) for name in FOLLOWED}
    assert expected["llm_requests_total"] == CALLS
    machine.tick()
    machine.kill()
    return machine.path.read_bytes(), expected


@pytest.fixture
def ended(written: tuple[bytes, dict[str, float]], tmp_path: Path) -> Machine:
    """A machine whose exporter has been killed."""
    machine = Machine(tmp_path / "state.db")
    machine.kill()
    machine.path.write_bytes(written[0])
    return machine


def trouble(machine: Machine) -> float:
    """What is told of the file."""
    return sum(
        machine.total("llm_exporter_state_errors_total", reason=reason)
        for reason in ("unusable", "damaged")
    )


def check(machine: Machine, expected: dict[str, float]) -> None:
    """Never more than the truth; less only where that is told."""
    machine.settle()
    for name, truth in expected.items():
        found = machine.total(name)
        assert found <= truth * (1 + 1e-9), name
        assert found == pytest.approx(truth) or trouble(machine), name


def test_the_file_of_these_tests_has_every_kind_of_row(ended: Machine) -> None:
    for table in TABLES:
        assert ended.rows(f"SELECT 1 FROM {table}"), table
    ended.start()
    assert trouble(ended) == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_flipped_bit_in_a_row_costs_that_row(
    ended: Machine, written: tuple[bytes, dict[str, float]], table: str
) -> None:
    """Each row in turn: told, set aside, and all others are there."""
    count = len(ended.rows(f"SELECT 1 FROM {table}"))
    chance = random.Random(table)
    for place in range(0, count, max(1, count // 12)):
        ended.path.write_bytes(written[0])

        def flip(db: sqlite3.Connection, place: int = place) -> None:
            select = f"SELECT value FROM {table} LIMIT 1 OFFSET {place}"
            (value,) = db.execute(select).fetchone()
            changed = bytearray(value)
            changed[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
            db.execute(f"UPDATE {table} SET value = ? WHERE value = ?", (bytes(changed), value))

        ended.write(flip)
        ended.start()
        check(ended, written[1])
        assert trouble(ended) == 1
        ended.kill()
        ended.start()
        ended.checkpoint()
        ended.restart()
        assert trouble(ended) == 0, "it is told once, and set aside"
        check(ended, {name: ended.total(name) for name in FOLLOWED})
        ended.kill()


@pytest.mark.parametrize(("table", "column"), [("series", "labels"), ("memory", "name")])
def test_a_key_that_is_no_text_any_more_is_set_aside(
    ended: Machine, written: tuple[bytes, dict[str, float]], table: str, column: str
) -> None:
    """A flipped bit that leaves no UTF-8."""

    def flip(db: sqlite3.Connection) -> None:
        query = f"SELECT CAST({column} AS BLOB) FROM {table} ORDER BY 1 LIMIT 1"
        (key,) = db.execute(query).fetchone()
        damaged = key[:2] + bytes((key[2] | 0x80,)) + key[3:]
        db.execute(
            f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {column} = CAST(? AS TEXT)",
            (damaged, key),
        )

    ended.write(flip)
    ended.start()
    told = trouble(ended)
    assert told >= 1
    check(ended, written[1])
    ended.restart()
    assert trouble(ended) == 0
    ended.kill()
    assert ended.rows("SELECT 1 FROM unusable")


def test_a_row_that_strayed_is_not_taken(ended: Machine) -> None:
    """Two values in each other's place: each is whole, neither is what was written there."""

    def swap(db: sqlite3.Connection) -> None:
        query = "SELECT rowid, value FROM memory WHERE name IN ('traces', 'open_traces') LIMIT 2"
        (one, first), (other, second) = db.execute(query).fetchall()
        db.execute("UPDATE memory SET value = ? WHERE rowid = ?", (second, one))
        db.execute("UPDATE memory SET value = ? WHERE rowid = ?", (first, other))

    ended.write(swap)
    ended.start()
    assert trouble(ended) == 2


@pytest.mark.parametrize("seed", range(DAMAGES))
def test_random_damage_never_stops_the_start(
    ended: Machine, written: tuple[bytes, dict[str, float]], seed: int
) -> None:
    """Bytes changed, cut off or zeroed anywhere in the file."""
    chance = random.Random(seed)
    content = bytearray(written[0])
    match seed % 4:
        case 0 | 1:
            for _ in range(chance.choice((1, 1, 8))):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        case 2:
            del content[chance.randrange(len(content)) :]
        case _:
            start = chance.randrange(len(content))
            length = min(chance.choice((1, 100, 4096)), len(content) - start)
            content[start : start + length] = bytes(length)
    ended.path.write_bytes(bytes(content))
    ended.start()
    if not content:
        return
    check(ended, written[1])
    before = ended.total("llm_requests_total")
    ended.send(raw_span(chat()))
    ended.settle()
    ended.restart()
    assert ended.total("llm_requests_total") == before + 1


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0"])
def test_an_empty_file_and_the_head_of_one_are_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    machine = Machine(path)
    machine.send(raw_span(chat()))
    machine.settle()
    machine.crash()
    assert machine.calls() == (1, 15)


def test_a_file_of_another_program_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    machine = Machine(path)
    assert trouble(machine) == 1
    (aside,) = tmp_path.glob("*.unusable-*")
    with sqlite3.connect(aside) as db:
        assert db.execute("SELECT count(*) FROM theirs").fetchone() == (0,)
    db.close()


def test_a_newer_file_is_left_to_the_newer_version(ended: Machine) -> None:
    def become_newer(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA user_version = 999")
        for place, value in db.execute("SELECT place, value FROM marks").fetchall():
            newer = (99).to_bytes(1) + value[1:]
            db.execute("UPDATE marks SET value = ? WHERE place = ?", (newer, place))

    ended.write(become_newer)
    content = ended.path.read_bytes()
    with pytest.raises(ExporterError, match=r"newer version \(schema 999; this one reads 3\)"):
        ended.start()
    assert ended.path.read_bytes() == content
    assert list(ended.path.parent.glob("*.unusable-*")) == []


@pytest.mark.parametrize("pragma", ["user_version", "application_id"])
def test_a_flipped_bit_in_the_head_costs_nothing(
    ended: Machine, written: tuple[bytes, dict[str, float]], pragma: str
) -> None:
    """The rows know better what they are."""

    def flip(db: sqlite3.Connection) -> None:
        (number,) = db.execute(f"PRAGMA {pragma}").fetchone()
        db.execute(f"PRAGMA {pragma} = {number ^ (1 << 20)}")

    ended.write(flip)
    ended.start()
    assert trouble(ended) == 1
    for name, truth in written[1].items():
        assert ended.total(name) == pytest.approx(truth), name
