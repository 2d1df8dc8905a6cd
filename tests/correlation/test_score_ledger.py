"""The ledger of scores by itself: bounded, forgetful, and never counting twice for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.correlation import Part
from llm_trace_exporter.correlation.score_ledger import ScoreLedger
from llm_trace_exporter.model import ParsedRecord
from llm_trace_exporter.pulled import Complete, Progress, PulledPage, PulledScore

RECORD = ParsedRecord(b"", b"", b"", "log", "test")
SAYS = ("pass", "fail", "error")


def score(number: int, said: Any = "pass", *, kind: Any = "llm", time_ns: int = 100, **more: Any
          ) -> PulledScore:  # fmt: skip
    letter = {"llm": b"l", "code": b"c", "human": b"h"}[kind]
    target = b"%08d" % number
    told = {"time_ns": time_ns, "target_ns": time_ns, "record": RECORD, **more}
    return PulledScore(target, b"k" + letter, "judge", kind, value=said.encode(), said=said, **told)


def page(*scores: PulledScore, floor_ns: int = 0, begin_ns: int = 0, walk_ns: int = 1, **more: Any
         ) -> PulledPage:  # fmt: skip
    progress = Progress(begin_ns, floor_ns)
    return PulledPage("it", "it/p", progress, walk_ns, len(scores), scores, **more)


def take(ledger: ScoreLedger, told: PulledPage) -> tuple[int, list[tuple[str, str]]]:
    """(how many count, what changed)."""
    decided = ledger.decide(told)
    ledger.apply(decided.pull)
    return len(decided.records), [(r.before, r.after) for r in decided.pull.revisions]


def all_of(*scores: PulledScore) -> Complete:
    return Complete(
        frozenset((s.target, s.key) for s in scores), frozenset({b"%08d" % n for n in range(9)})
    )


class TestRoom:
    def test_what_is_forgotten_for_want_of_room_does_not_count_again(self) -> None:
        ledger = ScoreLedger(limit=100)
        told = page(*(score(n, time_ns=100 + n) for n in range(150)))
        assert take(ledger, told)[0] == 150
        assert len(ledger) <= 100
        assert ledger.evicted == 150 - len(ledger)
        assert take(ledger, told) == (0, [])

    def test_what_is_older_than_the_floor_is_not_looked_at(self) -> None:
        ledger = ScoreLedger(limit=100)
        take(ledger, page(score(1, time_ns=50), score(2, time_ns=200)))
        take(ledger, page(floor_ns=100))
        assert len(ledger) == 1
        # The look-back may be made longer; what was counted stays counted.
        assert take(ledger, page(score(1, time_ns=50), floor_ns=0)) == (0, [])

    def test_sources_that_are_gone_are_forgotten(self) -> None:
        ledger = ScoreLedger(limit=100, tracks=True)
        take(ledger, page(score(1)))
        ledger.keep(["other/p"])
        assert len(ledger) == 0
        assert ledger.progress("it/p") is None
        # Named again, it begins anew: what is there does not count.
        assert take(ledger, page(score(1), begin_ns=1000)) == (0, [])


class TestStanding:
    def test_who_overwrites_supersedes(self) -> None:
        ledger, human = ScoreLedger(100), score(1, "fail", kind="human")
        take(ledger, page(score(1)))
        assert take(ledger, page(human, complete=all_of(human))) == (1, [])
        # The judge's comes back as it was, then otherwise.
        both = (score(1), human)
        assert take(ledger, page(*both, complete=all_of(*both))) == (0, [])
        changed = (score(1, "fail"), human)
        assert take(ledger, page(*changed, complete=all_of(*changed))) == (0, [("pass", "fail")])

    def test_a_deletion_counts_once_and_can_be_taken_back(self) -> None:
        ledger = ScoreLedger(100)
        take(ledger, page(score(1)))
        for expected in ([("pass", "deleted")], []):
            assert take(ledger, page(complete=all_of())) == (0, expected)
        assert take(ledger, page(score(1))) == (0, [("deleted", "pass")])

    def test_only_what_should_have_been_told_is_missed(self) -> None:
        ledger = ScoreLedger(100)
        take(ledger, page(score(20), score(1)))
        assert take(ledger, page(complete=all_of())) == (0, [("pass", "deleted")])
        window = Complete(frozenset(), since_ns=0, until_ns=100)
        assert take(ledger, page(complete=window)) == (0, [])
        window = Complete(frozenset(), since_ns=0, until_ns=101)
        assert take(ledger, page(complete=window)) == (0, [("pass", "deleted")])

    def test_one_that_was_void_when_it_was_first_seen(self) -> None:
        ledger = ScoreLedger(100)
        assert take(ledger, page(score(1, "invalid"))) == (0, [])
        assert take(ledger, page(score(1))) == (1, [])

    @pytest.mark.parametrize("later", [0, 1])
    def test_what_says_nothing_in_two_walks_is_a_judge_that_broke(self, later: int) -> None:
        ledger, empty = ScoreLedger(100), score(1, "error", is_empty=True)
        assert take(ledger, page(empty)) == (0, [])
        assert take(ledger, page(empty, walk_ns=1 + later)) == (later, [])
        filled = take(ledger, page(score(1), walk_ns=3))
        assert filled == ((0, [("error", "pass")]) if later else (1, []))


Told = list[tuple[int, str, str]]


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 4), st.sampled_from(SAYS), st.sampled_from(("llm", "human"))),
            unique_by=lambda told: (told[0], told[2]),
        ),
        max_size=6,
    ),
    st.data(),
)
def test_saved_and_restored_at_any_time_it_decides_the_same(
    walks: list[Told], data: st.DataObject
) -> None:
    whole, parted = ScoreLedger(1000, tracks=True), ScoreLedger(1000, tracks=True)
    kept: list[Part] = []
    for number, told in enumerate(walks):
        scores = [score(n, said, kind=kind) for n, said, kind in told]
        walk = page(*scores, walk_ns=number, complete=all_of(*scores))
        assert take(whole, walk) == take(parted, walk)
        if data.draw(st.booleans()):
            saved = parted.save(every=False)
            kept = [part for part in kept if part.name not in saved.replaces] + [*saved.parts]
            parted = ScoreLedger(1000, tracks=True)
            for part in kept:
                assert parted.restore(part)
            assert len(parted) == len(whole)


def test_counts_add_up_whatever_happens() -> None:
    """Failures that stand: those counted, and what changed to and from a failure."""
    ledger, counted, changed = ScoreLedger(100), 0, 0
    for number, said in enumerate(("fail", "pass", "fail", "error", "fail")):
        new, revisions = take(ledger, page(score(1, said), walk_ns=number))
        counted += new * (said == "fail")
        changed += sum(after == "fail" for _, after in revisions)
        changed -= sum(before == "fail" for before, _ in revisions)
        assert counted + changed == (said == "fail")
