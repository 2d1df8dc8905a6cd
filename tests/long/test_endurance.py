"""Two million spans, and a start with everything full: what `python -m bench` prints, held to.

Times are for `make bench` to tell: a neighbour on the machine makes them longer, and nothing wrong.

The figures in docs/operations.md are from `make bench BENCH="--only soak restarts"`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.restarts import SERIES, SPANS, restarted
from bench.soak import GROWTH_MB, TIMES_LIVE, soak
from bench.soak import SPANS as SOAKED
from tests.long.budget import rounds

pytestmark = pytest.mark.long


def test_memory_and_the_state_file_stay_where_they_are(tmp_path: Path) -> None:
    found = soak(tmp_path, rounds(SOAKED))
    assert found.counted == found.spans
    assert found.growth_mb < GROWTH_MB, found
    assert found.times_live < TIMES_LIVE, found


def test_a_start_with_everything_full(tmp_path: Path) -> None:
    found = restarted(tmp_path, SERIES, SPANS)
    assert found.series >= SERIES
    assert found.after_mb < found.before_mb, found
