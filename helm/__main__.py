"""Write what the chart is generated from and what is generated from the chart: `python -m helm`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from . import carried, kustomize, native, readme, schema
from .binary import find
from .values import CHART


def main() -> None:
    """Write the schema, the README, rules for native histograms, copies, the manifests."""
    (CHART / "values.schema.json").write_text(schema.default_text(), encoding="utf-8")
    (CHART / "README.md").write_text(readme.default_text(), encoding="utf-8")
    wanted = carried.wanted()
    for path in carried.present().keys() - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _write(native.wanted())
    helm = find("helm")
    if helm is None:
        sys.exit("the folder kustomize is not written: no helm on PATH, and HELM names none")
    _write(kustomize.wanted(helm))


def _write(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
