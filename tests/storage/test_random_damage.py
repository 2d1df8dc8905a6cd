"""A state file whose bytes are not what was written: started from what can be read, and told.

Every total that is then shown is at most what it was. A thousand damages by `make test-long`; here
a few.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from llm_trace_exporter.config.settings import StateSettings
from llm_trace_exporter.errors import ExporterError
from tests.facts import Samples
from tests.ledger import RISING
from tests.storage.test_faults import Clock, settings, settle
from tests.telling import COUNTED, Door, Reporter

CALLS = 150
ERRORS = "llm_exporter_state_errors_total"
SUFFIXES = ("", "-wal")
Sums = dict[str, float]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a file as a crash leaves it: checkpoints, a journal, a write-ahead log."""
    folder = tmp_path_factory.mktemp("written")
    clock, reporter = Clock(), Reporter(11)
    engine = clock.engine(settings(folder / "live.db"))
    door = Door(engine)
    assert engine.checkpointer is not None and engine.state is not None
    for number in range(CALLS):
        assert door.send(reporter.next())
        clock.now_s += 0.7
        engine.ingester.settle()
        if number % 40 == 39 and number < CALLS - 20:
            engine.checkpointer.checkpoint()
    for suffix in SUFFIXES:
        shutil.copy(folder / f"live.db{suffix}", folder / f"state.db{suffix}")
    door.close()
    engine.close()
    return folder


def any_bytes(path: Path, chance: random.Random) -> None:
    """A few bytes anywhere."""
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 1, 4))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def the_log(path: Path, chance: random.Random) -> None:
    """A byte of the write-ahead log, or all past some byte."""
    log = path.with_name(f"{path.name}-wal")
    content = bytearray(log.read_bytes())
    at = chance.randrange(len(content))
    if chance.random() < 0.5:
        content[at] ^= 1 << chance.randrange(8)
    else:
        del content[at:]
    log.write_bytes(content)


def a_sector(path: Path, chance: random.Random) -> None:
    """512 bytes that read as zeros, or as noise."""
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content)) // 512 * 512
    content[start : start + 512] = chance.choice((bytes(512), chance.randbytes(512)))
    path.write_bytes(content[: path.stat().st_size])


def the_end(path: Path, chance: random.Random) -> None:
    """Everything past some byte is missing."""
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


def a_value(path: Path, chance: random.Random) -> None:
    """One bit of one value of one row of any table: the database itself is sound."""
    db = sqlite3.connect(path)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    filled = [t for t in sorted(tables) if db.execute(f"SELECT 1 FROM {t}").fetchone()]
    table = chance.choice(filled)
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    rows = db.execute(f"SELECT * FROM {table}").fetchall()
    row = chance.choice(rows)
    place = chance.randrange(len(columns))
    where = " AND ".join(f"{column} IS ?" for column in columns)
    update = f"UPDATE OR IGNORE {table} SET {columns[place]} = ? WHERE {where}"
    db.execute(update, (_flipped(row[place], chance), *row))
    db.commit()
    db.close()


def _flipped(value: object, chance: random.Random) -> object:
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(len(DAMAGES)))
    raw = value.encode() if isinstance(value, str) else bytes(value)  # type: ignore[call-overload]
    if not raw:
        return value
    changed = bytearray(raw)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return changed.decode(errors="replace") if isinstance(value, str) else bytes(changed)


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    any_bytes, any_bytes, a_value, a_value, a_sector, the_end, the_log,
)  # fmt: skip
SILENT = (the_log,)
"""SQLite takes a log up to the first byte that is wrong: as if what follows was never written."""


def started(folder: Path, path: Path) -> tuple[Sums, float]:
    """What is shown after a start on a file, and how many errors it tells."""
    clock = Clock()
    clock.now_s += 1_000
    base = settings(folder / "x")
    engine = clock.engine(replace(base, state=StateSettings(str(path))))
    try:
        settle(engine, clock)
        at = Samples(engine.exposition.render("", [*COUNTED, ERRORS]).body.decode())
        return sums(at), at.total(ERRORS)
    finally:
        engine.close()


def sums(at: Samples) -> Sums:
    """Sums of what is counted, and of every bucket."""
    found: Sums = {}
    for name, samples in at.by_name.items():
        if name.startswith(RISING) and not name.startswith("llm_exporter_"):
            for sample in samples:
                key = f"{name} {sample.labels.get('le', '')} {sample.labels.get('outcome', '')}"
                found[key] = found.get(key, 0.0) + sample.value
    return found


def damaged(written: Path, folder: Path, seed: int) -> None:
    """Start on a damaged copy; now and then again: nothing more is lost or found."""
    chance = random.Random(seed)
    path = folder / "state.db"
    for suffix in SUFFIXES:
        shutil.copy(written / f"state.db{suffix}", f"{path}{suffix}")
    damage = DAMAGES[seed % len(DAMAGES)]
    damage(path, chance)
    try:
        now, told = started(folder, path)
    except ExporterError as error:
        if "newer version" in str(error):
            return
        raise
    right, _ = whole(written, folder)
    over = {
        k: (v, right.get(k, 0.0))
        for k, v in now.items()
        # A call that lost one of its reports may count in another bucket, for less.
        if "_bucket" not in k and v > right.get(k, 0.0) * (1 + 1e-9)
    }
    assert not over, f"more than the truth: {over}"
    lost = {k for k, v in right.items() if now.get(k, 0.0) < v * (1 - 1e-9)}
    assert told or not lost or damage in SILENT, f"lost without a word: {sorted(lost)[:5]}"
    if seed % 5:
        return
    again, _ = started(folder, path)
    assert again == pytest.approx(now, rel=1e-9)


_whole: dict[Path, tuple[Sums, float]] = {}


def whole(written: Path, folder: Path) -> tuple[Sums, float]:
    """What is shown after a start on the file as it was written."""
    if written not in _whole:
        path = folder / "whole.db"
        for suffix in SUFFIXES:
            shutil.copy(written / f"state.db{suffix}", f"{path}{suffix}")
        _whole[written] = started(folder, path)
    return _whole[written]


def test_the_undamaged_file_is_right(written: Path, tmp_path: Path) -> None:
    right, told = whole(written, tmp_path)
    assert not told
    assert right["llm_tokens_total  "] > 1_000


@pytest.mark.parametrize("seed", range(len(DAMAGES)))
def test_some_damages(seed: int, written: Path, tmp_path: Path) -> None:
    damaged(written, tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_a_thousand_damages(block: int, written: Path, tmp_path: Path) -> None:
    wrong: list[str] = []
    for seed in range(100 * block, 100 * (block + 1)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            damaged(written, folder, seed)
        except Exception as error:
            wrong.append(f"seed {seed}, {DAMAGES[seed % len(DAMAGES)].__name__}: {error!r}")
        shutil.rmtree(folder)
    assert not wrong, "\n".join(wrong)
