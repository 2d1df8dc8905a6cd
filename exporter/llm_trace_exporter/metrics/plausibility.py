"""Times that cannot be true spoil no sum for ever: they are counted apart."""

from __future__ import annotations

from ..model import MAX_DURATION_S, MAX_LAG_S, Duration
from .store import Store


def is_plausible(store: Store, field: Duration, seconds: float, now_s: float) -> bool:
    """Whether a time may be observed; one that may not is counted as such."""
    if seconds <= (MAX_LAG_S if field == "judge_lag" else MAX_DURATION_S):
        return True
    store.counters("llm_exporter_implausible_values_total").get((field,)).add(1, now_s)
    return False
