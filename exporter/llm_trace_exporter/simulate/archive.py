"""OpenMetrics with timestamps: what a Prometheus would have stored of one exporter.

Written for `promtool tsdb create-blocks-from openmetrics`: families are grouped, the samples of a
series in order of time. Most series rest most of the time, so only changes are held in memory, and
the lines between them are joined when some hundred scrapes have come together; they wait in a file
for each family. Exemplars are left out: promtool does not take them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Any

from ..metrics.catalogue import FAMILIES
from ..metrics.exposition import head, histogram_lines, scalar_lines
from ..metrics.family import Family
from ..metrics.negotiation import Format
from ..metrics.series import escape_value
from ..metrics.store import Store

SCRAPES_AT_ONCE = 240
"""Scrapes whose changes are held in memory."""

_UP_HEAD = "# HELP up Whether the scrape succeeded.\n# TYPE up gauge\n"


class Archive:
    """Takes scrapes in order of time; a context whose end removes what was not written."""

    def __init__(self, path: Path, labels: dict[str, str]) -> None:
        """Write to a file at the end.

        Args:
            path: The file; what waits is kept in its folder.
            labels: `job`, `instance` and others that a scrape would add.
        """
        self._path = path
        self._labels = ",".join(f'{n}="{escape_value(v)}"' for n, v in labels.items())
        self._stack = ExitStack()
        self._families: dict[str, _FamilyFile] = {}
        self._times: list[str] = []
        self._folder = Path()
        self._missed = False

    def __enter__(self) -> Archive:
        """Make the folder for what waits."""
        folder = TemporaryDirectory(prefix=".simulate-", dir=self._path.parent)
        self._folder = Path(self._stack.enter_context(folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what waits."""
        self._stack.close()

    @property
    def is_fresh(self) -> bool:
        """Whether `collect` is due: nothing is held, or a scrape has failed since."""
        return not self._times or self._missed

    def scrape(self, at_s: int, store: Store) -> None:
        """Take what a store shows now."""
        step = self._begin(at_s, is_up=True)
        for family in FAMILIES:
            if not store.counters(family.name).is_shown:
                continue
            taken = self._family(family.name, head(family, Format.OPENMETRICS))
            if family.type == "histogram":
                bounds = store.histograms(family.name).bounds
                for row in store.histogram_rows(family.name):
                    if taken.is_news(row[0], (row[1], row[2]), step):
                        lines = histogram_lines(family.name, bounds, (row,), False, None)
                        taken.show(row[0], "".join(lines).splitlines(), step)
            else:
                for scalar in store.scalar_rows(family.name):
                    if taken.is_news(scalar[0], scalar[1], step):
                        taken.show(scalar[0], _plain(family, scalar), step)
            taken.end_scrape(step)

    def collect(self, page: str) -> None:
        """Take the families of an OpenMetrics page that are not the catalogue's.

        They are what client libraries tell of a process; looked at once for many scrapes.
        """
        self._missed = False
        known = {family.base_name for family in FAMILIES}
        for name, head_, lines in _families_of(page):
            if name not in known:
                taken = self._family(name, head_)
                for number, line in enumerate(lines):
                    taken.show(str(number), [line], len(self._times))

    def miss(self, at_s: int) -> None:
        """Take a scrape that failed."""
        step = self._begin(at_s, is_up=False)
        self._missed = True
        for family in self._families.values():
            if family.name != "up":
                family.stop(step)

    def write(self) -> int:
        """Write the file; its size in bytes."""
        self._flush()
        with self._path.open("wb") as target:
            for family in self._families.values():
                target.write(family.head.encode())
                family.file.seek(0)
                shutil.copyfileobj(family.file, target, 1 << 20)
            target.write(b"# EOF\n")
            return target.tell()

    def _begin(self, at_s: int, *, is_up: bool) -> int:
        if len(self._times) >= SCRAPES_AT_ONCE:
            self._flush()
        step = len(self._times)
        self._times.append(str(at_s))
        self._family("up", _UP_HEAD).show("", ["up 1.0" if is_up else "up 0.0"], step)
        return step

    def _family(self, name: str, head_: str) -> _FamilyFile:
        found = self._families.get(name)
        if found is None:
            file = self._stack.enter_context((self._folder / name).open("w+b"))
            found = self._families[name] = _FamilyFile(name, head_, file, self._labels)
        return found

    def _flush(self) -> None:
        for family in self._families.values():
            family.flush(self._times)
        self._times.clear()


def _plain(family: Family, row: Any) -> list[str]:
    return [line.rstrip("\n") for line in scalar_lines(family, (row,), False, None)]


def _families_of(page: str) -> Iterator[tuple[str, str, list[str]]]:
    """(name, head, sample lines) of each family of an OpenMetrics page."""
    name, heads, lines = "", "", list[str]()
    for line in page.splitlines():
        if not line.startswith("# "):
            lines.append(line)
            continue
        words = line.split(" ", 3)
        if words[-1] == "EOF" or words[2] != name:
            if name:
                yield name, heads, lines
            name, heads, lines = words[2] if len(words) > 2 else "", "", []
        heads += line + "\n"


class _Line:
    """One series: since when it has shown what. None: it was not there."""

    __slots__ = ("identity", "start", "steps", "values")

    def __init__(self, identity: str, labels: str) -> None:
        self.identity = len(identity) + 1
        if labels:
            identity = (
                f"{identity[:-1]},{labels}}}" if "{" in identity else f"{identity}{{{labels}}}"
            )
        self.start = identity + " "
        self.steps: list[int] = []
        self.values: list[str | None] = []

    def show(self, value: str | None, step: int) -> None:
        if not self.values or self.values[-1] != value:
            self.steps.append(step)
            self.values.append(value)

    def text(self, times: list[str]) -> Iterator[str]:
        """Its samples; it then goes on with what it shows now."""
        ends = [*self.steps[1:], len(times)]
        for step, end, value in zip(self.steps, ends, self.values, strict=True):
            if value is not None and step < end:
                line = f"{self.start}{value} "
                yield line + f"\n{line}".join(times[step:end]) + "\n"
        self.steps, self.values = [0], self.values[-1:]


class _FamilyFile:
    """The samples of one family."""

    def __init__(self, name: str, head_: str, file: IO[bytes], labels: str) -> None:
        self.name = name
        self.head = head_
        self.file = file
        self._labels = labels
        self._lines: dict[str, list[_Line]] = {}
        self._shown: dict[str, object] = {}
        self._seen: dict[str, int] = {}

    def is_news(self, row: str, shown: object, step: int) -> bool:
        """Whether a row differs from what it showed before."""
        self._seen[row] = step
        if self._shown.get(row) == shown:
            return False
        self._shown[row] = shown
        return True

    def show(self, row: str, lines: Iterable[str], step: int) -> None:
        """Take the sample lines of a row."""
        known = self._lines.get(row)
        if known is None:
            lines = list(lines)
            known = [_Line(line.rpartition(" ")[0], self._labels) for line in lines]
            self._lines[row] = known
        for held, line in zip(known, lines, strict=True):
            held.show(line[held.identity :], step)

    def end_scrape(self, step: int) -> None:
        """Rows that were not seen in this scrape have gone."""
        if len(self._seen) == len(self._shown) and all(s == step for s in self._seen.values()):
            return
        for row in [row for row, seen in self._seen.items() if seen != step]:
            self._go(row, step)

    def stop(self, step: int) -> None:
        """Nothing can be seen."""
        for row in list(self._lines):
            self._go(row, step)

    def _go(self, row: str, step: int) -> None:
        for line in self._lines.get(row, ()):
            line.show(None, step)
        self._shown.pop(row, None)
        self._seen.pop(row, None)

    def flush(self, times: list[str]) -> None:
        """Write what is held; rows that have gone are forgotten."""
        for row, lines in list(self._lines.items()):
            self.file.writelines(text.encode() for line in lines for text in line.text(times))
            if lines[0].values == [None]:
                del self._lines[row]
