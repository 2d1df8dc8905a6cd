"""Tokens of OTLP senders: files, rotation, limits, and that nobody else sees them."""

from __future__ import annotations

import hmac
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import TokenRateSettings, TokenSettings
from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.server import check_files
from llm_trace_exporter.server.tokens import TokenStore
from tests.otlp.payloads import traces
from tests.server.running import address, eventually, get, running, samples, settings_with

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32
REJECTED = "llm_exporter_requests_rejected_total"


def token(
    folder: Path, name: str, *written: str, rate: TokenRateSettings | None = None
) -> TokenSettings:
    """A sender whose file holds these lines."""
    path = folder / name
    path.write_text("\n".join(written))
    return TokenSettings(name, str(path), {"team": name}, rate)


def post(url: str, presented: str, **headers: str) -> requests.Response:
    sent = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {presented}"}
    return requests.post(f"{url}/v1/traces", traces(), headers={**sent, **headers}, timeout=5)


def test_each_token_of_a_file_is_its_senders(tmp_path: Path) -> None:
    ring = TokenStore(
        [token(tmp_path, "credit", ONE, "", f"  {TWO}\t"), token(tmp_path, "fraud", THREE)]
    )
    owners = [ring.find(presented) for presented in (ONE, TWO, THREE, "", ONE[:-1], f"{ONE} ")]
    names = [owner.tenant.name if owner else None for owner in owners]
    assert names == ["credit", "credit", "fraud", None, None, None]
    first = owners[0]
    assert first is not None and first.tenant.labels == (("team", "credit"),)
    assert ONE not in repr(first)


def test_a_token_is_compared_with_all_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = TokenStore([token(tmp_path, "credit", ONE, TWO), token(tmp_path, "fraud", THREE)])
    compared: list[int] = []
    real = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    for presented in (ONE, THREE, "", "x" * 4000, "\x00\xff"):
        compared.clear()
        ring.find(presented)
        # As many comparisons of as many bytes, whatever is presented.
        assert compared == [32, 32, 32]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "found 0 tokens; allowed: 1 to 100"),
        ("short", ":1: found 5 characters; allowed: 16 to 1024 visible ASCII characters"),
        (f"{ONE}\nwith a space inside", ":2: found 19 characters; allowed: 16 to 1024"),
        ("ü" * 20, ":1: found 40 characters; allowed"),
        ("\n".join(f"{n:032}" for n in range(101)), "found 101 tokens; allowed: 1 to 100"),
        ("x" * 70_000, "found more than 64 KiB; allowed: at most 64 KiB"),
    ],
)
def test_bad_files_are_told_without_their_content(tmp_path: Path, written: str, told: str) -> None:
    given = token(tmp_path, "credit", written)
    with pytest.raises(ConfigError) as caught:
        TokenStore([given])
    text = str(caught.value)
    assert told in text and given.file in text
    for line in filter(None, written.splitlines()):
        assert line not in text


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("basic_auth_users:\n  alice: hunter2\n")
    users = tmp_path / "otlp.yml"
    users.write_text(f"basic_auth_users:\n  bob: $2b$04${'a' * 53}\n")
    given = (
        token(tmp_path, "credit", ONE),
        token(tmp_path, "fraud", ONE),
        TokenSettings("gone", str(tmp_path / "gone")),
    )
    with pytest.raises(ConfigError) as caught:
        check_files(settings_with(tmp_path / "web.yml", users, None, given))
    told = [line.replace(f"{tmp_path}/", "") for line in caught.value.problems]
    assert told == [
        "web.yml:2: basic_auth_users.alice: found something else; allowed: a bcrypt hash such as "
        "htpasswd -nBC 10 writes",
        "otlp.yml: basic_auth_users: found users, besides otlp.tokens; allowed: one of them",
        "fraud: found a token of credit; allowed: each token for one sender",
        "gone: cannot be read: No such file or directory",
    ]


def test_tokens_rotate_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    given = token(tmp_path, "credit", ONE)
    with running(settings_with(tokens=(given,))) as exporter:
        url = f"http://{address(exporter, 'OTLP/HTTP')}"
        assert post(url, ONE).status_code == 200
        assert post(url, TWO).status_code == 401
        Path(given.file).write_text(f"{ONE}\n{TWO}\n")
        eventually(lambda: post(url, TWO).status_code == 200)
        assert post(url, ONE).status_code == 200
        Path(given.file).write_text(f"{TWO}\n")
        eventually(lambda: post(url, ONE).status_code == 401)
        name = "llm_exporter_security_last_reload_successful"
        Path(given.file).write_text("")
        eventually(lambda: samples(exporter).total(name, part="tokens") == 0)
        assert post(url, TWO).status_code == 200
        Path(given.file).write_text(f"{THREE}\n")
        eventually(lambda: samples(exporter).total(name, part="tokens") == 1)
        assert post(url, THREE).status_code == 200
        pages = [get(f"http://{address(exporter, 'metrics')}{page}") for page in ("/config", "/")]
        shown = [*(page.text for page in pages), exporter.render("", [])[0].decode(), caplog.text]
    assert given.file in shown[0]
    assert not [text for text in shown for word in (ONE, TWO, THREE) if word in text]


def test_a_reload_changes_who_may_send(tmp_path: Path) -> None:
    open_door = settings_with()
    settings: list[Settings] = [open_door]
    with running(open_door, lambda: settings[0]) as exporter:
        url = f"http://{address(exporter, 'OTLP/HTTP')}"
        assert post(url, "nothing that matters").status_code == 200
        given = token(tmp_path, "credit", ONE)
        settings[0] = replace(open_door, otlp=replace(open_door.otlp, tokens=(given,)))
        exporter.reload()
        assert post(url, "nothing that matters").status_code == 401
        assert post(url, ONE).status_code == 200
        broken = replace(given, file=str(tmp_path / "gone"))
        settings[0] = replace(open_door, otlp=replace(open_door.otlp, tokens=(broken,)))
        with pytest.raises(ConfigError, match="gone: cannot be read"):
            exporter.reload()
        assert post(url, ONE).status_code == 200
        assert post(url, TWO).status_code == 401
        assert samples(exporter).total("llm_exporter_token_requests_total", token="credit") == 2


def test_a_sender_s_rate_is_its_own(tmp_path: Path) -> None:
    slow = token(tmp_path, "slow", ONE, TWO, rate=TokenRateSettings(0.01, 2))
    free = token(tmp_path, "free", THREE)
    with running(settings_with(tokens=(slow, free))) as exporter:
        url = f"http://{address(exporter, 'OTLP/HTTP')}"
        answers = [post(url, presented) for presented in (ONE, TWO, ONE, TWO)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert int(answers[2].headers["Retry-After"]) == pytest.approx(100, abs=5)
        assert [post(url, THREE).status_code for _ in range(5)] == [200] * 5
        # A reload is no way to a new burst.
        exporter.reload()
        assert post(url, ONE).status_code == 429
        found = samples(exporter)
        assert found.total(REJECTED, source="otlp_http", reason="rate_limited") == 3
        assert found.by("llm_exporter_token_requests_total", "token") == {"slow": 2, "free": 5}


@pytest.mark.parametrize("header", ["X-Api-Key", "Basic"])
def test_vendors_sdks_present_tokens_in_their_own_way(tmp_path: Path, header: str) -> None:
    with running(settings_with(tokens=(token(tmp_path, "credit", ONE),))) as exporter:
        url = f"http://{address(exporter, 'OTLP/HTTP')}/v1/traces"
        kind = {"Content-Type": "application/x-protobuf"}
        for presented, code in ((ONE, 200), (TWO, 401)):
            if header == "Basic":
                answer = requests.post(
                    url, traces(), headers=kind, auth=("pk-lf-any", presented), timeout=5
                )
            else:
                answer = requests.post(
                    url, traces(), headers={**kind, "X-Api-Key": presented}, timeout=5
                )
            assert answer.status_code == code
