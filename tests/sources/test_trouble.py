"""Stores that refuse, are busy, too large, or write what they should not: nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.app.sources import client_of
from llm_trace_exporter.consumer import ANYONE, PageReader, Tenant
from llm_trace_exporter.errors import Overloaded
from llm_trace_exporter.pulled import Progress, PulledPage
from llm_trace_exporter.sources import phoenix
from llm_trace_exporter.sources.errors import Refused, SourceError
from llm_trace_exporter.sources.http import Client, Place
from llm_trace_exporter.sources.poller import MAX_WAIT_S
from llm_trace_exporter.sources.system import Ask, Walk
from tests.sources.conftest import Watched, Watching
from tests.sources.standin import Answer, MLflow, Phoenix, Query
from tests.sources.test_recorded_scores import EXPECTED, verdicts

AT_T1 = {
    ("correctness", "llm", "pass"): 3,
    ("correctness", "llm", "fail"): 1,
    ("toxicity", "code", "unscored"): 1,
}

DEEP = b'{"data": [' + b"[" * 100_000


def up(source: Watched) -> float:
    return source.samples().total("llm_exporter_source_up", source="it")


@pytest.fixture
def source(watching: Watching) -> Watched:
    return watching("phoenix", Phoenix(1))


class TestAnswers:
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_waits_as_long_as_it_is_asked_to(self, source: Watched, status: int) -> None:
        source.stand_in.trouble = [(status, b"", {"Retry-After": "17"})]
        assert source.poll() == 17
        assert source.poll() == 60
        at = source.samples()
        assert verdicts(at) == AT_T1
        told = "429" if status == 429 else "5xx"
        assert at.total("llm_exporter_source_requests_total", status=told) == 1
        assert at.total("llm_exporter_source_up") == 1

    def test_a_time_to_come_again(self, source: Watched) -> None:
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
        source.stand_in.trouble = [(503, b"", {"Retry-After": later})]
        assert 80 < source.poll() < 91

    def test_back_off_grows_and_it_is_down_after_three(self, source: Watched) -> None:
        source.poll()
        source.stand_in.trouble = [(500, b"", {})] * 12
        waits = [source.poll() for _ in range(2)]
        assert up(source) == 1
        waits += [source.poll() for _ in range(10)]
        assert waits[:4] == [1, 2, 4, 8]
        assert waits == sorted(waits)
        assert waits[-1] == MAX_WAIT_S / 2
        assert up(source) == 0
        source.poll()
        assert up(source) == 1

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_is_known_at_once(
        self, source: Watched, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        words = b"Invalid Host header - possible DNS rebinding attack detected\nand more"
        source.stand_in.trouble = [(status, words, {})]
        assert source.poll() == MAX_WAIT_S
        assert up(source) == 0
        assert f"HTTP status {status}: Invalid Host header" in caplog.text
        assert "and more" not in caplog.text

    def test_a_redirect_takes_no_credentials_along(self, source: Watched) -> None:
        source.stand_in.trouble = [(307, b"", {"Location": "http://127.0.0.1:1/"})]
        with pytest.raises(SourceError, match="redirects are not followed"):
            _asked(source)
        assert len(source.stand_in.asked) == 1

    def test_nobody_answers(self, watching: Watching) -> None:
        source = watching("phoenix", Phoenix(1))
        source.settings = replace(source.settings, url="http://127.0.0.1:9")
        source.begin()
        assert source.poll() == 1
        assert source.samples().total("llm_exporter_source_requests_total", status="failed") == 1

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>", b"[]", b'{"data": 7}', b'{"data": [7', b'{"message": "later"}', DEEP],
    )
    def test_what_is_no_answer(self, source: Watched, body: bytes) -> None:
        source.stand_in.trouble = [(200, body, {})]
        source.poll()
        assert source.samples().total("llm_exporter_source_last_success_timestamp_seconds") == 0
        source.poll()
        assert verdicts(source.samples()) == AT_T1


class TestRemoved:
    @pytest.mark.parametrize("is_answered", [True, False])
    def test_what_was_asked_for_before_is_not_counted_after(
        self, source: Watched, *, is_answered: bool
    ) -> None:
        fetch = source.poller._fetch

        def removed_meanwhile(ask: Ask) -> bytes:
            source.poller.stop(0.0)
            if not is_answered:
                raise Refused("401")
            return fetch(ask)

        source.poller._fetch = removed_meanwhile
        assert source.poll() == 0
        at = source.samples()
        assert verdicts(at) == {}
        assert list(at.matching("llm_exporter_source_up")) == []
        assert source.engine.ingester.progress("it/shop-22") is None


class TestSize:
    def test_what_is_too_large_is_asked_for_in_parts(self, watching: Watching) -> None:
        source = watching("phoenix", Phoenix(1))
        place = Place(source.settings.url, max_body_bytes=4_000)
        source.poller._fetch = Client(place).fetch
        assert source.poll() == 60
        at = source.samples()
        assert verdicts(at) == AT_T1
        halved = at.total("llm_exporter_source_splits_total")
        assert halved > 3
        source.poll()
        assert source.samples().total("llm_exporter_source_splits_total") <= halved + 1

    def test_what_was_too_large_once_is_asked_for_whole_again(self, watching: Watching) -> None:
        source = watching("phoenix", Phoenix(1))
        fetch = source.poller._fetch

        def requests() -> float:
            before = source.samples().total("llm_exporter_source_requests_total")
            source.poll()
            return source.samples().total("llm_exporter_source_requests_total") - before

        usual = requests()
        client = Client(
            Place(source.settings.url, max_body_bytes=4_000),
            partial(source.engine.sources.requested, "it"),
        )
        source.poller._fetch = client.fetch
        assert requests() > usual + 3
        source.poller._fetch = fetch
        assert [requests() for _ in range(12)][-1] == usual

    def test_a_url_that_is_too_long_for_a_proxy(self, source: Watched) -> None:
        store = Phoenix(1)

        class Proxied:
            def answer(self, path: str, query: Query, body: Any) -> Answer:
                if len(query.get("span_ids", ())) > 3:
                    return 414, b"", {}
                return store.answer(path, query, body)

        source.poll(Proxied())
        assert verdicts(source.samples()) == AT_T1


class TestRows:
    def test_a_row_that_is_none_takes_no_other_along(self, source: Watched) -> None:
        store = Phoenix(1)
        store.annotations["span"].insert(1, {"id": "x", "name": 7, "span_id": "72775666ffa64239"})
        source.poll(store)
        at = source.samples()
        assert verdicts(at) == AT_T1
        assert at.total("llm_exporter_source_unreadable_rows_total") == 1

    def test_with_one_that_cannot_be_read_none_is_missed(self, source: Watched) -> None:
        source.poll()
        store = Phoenix(1)
        store.annotations["span"][-1] = {"id": "x", "name": 7, "span_id": "72775666ffa64239"}
        source.poll(store)
        assert source.samples().total("llm_judge_revisions_total") == 0

    def test_bare_nan_is_a_judge_that_broke(self, source: Watched) -> None:
        class NotANumber(Phoenix):
            def answer(self, path: str, query: Query, body: Any) -> Answer:
                status, content, headers = super().answer(path, query, body)
                return status, content.replace(b"0.07", b"NaN"), headers

        source.poll(NotANumber(1))
        assert verdicts(source.samples())["toxicity", "code", "error"] == 1

    def test_no_text_of_people_is_kept(self, source: Watched, tmp_path: Path) -> None:
        source.state = tmp_path / "texts.db"
        store = Phoenix(1)
        for row in store.annotations["span"]:
            row["result"]["explanation"] = "SECRET of a person"
        for row in store.spans:
            row["attributes"]["input.value"] = "SECRET of a person"
        source.settings = replace(source.settings, mode="calls+scores")
        source.begin()
        source.poll(store)
        source.crash()
        assert b"SECRET" not in source.state.read_bytes()
        assert b"SECRET" not in source.engine.exposition.render("", []).body


class TestCredentials:
    def test_they_come_from_a_file_read_for_each_request(
        self, source: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        file = tmp_path / "key"
        source.settings = replace(source.settings, credentials_file=str(file))
        source.begin()
        for key in ("first", "second"):
            file.write_text(f"{key}\n")
            source.poll()
            assert source.stand_in.asked[-1][3]["Authorization"] == f"Bearer {key}"
        file.unlink()
        assert source.poll() == MAX_WAIT_S
        assert up(source) == 0

    @pytest.mark.parametrize("told", ["sk-live-abcdef\n# rotated", "sk-live-abcdef\x01"])
    def test_more_than_a_line_is_none_and_is_not_shown(
        self, source: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture, told: str
    ) -> None:
        file = tmp_path / "key"
        file.write_text(told)
        source.settings = replace(source.settings, credentials_file=str(file))
        source.begin()
        assert source.poll() == MAX_WAIT_S
        assert "the credentials are not one line" in caplog.text
        assert "abcdef" not in caplog.text

    def test_a_store_that_repeats_them_is_not(
        self, source: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = tmp_path / "key"
        file.write_text("sk-live-abcdef")
        source.settings = replace(source.settings, credentials_file=str(file))
        source.begin()
        words = {"error": {"message": "Invalid key: Bearer sk-live-abcdef"}}
        source.stand_in.trouble = [(401, json.dumps(words).encode(), {})]
        source.poll()
        assert "Invalid key: Bearer ***" in caplog.text
        assert "abcdef" not in caplog.text

    def test_none_are_looked_for_elsewhere(
        self, source: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        source.poll()
        assert "Authorization" not in source.stand_in.asked[-1][3]

    def test_mlflow_takes_user_and_password(self, watching: Watching, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text("me:mine")
        source = watching("mlflow", MLflow(1), projects=("13",), credentials_file=str(file))
        source.poll()
        assert source.stand_in.asked[-1][3]["Authorization"] == "Basic bWU6bWluZQ=="


class _Dying:
    """A consumer whose process ends after so many pages, before or after it has committed."""

    def __init__(self, source: Watched, pages: int, *, commits: bool) -> None:
        self._source = source
        self._left = pages
        self._commits = commits

    def progress(self, book: str) -> Progress | None:
        return self._source.engine.ingester.progress(book)

    def ingest_page(self, read: PageReader, tenant: Tenant = ANYONE) -> PulledPage:
        self._left -= 1
        take: Callable[..., PulledPage] = self._source.engine.ingester.ingest_page
        if self._left >= 0:
            return take(read, tenant)
        if self._commits:
            take(read, tenant)
        raise KeyboardInterrupt


class TestCrashes:
    @pytest.mark.parametrize("commits", [False, True])
    @pytest.mark.parametrize(
        ("system", "store", "times", "project"),
        [("phoenix", Phoenix, 4, "shop-22"), ("mlflow", MLflow, 5, "13")],
    )
    def test_between_any_two_pages(
        self, watching: Watching, monkeypatch: pytest.MonkeyPatch, commits: bool, system: str,
        store: Callable[[int], Any], times: int, project: str,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(phoenix, "_IDS_AT_ONCE", 12)
        mode = "calls+scores"
        source = watching(system, store(0), projects=(project,), mode=mode, is_kept=True)
        for time in range(times):
            source.stand_in.store = store(time)
            for pages in range(1, 40):
                source.poller._consumer = _Dying(source, pages, commits=commits)
                try:
                    source.poll()
                    break
                except KeyboardInterrupt:
                    source.crash()
        at = source.samples()
        assert verdicts(at) == EXPECTED[system]
        assert at.total("llm_requests_total") == {"phoenix": 10, "mlflow": 6}[system]

    def test_a_disk_that_takes_nothing(self, source: Watched) -> None:
        ingester, attempts = source.engine.ingester, iter((True, False, False, False, False))

        class Full(_Dying):
            def ingest_page(self, read: PageReader, tenant: Tenant = ANYONE) -> PulledPage:
                if next(attempts, False):
                    raise Overloaded("no room", 3)
                return ingester.ingest_page(read, tenant)

        source.poller._consumer = Full(source, 0, commits=True)
        assert source.poll() == 3
        assert source.poll() == 60
        assert verdicts(source.samples()) == AT_T1


def _asked(source: Watched) -> bytes:
    (ask, *_) = phoenix.Phoenix().first(Walk("shop-22", 0, 0, 1))
    return client_of(source.settings).fetch(ask)


def test_words_of_a_refusal_are_a_line_without_controls(source: Watched) -> None:
    words = json.dumps({"message": "\x1b[31mno\nsecond"}).encode()
    source.stand_in.trouble = [(403, words, {})]
    with pytest.raises(Refused, match=r"^HTTP status 403: \[31mno$"):
        _asked(source)
