"""The command line and the files that guard a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_trace_exporter.cli.main import main
from tests.server.certs import Authority, server_pair

BROKEN = "basic_auth_users:\n  alice: hunter2\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with every kind of guard, in a folder that is not the current one."""
    server_pair(Authority()).write(tmp_path, "server")
    tls = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
    (tmp_path / "web.yml").write_text(tls)
    (tmp_path / "credit").write_text("c" * 32)
    path = tmp_path / "config.yml"
    path.write_text(
        "web: {config_file: web.yml}\n"
        "otlp:\n  http: {config_file: web.yml}\n  grpc: {config_file: web.yml}\n"
        "  tokens: [{name: credit, file: credit, labels: {team: credit}}]\n"
    )
    return path


def test_good_files_are_valid(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(config)]) == 0
    assert main(["serve", "--config.check", f"--config.file={config}"]) == 0
    assert "configuration is valid" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["check"], ["serve", "--config.check", "--config.file"]])
def test_problems_of_all_files_are_told(
    config: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (config.parent / "web.yml").write_text(BROKEN)
    (config.parent / "credit").write_text("short")
    assert main([*command, str(config)]) == 2
    told = capsys.readouterr().err
    assert "web.yml:2: basic_auth_users.alice: found something else" in told
    assert "credit:1: found 5 characters" in told
    assert "hunter2" not in told and "short" not in told


@pytest.mark.parametrize("listener", ["web", "otlp.http", "otlp.grpc"])
def test_a_flag_names_a_listener_s_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listener: str
) -> None:
    path = tmp_path / "guard.yml"
    path.write_text(BROKEN)
    assert main(["serve", "--config.check", f"--{listener}.config.file={path}"]) == 2
    assert f"{path}:2: basic_auth_users.alice" in capsys.readouterr().err


def test_other_commands_do_not_need_the_files(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "credit").unlink()
    arguments = ["--provider", "openai", "--model", "gpt-4o", "--input", "1000"]
    assert main(["price", f"--config.file={config}", *arguments]) == 0
    assert "gpt-4o" in capsys.readouterr().out
