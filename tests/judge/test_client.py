"""The client against a server with faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.judge.client import MAX_BODY_BYTES, AskFailed, Client, Endpoint
from llm_trace_exporter.model import Tokens
from tests.judge.endpoint import Reply, serving

CHAT = [{"role": "user", "content": "?"}]
GOOD = Reply()


Connect = Callable[..., Client]


@pytest.fixture
def client() -> Iterator[Connect]:
    with ExitStack() as stack:

        def connect(url: str, **options: Any) -> Client:
            endpoint = Endpoint(url, "judge-1", **{"timeout_s": 5.0, **options})
            return stack.enter_context(closing(Client(endpoint, jitter=lambda: 0.0)))

        yield connect


def failure(asked: Client, **options: Any) -> AskFailed:
    with pytest.raises(AskFailed) as caught:
        asked.ask(CHAT, **options)
    return caught.value


def test_what_is_asked_and_what_comes_back(client: Connect) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 30},
        "cost": 0.5,
    }
    with serving(Reply("hi", usage=usage)) as server:
        found = client(server.url).ask(CHAT)
    assert (found.content, found.is_whole, found.model) == ("hi", True, "judge-1")
    assert found.tokens == Tokens(input=60, cache_read=40, output=20, reasoning=30)
    assert found.reported_cost is not None and found.reported_cost.total_usd == 0.5
    (chat,) = server.chats
    assert (chat["model"], chat["temperature"], chat["max_tokens"]) == ("judge-1", 0, 1024)
    assert chat["messages"] == CHAT
    assert chat["response_format"]["json_schema"]["strict"] is True
    assert server.paths == ["/v1/chat/completions"]
    assert "authorization" not in server.headers[0]


def test_the_key_is_read_anew_for_each_request(tmp_path: Path, client: Connect) -> None:
    key = tmp_path / "key"
    with serving(GOOD) as server:
        asked = client(server.url, api_key_file=str(key), headers={"x-team": "q"})
        assert "key" in str(failure(asked))
        for secret in ("first\n", " second "):
            key.write_text(secret)
            asked.ask(CHAT)
    sent = [(h["authorization"], h["x-team"]) for h in server.headers]
    assert sent == [("Bearer first", "q"), ("Bearer second", "q")]


def test_azure(tmp_path: Path, client: Connect) -> None:
    (tmp_path / "key").write_text("secret")
    with serving(GOOD) as server:
        client(
            server.url + "/openai/deployments/x/",
            api_key_file=str(tmp_path / "key"),
            api_key_header="api-key",
            api_version="2024-10-21",
        ).ask(CHAT)
    assert server.paths == ["/v1/openai/deployments/x/chat/completions?api-version=2024-10-21"]
    assert server.headers[0]["api-key"] == "secret"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_passing_faults_are_tried_again(status: int, client: Connect) -> None:
    with serving([Reply(status=status), GOOD]) as server:
        assert client(server.url).ask(CHAT).content == GOOD.content
    assert len(server.chats) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413])
def test_lasting_faults_are_not(status: int, client: Connect) -> None:
    with serving(Reply(status=status, headers={"location": "http://127.0.0.1:9/"})) as server:
        failed = failure(client(server.url))
    assert (failed.kind, str(failed)) == ("error", f"HTTP status {status}")
    assert len(server.chats) == 1


def test_attempts_end(client: Connect) -> None:
    with serving(Reply(status=500)) as server:
        assert str(failure(client(server.url, max_attempts=2))) == "HTTP status 500"
    assert len(server.chats) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "0.3"},
        {"retry-after-ms": "300"},
        {"retry-after": formatdate(time.time() + 1.9, usegmt=True)},
    ],
    ids=["seconds", "milliseconds", "date"],
)
def test_retry_after_is_honoured(headers: dict[str, str], client: Connect) -> None:
    if "GMT" in headers.get("retry-after", ""):
        headers = {"retry-after": formatdate(time.time() + 1.9, usegmt=True)}
    with serving([Reply(status=429, headers=headers), GOOD]) as server:
        started_s = time.monotonic()
        client(server.url).ask(CHAT)
    assert 0.25 < time.monotonic() - started_s < 4


@pytest.mark.parametrize("wait", ["3600", "99999999999", "nonsense", "-5", "1e9"])
def test_no_server_makes_it_wait_for_long(wait: str, client: Connect) -> None:
    with serving([Reply(status=429, headers={"retry-after": wait}), GOOD]) as server:
        started_s = time.monotonic()
        asked = client(server.url)
        if wait == "3600":
            assert str(failure(asked)) == "HTTP status 429"
        else:
            asked.ask(CHAT)
        assert time.monotonic() - started_s < 3


def test_waiting_ends_with_the_process(client: Connect) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with serving(Reply(status=503, headers={"retry-after": "50"})) as server:
        started_s = time.monotonic()
        assert failure(client(server.url), stop=stop).kind == "stopped"
        assert time.monotonic() - started_s < 5


@pytest.mark.parametrize("reply", [Reply(delay_s=30), Reply(drips=True)], ids=["hangs", "drips"])
def test_time_runs_out(reply: Reply, client: Connect) -> None:
    with serving(reply) as server:
        started_s = time.monotonic()
        failed = failure(client(server.url, timeout_s=0.3, max_attempts=1))
        assert failed.kind == "timeout"
        assert time.monotonic() - started_s < 5


@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in</html>",
        b"",
        b"null",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b"[" * 100_000,
        b'{"choices": 5, "usage": "x"}',
        b"\xff\xfe",
    ],
    ids=["html", "empty", "null", "list", "none", "no-message", "deep", "types", "bytes"],
)
def test_what_is_no_completion_is_an_error(body: bytes, client: Connect) -> None:
    with serving(Reply(body=body)) as server:
        assert str(failure(client(server.url))) == "the response is no chat completion"


def test_huge_responses_are_not_read(client: Connect) -> None:
    with serving(Reply("x" * (MAX_BODY_BYTES + 1))) as server:
        assert str(failure(client(server.url))) == "the response is larger than 1 MiB"


def test_a_body_that_is_cut_off_is_tried_again(client: Connect) -> None:
    with serving([Reply(cut=True), GOOD]) as server:
        client(server.url).ask(CHAT)
    assert len(server.chats) == 2


def test_nobody_there(client: Connect) -> None:
    with serving(GOOD) as server:
        url = server.url
    failed = failure(client(url, max_attempts=1))
    assert (failed.kind, str(failed)) == ("error", "no response: ConnectError")


def refusing(*unknown: str) -> Any:
    """A server that refuses what it does not know, with OpenAI's and others' words."""

    def answer(chat: dict[str, Any]) -> Reply:
        form = chat.get("response_format", {}).get("type", "")
        for name, message in {
            "json_schema": "Invalid parameter: 'response_format' of type 'json_schema' is not "
            "supported with this model.",
            "json_object": "response_format json_object is not supported",
        }.items():
            if name in unknown and form == name:
                return Reply(status=400, body=b'{"error": {"message": "%s"}}' % message.encode())
        if "temperature" in unknown and "temperature" in chat:
            return Reply(status=400, body=b'{"error": {"param": "temperature", "message": "no"}}')
        if "max_tokens" in unknown and "max_tokens" in chat:
            body = b'{"error": {"message": "\'max_tokens\': Use \'max_completion_tokens\'"}}'
            return Reply(status=400, body=body)
        if "limit" in unknown and chat.keys() & {"max_tokens", "max_completion_tokens"}:
            return Reply(status=422, body=b'{"detail": "unknown field max_tokens"}')
        return GOOD

    return answer


@pytest.mark.parametrize(
    ("unknown", "requests"),
    [
        (("json_schema",), 2),
        (("json_schema", "json_object"), 3),
        (("temperature",), 2),
        (("max_tokens",), 2),
        (("limit",), 2),
        (("json_schema", "json_object", "temperature", "max_tokens"), 5),
    ],
)
def test_what_an_api_does_not_know_is_left_out_and_remembered(
    unknown: tuple[str, ...], requests: int, client: Connect
) -> None:
    with serving(refusing(*unknown)) as server:
        asked = client(server.url)
        asked.ask(CHAT)
        assert len(server.chats) == requests
        asked.ask(CHAT)
        assert len(server.chats) == requests + 1
    last = server.chats[-1]
    assert ("temperature" in last) == ("temperature" not in unknown)
    assert ("response_format" in last) == ("json_object" not in unknown)
    assert ("max_completion_tokens" in last) == ("max_tokens" in unknown)


def test_other_complaints_change_nothing(client: Connect) -> None:
    body = b'{"error": {"message": "context length exceeded"}}'
    with serving([Reply(status=400, body=body), GOOD]) as server:
        asked = client(server.url)
        assert str(failure(asked)) == "HTTP status 400"
        asked.ask(CHAT)
    assert server.chats[0] == server.chats[1]
