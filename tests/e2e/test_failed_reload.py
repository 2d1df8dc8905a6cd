"""A reload that fails changes nothing in any room, whatever it fails at and whoever asks for it."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.process import Exporter, running, wait_for
from tests.e2e.wire import call, traces
from tests.server.certs import Authority

TOKENS = {"a": "a-token-of-sixteen", "b": "b-token-of-sixteen"}
LOADED = "llm_exporter_config_last_reload_successful"
WEB_FILE = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"


def config(name: str, usd: float, cap: int) -> dict[str, Any]:
    """Two such configurations differ in every room."""
    price = {"model": "gpt-4o", "usd_per_million_tokens": {"input": usd, "output": usd}}
    return {
        "decision_wait": "10m",
        "zero_hold": "0s",
        "otlp": {"tokens": [{"name": name, "file": f"{name}.token"}]},
        "dimensions": [{"label": f"team_{name}", "keys": ["app.team"], "cap": cap}],
        "labels": {"caps": {"model": cap}},
        "pricing": {"contracts": [price]},
        "budgets": [{"name": name, "limit_usd": usd, "period": "daily"}],
        "slos": [{"slo": "error_ratio", "target": usd / 100}],
        "content_rules": {"refusal": usd / 10},
        "judge": {
            "endpoint": {"url": "http://127.0.0.1:9/v1", "model": "none"},
            "daily_limit_usd": usd,
            "rules": [{"name": name, "question": "Is it?", "where": ['service="nobody"']}],
        },
    }


A, B = config("a", 1.0, 50), config("b", 3.0, 7)


@dataclass(frozen=True, slots=True)
class InForce:
    """What can be seen of a configuration from outside."""

    config: str
    may_send: Mapping[str, bool]
    caps: Mapping[str, float]
    budgets: Mapping[str, float]
    targets: Mapping[str, float]
    judge_limit_usd: float
    header: str


class Room:
    """A running exporter and its files."""

    exporter: Exporter

    def __init__(self, folder: Path, exporter: Exporter | None = None) -> None:
        self.folder = folder
        if exporter is not None:
            self.exporter = exporter
        self.sent = 0
        """Calls of a million tokens taken since the last reload."""

    def write(self, name: str, content: Any) -> None:
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (self.folder / name).write_text(text)

    def change(self, **settings: Any) -> None:
        """The other configuration, with a change."""
        self.write("config.yml", {**B, **self._state, **settings})

    def restore(self) -> None:
        """All files as they were at the start."""
        self.write("config.yml", {**A, **self._state})
        self.write("web.yml", WEB_FILE)
        for name, token in TOKENS.items():
            self.write(f"{name}.token", token)

    def in_force(self) -> InForce:
        found = self.exporter.metrics()
        web = self.exporter.get("/config")
        return InForce(
            config=web.text,
            may_send={name: self._may_send(token) for name, token in TOKENS.items()},
            caps=found.by("llm_exporter_label_values_limit", "label"),
            budgets=found.by("llm_budget_limit_usd", "budget"),
            targets=found.by("llm_slo_target", "slo"),
            judge_limit_usd=found.total("llm_judge_daily_limit_usd"),
            header=web.headers["X-Frame-Options"],
        )

    def spent(self) -> float:
        return self.exporter.metrics().total("llm_cost_usd_total")

    def is_loaded(self) -> bool:
        return self.exporter.metrics().total(LOADED) == 1

    @property
    def _state(self) -> dict[str, Any]:
        return {"state": {"path": str(self.folder / "state.db")}}

    def _may_send(self, token: str) -> bool:
        body = traces(call((1_000_000, 0), app__team="red"))
        answer = self.exporter.post(body, Authorization=f"Bearer {token}")
        assert answer.status_code in (200, 401, 503)
        self.sent += answer.status_code == 200
        return answer.status_code != 401


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("reload")
    Room(folder).restore()
    files = (f"--config.file={folder / 'config.yml'}", f"--web.config.file={folder / 'web.yml'}")
    with running(folder, *files) as exporter:
        yield Room(folder, exporter)


Break = Callable[[Room], None]


def file(name: str, content: Any) -> Break:
    """One file holds something else; the configuration is the other one."""

    def broken(room: Room) -> None:
        room.change()
        room.write(name, content)

    return broken


def setting(**settings: Any) -> Break:
    """One setting of the other configuration is wrong."""
    return lambda room: room.change(**settings)


def gone(name: str) -> Break:
    def broken(room: Room) -> None:
        room.change()
        (room.folder / name).unlink()

    return broken


def rules(room: Room) -> None:
    room.change(judge={**B["judge"], "rules_file": "rules.yml"})
    room.write("rules.yml", "rules: [{name: x}]")


def shared(room: Room) -> None:
    room.change(otlp={"tokens": [{"name": n, "file": f"{n}.token"} for n in "bc"]})
    room.write("c.token", TOKENS["b"])


def tls(room: Room) -> None:
    cert, key = Authority().issue("localhost").write(room.folder, "web")
    room.change()
    room.write("web.yml", {"tls_server_config": {"cert_file": cert.name, "key_file": key.name}})


EMPTY = "config.yml: found nothing any more; allowed: at least one key, or nothing under"
PEM = {"tls_server_config": {"cert": "no certificate", "key": "no key"}}
CASES: Mapping[str, tuple[Break, str]] = {
    "file-gone": (gone("config.yml"), "config.yml: cannot be read: No such file"),
    "file-empty": (file("config.yml", ""), EMPTY),
    "file-of-comments": (file("config.yml", "# all of it\n---\n"), EMPTY),
    "file-of-an-empty-mapping": (file("config.yml", "{}"), EMPTY),
    "file-of-keys-without-values": (file("config.yml", "judge:\npricing:\n  contracts:\n"), EMPTY),
    "unknown-key": (setting(pricng={}), "pricng: "),
    "rules-file": (rules, "rules.yml:1: rules[0].question: found nothing"),
    "token-gone": (gone("b.token"), "b.token: cannot be read: No such file"),
    "token-short": (file("b.token", "short"), "b.token:1: found 5 characters"),
    "token-of-two": (shared, "c.token: found a token of b; allowed: each token for one sender"),
    "pem": (file("web.yml", PEM), "web.yml:2: tls_server_config.cert: "),
    "tls-turned-on": (tls, "web.yml: TLS is turned on and off at the start only"),
    "web-file-broken": (file("web.yml", "basic_auth_users: [x]"), "web.yml:1: basic_auth_users"),
    "web-file-empty": (file("web.yml", ""), "web.yml: found nothing; allowed: what is to guard"),
    "judge-endpoint": (
        setting(judge={**B["judge"], "endpoint": {"url": "ftp://x", "model": "none"}}),
        "judge.endpoint.url: ",
    ),
    "price": (
        setting(pricing={"contracts": [{"model": "x", "usd_per_request": -1}]}),
        "pricing.contracts[0].usd_per_request: ",
    ),
    "time-zone": (
        setting(budgets=[{**B["budgets"][0], "timezone": "Mars/Olympus"}]),
        "budgets[0].timezone: ",
    ),
    "target": (setting(slos=[{"slo": "nothing", "target": 1}]), "slos[0].slo: "),
    "dimension": (setting(dimensions=[{"label": "model", "keys": ["x"]}]), "dimensions[0].label: "),
}


@pytest.mark.parametrize("case", CASES)
def test_what_fails_changes_nothing(room: Room, case: str) -> None:
    breaks, told = CASES[case]
    with reloading(room) as before:
        breaks(room)
        answer = room.exporter.reload(code=500)
        assert told in answer, answer
        assert "Traceback" not in answer
        assert told in room.exporter.log.replace('\\"', '"')
        assert not room.is_loaded()
        assert room.in_force() == before

        reload_by_signal(room)
        assert room.in_force() == before
        assert not room.is_loaded()


def test_a_full_disk_changes_nothing(room: Room) -> None:
    with reloading(room) as before:
        room.change()
        with full_disk(room):
            assert "state cannot be written" in room.exporter.reload(code=500)
            assert room.in_force() == before
            assert not room.is_loaded()
            reload_by_signal(room)
            assert room.in_force() == before


@contextmanager
def reloading(room: Room) -> Iterator[InForce]:
    """Tries in between fail; after them a good file is taken in every room, and nothing is lost."""
    before, spent = room.in_force(), room.spent()
    assert before.may_send == {"a": True, "b": False}
    assert before.caps["team_a"] == 50
    yield before
    room.restore()
    room.change()
    room.exporter.reload()
    # What was taken meanwhile was read under the old one, and costs what it said.
    assert room.spent() - spent == pytest.approx(room.sent * 1.0)
    spent, room.sent = room.spent(), 0
    after = room.in_force()
    assert after.may_send == {"a": False, "b": True}
    assert (after.caps["model"], after.caps["team_b"]) == (7, 7)
    assert "team_a" not in after.caps
    assert (after.budgets, after.judge_limit_usd) == ({"b": 3.0}, 3.0)
    assert after.targets["error_ratio"] == 0.03
    assert room.is_loaded()
    room.restore()
    room.exporter.reload()
    assert room.spent() - spent == pytest.approx(room.sent * 3.0)
    room.sent = 0


def reload_by_signal(room: Room) -> None:
    """Have it fail once more, by SIGHUP."""
    failure = '"the configuration was not reloaded: '
    failed = room.exporter.log.count(failure)
    room.exporter.signal(signal.SIGHUP)
    wait_for(lambda: room.exporter.log.count(failure) > failed, "the failure in the log")


@contextmanager
def full_disk(room: Room) -> Iterator[None]:
    """Its state file cannot grow: the system says so to the process at its next write."""
    pid = room.exporter.process.pid
    size = (room.folder / "state.db-wal").stat().st_size
    assert size > len(room.exporter.log)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_an_empty_file_is_taken_where_it_may(tmp_path: Path) -> None:
    with running(tmp_path, "--config.allow-empty", config={"decision_wait": "1m"}) as exporter:
        (tmp_path / "config.yml").write_text("")
        exporter.reload()
        assert yaml.safe_load(exporter.get("/config").text)["decision_wait"] == "10s"


def test_an_empty_file_may_be_started_with_and_stay(tmp_path: Path) -> None:
    (tmp_path / "config.yml").touch()
    file = f"--config.file={tmp_path / 'config.yml'}"
    with running(tmp_path, "--decision-wait=1s", file) as exporter:
        assert "config.yml: nothing but defaults" in exporter.log
        exporter.reload()
        (tmp_path / "config.yml").write_text("decision_wait: 1m\nzero_hold: 1s\n")
        exporter.reload()
        (tmp_path / "config.yml").write_text("# decision_wait: 1m\n")
        assert "found nothing any more" in exporter.reload(code=500)
        assert yaml.safe_load(exporter.get("/config").text)["zero_hold"] == "1s"
