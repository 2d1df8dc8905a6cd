"""How listeners share the files that the process may open."""

from __future__ import annotations

import pytest

from llm_trace_exporter.engine.file_descriptors import RESERVE, shares

WANTED = {"web": 512, "otlp_http": 2_048, "otlp_grpc": 4_096}


@pytest.mark.parametrize("files", [-1, 6_656 + RESERVE, 1_048_576])
def test_all_get_what_they_want_where_there_are_files_enough(files: int) -> None:
    assert shares(WANTED, files) == WANTED


@pytest.mark.parametrize("files", [64, 256, 1_024, 4_096, 6_000])
def test_all_get_the_same_share_of_it_where_there_are_not(files: int) -> None:
    granted = shares(WANTED, files)
    assert sum(granted.values()) <= max(files - RESERVE, files // 2)
    parts = [granted[name] / WANTED[name] for name in WANTED]
    assert max(parts) - min(parts) < 0.01


def test_two_thousand_strangers_on_grpc_leave_room_with_4096_files() -> None:
    assert shares(WANTED, 4_096)["otlp_grpc"] > 2_000
