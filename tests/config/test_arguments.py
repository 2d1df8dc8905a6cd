"""Values of options: what is read, and what is refused in words."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from llm_trace_exporter.config.arguments import region


@pytest.mark.parametrize(
    "written",
    [
        "", "global", "us", "EU", "us-east5", "europe-west4", "us-gov-west-1", "eastus2",
        "swedencentral", "DataZoneUS", "ap-southeast-2", "me-central1", "us-gov",
    ],
)  # fmt: skip
def test_regions_are_read_as_clouds_name_them(written: str) -> None:
    assert region(written) == written


@pytest.mark.parametrize("written", ["nonsense", "usa", "us east", "us-east-5-6", "*", "e" * 300])
def test_what_is_no_region_is_refused_with_what_is_allowed(written: str) -> None:
    with pytest.raises(ArgumentTypeError, match="allowed: global, us, eu"):
        region(written)
