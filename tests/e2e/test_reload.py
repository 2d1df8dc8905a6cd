"""The configuration read anew while serving, by a request and by SIGHUP."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.process import Exporter, running, wait_for
from tests.e2e.wire import call, traces

Reload = Callable[[Exporter], None]


def by_request(exporter: Exporter) -> None:
    assert exporter.reload() == "Reloaded\n"


def by_signal(exporter: Exporter) -> None:
    done = exporter.log.count('"configuration reloaded"')
    exporter.signal(signal.SIGHUP)
    wait_for(lambda: exporter.log.count('"configuration reloaded"') > done, "reload")


BOTH_WAYS = pytest.mark.parametrize("reload", [by_request, by_signal])


def settings(usd: float, *dimensions: str, **more: Any) -> dict[str, Any]:
    """A contract of `usd` per million tokens, labels from attributes of the same names."""
    contract = {
        "provider": "openai",
        "model": "gpt-4o",
        "usd_per_million_tokens": {"input": usd, "output": usd},
    }
    return {
        "decision_wait": "10m",
        "zero_hold": "0s",
        "pricing": {"contracts": [contract]},
        "dimensions": [{"label": name, "keys": [f"app.{name}"]} for name in dimensions],
        **more,
    }


def write(folder: Path, config: Any) -> None:
    (folder / "config.yml").write_text(
        config if isinstance(config, str) else yaml.safe_dump(config)
    )


@BOTH_WAYS
def test_a_changed_file_is_applied_and_nothing_lost(tmp_path: Path, reload: Reload) -> None:
    million = call((1_000_000, 0), app__team="red", app__tenant="acme")
    with running(tmp_path, config=settings(1, "team")) as exporter:
        exporter.send(traces(million))
        assert exporter.metrics().total("llm_requests_total") == 0
        write(tmp_path, settings(3, "team", "tenant"))
        reload(exporter)

        # What waited was read under the old configuration, and costs what it said.
        at = exporter.metrics()
        assert at.by("llm_cost_usd_total", "tenant", team="red") == {"": 1}
        assert at.total("llm_exporter_pending_calls") == 0
        exporter.send(traces(million, million))
        reload(exporter)

        at = exporter.metrics()
        assert at.by("llm_cost_usd_total", "tenant", team="red") == {"": 1, "acme": 6}
        assert at.by("llm_requests_total", "tenant", outcome="ok") == {"": 1, "acme": 2}
        assert at.total("llm_request_duration_seconds_count", outcome="ok") == 3
        assert at.total("llm_exporter_spans_received_total") == 3
        assert at.total("llm_exporter_config_last_reload_successful") == 1

        # A label that goes away takes no counts with it.
        write(tmp_path, settings(3))
        reload(exporter)
        at = exporter.metrics()
        assert at.by("llm_requests_total", "tenant", outcome="ok") == {"": 3}
        assert at.total("llm_tokens_total") == 3_000_000
        assert yaml.safe_load(exporter.get("/config").text)["dimensions"] == []


BROKEN = "decision_wait: 10m\nzero_hold: 0s\npricng: {}\ndecision_wait: later\n"


def test_a_broken_file_keeps_the_old_configuration(tmp_path: Path) -> None:
    with running(tmp_path, config=settings(1, "team")) as exporter:
        assert exporter.metrics().total("llm_exporter_config_last_reload_successful") == 1
        loaded_s = _last_success(exporter)
        shown = exporter.get("/config").text
        write(tmp_path, BROKEN)

        told = exporter.reload(code=500)
        file = tmp_path / "config.yml"
        assert f"{file}:3: pricng: " in told
        assert "did you mean" in told
        assert f"{file}:4: decision_wait: " in told
        assert exporter.metrics().total("llm_exporter_config_last_reload_successful") == 0
        assert _last_success(exporter) == loaded_s
        assert exporter.get("/config").text == shown

        exporter.signal(signal.SIGHUP)
        wait_for(lambda: "level=error" in exporter.log, "the failure in the log")
        assert f"{file}:3: pricng: " in exporter.log

        # It goes on as before, with the waiting call too.
        exporter.send(traces(call((1_000_000, 0), app__team="red")))
        write(tmp_path, settings(1, "team"))
        by_signal(exporter)
        at = exporter.metrics()
        assert at.by("llm_cost_usd_total", "team") == {"red": 1}
        assert at.total("llm_exporter_config_last_reload_successful") == 1
        assert _last_success(exporter) > loaded_s


def test_a_file_that_is_gone_keeps_the_old_configuration(tmp_path: Path) -> None:
    with running(tmp_path, config=settings(1)) as exporter:
        (tmp_path / "config.yml").unlink()
        assert "config.yml: cannot be read: No such file or directory" in exporter.reload(code=500)
        assert exporter.metrics().total("llm_exporter_config_last_reload_successful") == 0
        assert exporter.get("/-/ready").status_code == 200

        # It comes back with a change that only a restart can make.
        write(tmp_path, settings(1, openmetrics={"created": True}))
        by_request(exporter)
        assert exporter.metrics().total("llm_exporter_config_last_reload_successful") == 1
        assert 'msg="openmetrics: changes take effect at the next start"' in exporter.log


def test_the_command_line_still_outranks_the_file(tmp_path: Path) -> None:
    with running(
        tmp_path, "--decision-wait=0s", "--zero-hold=0s", config={"decision_wait": "10m"}
    ) as exporter:
        shown = exporter.get("/config").text
        by_request(exporter)
        assert "changes take effect at the next start" not in exporter.log
        assert exporter.get("/config").text == shown
        exporter.send(traces(call()))
        assert exporter.metrics().total("llm_requests_total") == 1


def _last_success(exporter: Exporter) -> float:
    name = "llm_exporter_config_last_reload_success_timestamp_seconds"
    return exporter.metrics().total(name)
