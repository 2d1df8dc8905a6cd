"""Times that cannot be true spoil no sum for ever: they are counted apart."""

from __future__ import annotations

from ..model import MAX_DURATION_S, MAX_LAG_S, Duration, LlmCall, Step
from .store import Store


def plausible(store: Store, field: Duration, seconds: float | None, now_s: float) -> float | None:
    """A time that may be observed; None, and counted as such, where it may not or is not known."""
    if seconds is not None and seconds <= (MAX_LAG_S if field == "judge_lag" else MAX_DURATION_S):
        return seconds
    store.counters("llm_exporter_implausible_values_total").get((field,)).add(1, now_s)
    return None


def duration_of(record: LlmCall | Step) -> float | None:
    """How long a call or step took; None where it has no end that can be true."""
    return None if record.is_untimed else record.duration_s
