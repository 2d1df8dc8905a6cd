"""Write what the chart is generated from: `python -m helm`."""

from __future__ import annotations

from . import carried, readme, schema
from .values import CHART


def main() -> None:
    """Write the schema, the README, the copies of rules and dashboards."""
    (CHART / "values.schema.json").write_text(schema.default_text(), encoding="utf-8")
    (CHART / "README.md").write_text(readme.default_text(), encoding="utf-8")
    wanted = carried.wanted()
    for path in carried.present().keys() - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
