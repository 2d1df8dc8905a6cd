"""An installation by pip as users have it: without extras, then with the one that is named."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.test_dependencies import LARGE

ROOT = Path(__file__).parents[2]
MAX_MB = 140
RULES = "content_rules:\n  refusal: 1\n  language: 0.5\n  secrets: 1\n"


class Installed:
    """An environment of its own, with what pip puts into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "venv"
        venv.create(self.folder, with_pip=False)

    def install(self, what: str) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.folder / "bin" / "python")]
        done = self._run([*pip, "install", "--quiet", what], ROOT)
        assert done.returncode == 0, done.stderr

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([str(self.folder / "bin" / program), *arguments], self.folder)

    def _run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=900
        )

    @property
    def megabytes(self) -> float:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return sum(path.lstat().st_size for path in files if not path.is_symlink()) / 1e6


@pytest.mark.long
def test_all_but_some_content_rules_works_without_extras(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    installed.install(".")
    assert 20 <= installed.megabytes <= MAX_MB
    looked = f"from importlib.util import find_spec; print([n for n in {LARGE} if find_spec(n)])"
    assert installed.run("python", "-c", looked).stdout == "[]\n"

    summary = installed.run(
        "llm-trace-exporter", "replay", "--summary", str(ROOT / "examples" / "traces")
    )
    assert summary.returncode == 0, summary.stderr
    assert re.search(r"^all +- +\d+", summary.stdout, re.MULTILINE)

    example = installed.run("llm-trace-exporter", "check", str(ROOT / "examples" / "config.yml"))
    assert example.returncode == 0, example.stderr
    config = tmp_path / "config.yml"
    config.write_text(RULES)
    refused = installed.run("llm-trace-exporter", "check", str(config))
    assert refused.returncode == 2
    first, second = refused.stderr.splitlines()
    line = "pip install 'llm-trace-exporter[content-rules]'"
    remedy = f"not installed; allowed: 0, or first: {line}"
    assert first.endswith(f"{config}:3: content_rules.language: found py3langid {remedy}")
    assert second == f"{config}:4: content_rules.secrets: found detect_secrets {remedy}"

    installed.install(
        line.removeprefix("pip install ").strip("'").replace("llm-trace-exporter", ".")
    )
    assert installed.run("llm-trace-exporter", "check", str(config)).returncode == 0
