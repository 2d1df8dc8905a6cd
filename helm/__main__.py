"""Write what the chart is generated from and what is generated from the chart: `python -m helm`."""

from __future__ import annotations

import sys

from . import carried, kustomize, readme, schema
from .binary import find
from .values import CHART


def main() -> None:
    """Write the schema, the README, the copies of rules and dashboards, the manifests."""
    (CHART / "values.schema.json").write_text(schema.default_text(), encoding="utf-8")
    (CHART / "README.md").write_text(readme.default_text(), encoding="utf-8")
    wanted = carried.wanted()
    for path in carried.present().keys() - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    helm = find("helm")
    if helm is None:
        sys.exit("the folder kustomize is not written: no helm on PATH, and HELM names none")
    for path, text in kustomize.wanted(helm).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
