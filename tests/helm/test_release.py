"""The release's own step packages and signs the chart; what goes to registries is put aside."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from helm.carried import ROOT
from helm.values import CHART
from tests.helm.chart import Helm

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
(STEP,) = [
    s for s in WORKFLOW["jobs"]["release"]["steps"] if s.get("name", "").startswith("Package")
]
ASIDE = """#!/bin/sh
case "$1" in
package) exec "$REAL_HELM" "$@" ;;
push) echo "Digest: sha256:0" >&2 ;;
esac
"""


def gpg(home: Path, *arguments: str) -> str:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def release(helm: Helm, folder: Path, key: str) -> None:
    """Do the step in a copy of the chart's folder."""
    shutil.copytree(CHART, folder / CHART.relative_to(ROOT))
    programs = folder / "bin"
    programs.mkdir()
    for name in ("helm", "cosign"):
        (programs / name).write_text(ASIDE)
        (programs / name).chmod(0o755)
    given = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "REAL_HELM": helm.path,
        "SIGNING_KEY": key,
        "OWNER": "owner",
        "TOKEN": "token",
        "GITHUB_ACTOR": "actor",
        "GITHUB_REPOSITORY": "owner/name",
        "GITHUB_REF_NAME": "v1.2.3",
        "HOME": str(folder),
    }
    assert given.keys() >= STEP["env"].keys()
    done = subprocess.run(
        ["bash", "-e", "-c", STEP["run"]],
        cwd=folder, env=given, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def home() -> Iterator[Path]:
    """Where keys are kept; its path is short, because the agent's socket is in it."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not on PATH")
    with TemporaryDirectory() as folder:
        yield Path(folder)
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)


def test_the_chart_is_signed_and_says_by_whom(helm: Helm, home: Path, tmp_path: Path) -> None:
    gpg(home, "--passphrase", "", "--quick-gen-key", "Charts <charts@example.com>", "rsa2048")
    release(helm, tmp_path, gpg(home, "--armor", "--export-secret-keys"))
    (package,) = (tmp_path / "dist").glob("*.tgz")
    ring = tmp_path / "ring.gpg"
    gpg(home, "--output", str(ring), "--export")
    verified = helm.run("verify", str(package), "--keyring", str(ring))
    assert verified.returncode == 0, verified.stderr
    chart = yaml.safe_load(helm.run("show", "chart", str(package)).stdout)
    signed = yaml.safe_load(chart["annotations"]["artifacthub.io/signKey"])
    assert signed["fingerprint"] in verified.stdout
    assert signed["url"].endswith("/releases/download/v1.2.3/chart-signing-key.asc")
    shown = gpg(home, "--show-keys", "--with-colons", str(tmp_path / "chart-signing-key.asc"))
    assert signed["fingerprint"] in shown
    assert "sec:" not in shown


def test_without_a_key_it_is_packaged_all_the_same(helm: Helm, tmp_path: Path) -> None:
    release(helm, tmp_path, "")
    assert [path.suffix for path in (tmp_path / "dist").iterdir()] == [".tgz"]
    assert not (tmp_path / "chart-signing-key.asc").exists()
