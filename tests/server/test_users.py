"""The metrics listener behind users, headers and a rate limit."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import bcrypt
import pytest
import requests

from llm_trace_exporter.server.basic_auth import Hashes, Users
from llm_trace_exporter.server.rate_limit import Bucket
from tests.server.running import address, eventually, get, running, samples, settings_with

REJECTED = "llm_exporter_requests_rejected_total"
PATHS = ("/", "/metrics", "/config", "/-/healthy", "/-/ready", "/nowhere")


def hashed(password: str, kind: bytes = b"2b", cost: int = 4) -> str:
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))
    return (b"$" + kind + made[3:]).decode()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def ask(users: Users, user: str, password: str) -> bool:
    return asyncio.run(users.know(user, password))


def test_every_page_asks_for_a_user(tmp_path: Path) -> None:
    path = write(tmp_path / "web.yml", f"basic_auth_users:\n  prometheus: {hashed('sesame')}\n")
    with running(settings_with(path)) as exporter:
        base = f"http://{address(exporter, 'metrics')}"
        for page in PATHS:
            for auth in (None, ("prometheus", "wrong"), ("nobody", "sesame"), ("", "")):
                answer = get(base + page, auth=auth)
                assert answer.status_code == 401, (page, auth)
                assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
                assert "sesame" not in answer.text and "prometheus" not in answer.text
            assert get(base + page, auth=("prometheus", "sesame")).status_code != 401
        reload = requests.post(f"{base}/-/reload", timeout=5)
        assert reload.status_code == 401
        refused = len(PATHS) * 4 + 1
        assert samples(exporter).total(REJECTED, source="web", reason="unauthenticated") == refused


def test_users_and_headers_change_without_a_restart(tmp_path: Path) -> None:
    path = write(tmp_path / "web.yml", f"basic_auth_users:\n  old: {hashed('sesame')}\n")
    with running(settings_with(path)) as exporter:
        url = f"http://{address(exporter, 'metrics')}/metrics"
        assert get(url, auth=("old", "sesame")).status_code == 200
        headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
        write(path, f"{headers}basic_auth_users:\n  new: {hashed('open')}\n")
        eventually(lambda: get(url, auth=("new", "open")).status_code == 200)
        assert get(url, auth=("old", "sesame")).status_code == 401
        assert get(url, auth=("new", "open")).headers["X-Frame-Options"] == "deny"
        # A file without users by mistake must not open the door.
        write(path, "basic_auth_users: [new]\n")
        name = "llm_exporter_security_last_reload_successful"
        eventually(lambda: samples(exporter).total(name, part="web") == 0)
        assert get(url).status_code == 401


def test_headers_are_on_every_answer_and_do_not_outrank_the_page_s_own(tmp_path: Path) -> None:
    text = (
        "http_server_config:\n  http2: true\n  headers:\n"
        "    Strict-Transport-Security: max-age=31536000\n    X-XSS-Protection: ''\n"
        "    Content-Security-Policy: default-src 'self'\n"
    )
    path = write(tmp_path / "web.yml", text)
    with running(settings_with(path, path)) as exporter:
        base = f"http://{address(exporter, 'metrics')}"
        for page in PATHS:
            headers = get(base + page).headers
            assert headers["Strict-Transport-Security"] == "max-age=31536000"
            assert "X-XSS-Protection" not in headers
        assert "style-src" in get(f"{base}/").headers["Content-Security-Policy"]
        otlp = get(f"http://{address(exporter, 'OTLP/HTTP')}/v1/nowhere")
        assert (otlp.status_code, otlp.headers["Strict-Transport-Security"]) == (
            404,
            "max-age=31536000",
        )


def test_the_rate_limit_comes_before_everything(tmp_path: Path) -> None:
    path = write(tmp_path / "web.yml", "rate_limit:\n  interval: 1h\n  burst: 2\n")
    with running(settings_with(path)) as exporter:
        url = f"http://{address(exporter, 'metrics')}/metrics"
        answers = [get(url) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert int(answers[2].headers["Retry-After"]) == pytest.approx(3600, abs=10)
        assert samples(exporter).total(REJECTED, source="web", reason="rate_limited") == 2


@pytest.mark.parametrize("kind", [b"2a", b"2b", b"2y"])
def test_hashes_of_every_tool_are_understood(kind: bytes) -> None:
    users = Users()
    users.commit(Hashes({"prometheus": hashed("sesame", kind)}))
    assert ask(users, "prometheus", "sesame")
    assert not ask(users, "prometheus", "Sesame")


@pytest.mark.parametrize("password", ["", "a\0b", "x" * 5000, "ü" * 40])
def test_odd_passwords_are_wrong_and_nothing_else(password: str) -> None:
    users = Users()
    users.commit(Hashes({"prometheus": hashed("sesame")}))
    assert not ask(users, "prometheus", password)


def test_a_long_password_is_right_by_what_bcrypt_reads_of_it() -> None:
    users = Users()
    users.commit(Hashes({"prometheus": hashed("p" * 72)}))
    assert ask(users, "prometheus", "p" * 100)


def test_only_a_right_password_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[bytes] = []
    real = bcrypt.checkpw

    def counted(password: bytes, against: bytes) -> bool:
        computed.append(against)
        return real(password, against)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    users = Users()
    known = hashed("sesame")
    users.commit(Hashes({"prometheus": known}))
    assert [ask(users, "prometheus", "sesame") for _ in range(3)] == [True] * 3
    assert computed == [known.encode()]
    assert [ask(users, "prometheus", "wrong") for _ in range(3)] == [False] * 3
    assert len(computed) == 4
    # Another hash, even of the same password, is computed anew.
    users.commit(Hashes({"prometheus": hashed("sesame")}))
    assert ask(users, "prometheus", "sesame")
    assert len(computed) == 5


@pytest.mark.parametrize("cost", [4, 10])
def test_an_unknown_user_takes_the_same_computation(
    monkeypatch: pytest.MonkeyPatch, cost: int
) -> None:
    computed: list[bytes] = []
    real = bcrypt.checkpw

    def counted(password: bytes, against: bytes) -> bool:
        computed.append(against)
        return real(password, against)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    users = Users()
    users.commit(Hashes({"prometheus": hashed("sesame", cost=cost)}))
    assert not ask(users, "nobody", "sesame")
    assert not ask(users, "prometheus", "wrong")
    assert [against[:7] for against in computed] == [f"$2b${cost:02}$".encode()] * 2


def test_hashing_does_not_hold_up_those_who_are_known(tmp_path: Path) -> None:
    text = f"basic_auth_users:\n  prometheus: {hashed('sesame', cost=10)}\n"
    path = write(tmp_path / "web.yml", text)
    with running(settings_with(path)) as exporter:
        url = f"http://{address(exporter, 'metrics')}/-/healthy"
        assert get(url, auth=("prometheus", "sesame")).status_code == 200
        guessing = [
            threading.Thread(target=get, args=(url,), kwargs={"auth": ("prometheus", f"{n}")})
            for n in range(20)
        ]
        for thread in guessing:
            thread.start()
        assert get(url, auth=("prometheus", "sesame")).status_code == 200
        still_waiting = sum(thread.is_alive() for thread in guessing)
        for thread in guessing:
            thread.join()
        assert still_waiting > 0


def test_a_bucket_refills_and_tells_when() -> None:
    now = [100.0]
    bucket = Bucket(2.0, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 1]
    now[0] += 0.5
    assert [bucket.take() for _ in range(2)] == [0, 1]
    now[0] -= 1000  # a clock that goes back gives nothing and takes nothing
    assert bucket.take() == 1
    now[0] += 3600
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 1]
    slow = Bucket(0.01, 1, lambda: now[0])
    assert (slow.take(), slow.take()) == (0, 100)


def test_a_bucket_holds_under_threads() -> None:
    bucket = Bucket(0.001, 500)
    taken: list[int] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(bucket.take() for _ in range(200)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(0) == 500
