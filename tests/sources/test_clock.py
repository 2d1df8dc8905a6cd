"""A clock that was ahead: what it has saved is taken back to now."""

from __future__ import annotations

import pytest

from tests.sources.conftest import Watching
from tests.sources.standin import Phoenix
from tests.sources.test_recorded_scores import verdicts

AHEAD_S = 400 * 86_400.0


def test_a_floor_in_the_future_is_taken_back(
    watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    source = watching("phoenix", Phoenix(0), is_kept=True)
    source.now_s += AHEAD_S
    source.poll()
    source.now_s -= AHEAD_S
    source.crash()
    source.poll()
    source.poll()
    assert caplog.text.count("the clock was ahead") == 1
    progress = source.engine.ingester.progress("it/shop-22")
    assert progress is not None
    assert max(progress.floor_ns, progress.begin_ns) <= source.now_s * 1e9
    # What was there before then does not count; what begins from now on does.
    assert verdicts(source.samples()) == {}
    source.now_s -= 7 * 86_400.0
    source.poll()
    assert caplog.text.count("the clock was ahead") == 2
