"""Result files of offline evaluations: promptfoo, DeepEval and inspect_ai.

Source: promptfoo 0.121.20 (`--output`), deepeval 4.3.1 (`DEEPEVAL_RESULTS_FOLDER`), inspect_ai
0.3.285 (`.eval`: a zip whose members are compressed with zstd, which `zipfile` reads from Python
3.14 on). None names a trace: these are runs, and never production.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import msgspec
from msgspec import Raw, Struct
from zstandard import ZstdDecompressor, ZstdError

from ..dialects import NO_SCORE, Result, score_of
from ..score_items import ScoreItem
from .errors import SourceError
from .files import LIST, listed, listing
from .mending import mended
from .rows import NOTHING, unix_ns
from .system import Ask, Page, Told, Walk

_MAX_MEMBER_BYTES = 64 * 1024 * 1024
_STORED, _DEFLATED, _ZSTD = 0, 8, 93
_LOCAL_HEADER = 30
_PROVIDER_FAILED = 2
_THROWN = ("Custom function threw error", "Error:", "Python code execution failed")
"""How promptfoo begins to tell that an assertion broke: nothing else says so."""
_WORDS: Mapping[object, str] = {"C": "pass", "I": "fail"}
"""inspect_ai's letters for correct and incorrect."""


class _Metric(Struct, rename="camel"):
    name: str
    success: bool | None = None
    score: float | str | None = None
    error: Raw = NOTHING


class _Case(Struct, rename="camel"):
    metrics_data: list[_Metric] | None = None


class _TestRun(Struct, rename="camel"):
    test_cases: list[_Case]
    conversational_test_cases: list[_Case] = []


class _Assertion(Struct):
    metric: str | None = None
    type: str = ""


class _Component(Struct):
    assertion: _Assertion | None = None
    score: float | str | None = None
    reason: str = ""
    passed: bool = msgspec.field(default=False, name="pass")


class _Grading(Struct, rename="camel"):
    component_results: list[_Component] | None = None


class _Row(Struct, rename="camel"):
    failure_reason: int = 0
    grading_result: _Grading | None = None


class _Results(Struct):
    timestamp: datetime | None = None
    results: list[_Row] = []


class _About(Struct):
    description: str | None = None


class _Promptfoo(Struct, rename="camel"):
    results: _Results
    eval_id: str = ""
    config: _About | None = None


class _Value(Struct):
    value: Any = None


class _Sample(Struct):
    scores: dict[str, _Value] | None = None


class _Eval(Struct):
    task: str = ""
    run_id: str = ""
    created: datetime | None = None


class _Header(Struct):
    eval: _Eval


_deepeval = msgspec.json.Decoder(_TestRun)
_promptfoo = msgspec.json.Decoder(_Promptfoo)
_samples = msgspec.json.Decoder(list[_Sample])
_header = msgspec.json.Decoder(_Header)


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as its file tells it."""

    run: str
    suite: str
    """Empty: the file does not say."""
    time_ns: int
    results: Iterable[Result]


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """Implements `System` for one kind of file."""

    name: str
    parse: Callable[[bytes, str, int], Run]
    """(content, file, when it was written) -> the run."""

    def headers(self, credentials: str) -> Mapping[str, str]:  # noqa: ARG002
        """Files ask for none."""
        return {}

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """The list of files."""
        return listing(walk)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What a file says; one that is none, or is being written, is one row that cannot be read.

        Raises: SourceError never for what is in a file.
        """
        if ask.step == LIST:
            return listed(walk, body)
        try:
            run = self.parse(body, ask.path, ask.known["mtime_ns"])
            told = tuple(_told(run, at, result) for at, result in enumerate(run.results))
        except (msgspec.MsgspecError, ValueError, SourceError, RecursionError):
            return Page(1, unread=1)
        return Page(len(told), run.time_ns, told)


def _told(run: Run, number: int, result: Result) -> Told:
    item = ScoreItem(result, item_id=f"{run.run}/{number}", time_ns=run.time_ns)
    return Told(item, run.run, run.time_ns, (str(number),), run=run.run, suite=run.suite)


def parse_deepeval(content: bytes, file: str, mtime_ns: int) -> Run:
    """A test run of DeepEval. A metric with an error broke, whatever `success` says."""
    told = _deepeval.decode(mended(content))
    cases = (*told.test_cases, *told.conversational_test_cases)
    metrics = (metric for case in cases for metric in case.metrics_data or ())
    results = [
        Result(
            name=metric.name,
            score=NO_SCORE if metric.score is None else score_of(metric.score),
            label="" if metric.success is None else "pass" if metric.success else "fail",
            kind="llm",
            failed=metric.error != NOTHING,
        )
        for metric in metrics
    ]
    return Run(f"{file}@{mtime_ns}", "", mtime_ns, results)


def parse_promptfoo(content: bytes, file: str, mtime_ns: int) -> Run:
    """An evaluation of promptfoo. Where the provider failed there is no verdict."""
    told = _promptfoo.decode(mended(content))
    rows = [row for row in told.results.results if row.failure_reason != _PROVIDER_FAILED]
    components = (
        component
        for row in rows
        if row.grading_result is not None
        for component in row.grading_result.component_results or ()
    )
    suite = told.config.description if told.config is not None else None
    time_ns = unix_ns(told.results.timestamp) or mtime_ns
    return Run(told.eval_id or file, suite or "", time_ns, [_graded(one) for one in components])


def _graded(told: _Component) -> Result:
    assertion = told.assertion or _Assertion()
    return Result(
        name=assertion.metric or assertion.type or "assertion",
        score=NO_SCORE if told.score is None else score_of(told.score),
        label="pass" if told.passed else "fail",
        kind="llm" if "rubric" in assertion.type or "model-graded" in assertion.type else "code",
        failed=not told.passed and told.reason.startswith(_THROWN),
    )


def parse_inspect(content: bytes, file: str, mtime_ns: int) -> Run:
    """A log of inspect_ai. A sample without a number was not scored: its scorer broke."""
    members = dict(_members(content))
    about = _header.decode(mended(members["header.json"])).eval
    samples = _samples.decode(mended(members["summaries.json"]))
    results = [
        _scored(name, told.value) for one in samples for name, told in (one.scores or {}).items()
    ]
    return Run(about.run_id or file, about.task, unix_ns(about.created) or mtime_ns, results)


def _scored(name: str, value: Any) -> Result:
    if (word := _WORDS.get(value if isinstance(value, str) else None)) is not None:
        return Result(name, NO_SCORE, word, "code")
    return Result(name, score_of(value), "", "code", failed=value is None)


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The members with the results.

    Raises: SourceError where it is no such archive.
    """
    wanted = {"header.json", "summaries.json"}
    try:
        with ZipFile(BytesIO(content)) as archive:
            found = [info for info in archive.infolist() if info.filename in wanted]
        if {info.filename for info in found} != wanted:
            raise SourceError("the run has not ended")
        for info in found:
            yield info.filename, _member(content, info)
    except (BadZipFile, ZstdError, zlib.error, NotImplementedError, struct.error) as error:
        raise SourceError("not an archive of this kind") from error


def _member(content: bytes, info: ZipInfo) -> bytes:
    """One member; `zipfile` knows where it is, and not always how it is compressed."""
    at = info.header_offset
    names, extra = struct.unpack("<HH", content[at + 26 : at + _LOCAL_HEADER])
    start = at + _LOCAL_HEADER + names + extra
    packed = content[start : start + info.compress_size]
    if info.file_size > _MAX_MEMBER_BYTES:
        raise SourceError("a member is too large")
    if info.compress_type == _ZSTD:
        with ZstdDecompressor().stream_reader(packed) as reader:
            return _whole(reader.read(info.file_size + 1), info)
    if info.compress_type == _DEFLATED:
        return _whole(
            zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, info.file_size + 1), info
        )
    if info.compress_type == _STORED:
        return packed
    raise SourceError("a member's compression is not known")


def _whole(content: bytes, info: ZipInfo) -> bytes:
    """A member that is as long as the archive says: 0 is no limit for who decompresses it."""
    if len(content) != info.file_size:
        raise SourceError("a member is not as long as its archive says")
    return content


RESULT_FILES = (
    ResultFiles("promptfoo", parse_promptfoo),
    ResultFiles("deepeval", parse_deepeval),
    ResultFiles("inspect_ai", parse_inspect),
)
