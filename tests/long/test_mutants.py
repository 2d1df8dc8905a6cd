"""Faults in what makes a number are noticed by the tests beside it.

Each run draws some faults of each module from a seed; LTE_MUTANTS=all makes all of them (an hour).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.long.mutants import Mutant, mutants, path_of

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
_P = "llm_trace_exporter"
_NESTS = ("tests/correlation/test_nesting.py", "tests/correlation/test_pipeline.py")
_PRICES = tuple(
    f"tests/pricing/test_{name}.py"
    for name in ("calculate", "policy", "assumptions", "regions", "tiers", "explain")
)
MODULES: dict[str, tuple[str, ...]] = {
    f"{_P}.dialects.usage": (
        "tests/dialects/test_usage.py", "tests/dialects/test_usage_properties.py",
        "tests/dialects/test_vocabulary.py", "tests/dialects/test_read.py", "tests/test_cases.py",
    ),
    f"{_P}.correlation.nesting": (
        *_NESTS, "tests/correlation/test_late_usage.py", "tests/correlation/test_evidence.py",
        "tests/correlation/test_outcomes.py", "tests/correlation/test_gateways.py",
    ),
    f"{_P}.correlation.merge": (
        "tests/correlation/test_merge.py", *_NESTS, "tests/correlation/test_late_usage.py",
        "tests/correlation/test_evidence.py", "tests/correlation/test_gateways.py",
        "tests/correlation/test_untold_usage.py",
    ),
    f"{_P}.correlation.matching": ("tests/correlation/test_pairing.py", *_NESTS),
    f"{_P}.correlation.duplicates": (
        "tests/correlation/test_one_or_two.py", *_NESTS,
        "tests/correlation/test_pairing.py", "tests/correlation/test_late_usage.py",
        "tests/correlation/test_gateways.py",
    ),
    f"{_P}.pricing.calculate": (*_PRICES, "tests/pricing/test_catalogue.py"),
    f"{_P}.pricing.plan": (
        "tests/pricing/test_plan.py", *_PRICES, "tests/pricing/test_catalogue.py",
    ),
    f"{_P}.pricing.resolve": (*_PRICES, "tests/pricing/test_labels.py"),
    f"{_P}.metrics.label_policy": ("tests/metrics/test_labels.py", "tests/metrics/test_store.py"),
}  # fmt: skip
"""Module -> the fast tests beside it, those that notice most first."""

_LATE = "leaf.late and leaf.is_evidence and (not any((p.applied for p in leaf.reporters)))"
_LARGER = "not given_input or not given_output or cached > given_input or (thought > given_output)"
_CUT = "value[:8 * MAX_LENGTH].encode('utf-8', 'replace').decode('utf-8')"
_STORED = "list(self.cache)[:_CACHE_SIZE // 4]"
_DROPPED = "with_usage and (not inner.error_type) and (inner.tokens is None)"
_SEVERAL = "found.extend(_with_one_id(group) if len(group) > 1 else group)"
_SPANS = "all((leaf.reporters[0].signal == 'span' for leaf in found))"
_PART = "given > 0 and (content := partial.get((service, written))) is not None"
_PARTIAL = "any((given == 0 for _, _, given, _ in by_content))"
_ALONE = "call.response_id and len(self._by_id.get(call.response_id, ())) > 1"
EXCUSED: dict[str, dict[str, str]] = {
    f"{_P}.dialects.usage": {
        f"_usual: {_LARGER} -> {_LARGER.replace('>', '>=', 1)}": "the long way gives the same",
    },
    f"{_P}.correlation.nesting": {
        f"with_details: {_SPANS} -> {_SPANS.replace('==', '!=')}": "a short cut: no logs, no work",
        f"_is_void: {_LATE} -> {_LATE.replace('any', 'all')}": (
            "what is around them is late: a copy of what was counted"
        ),
        "_outermost: id(twig) not in top_of and twig.outer is not None and (id(twig) not in path)"
        " -> twig.outer is not None and id(twig) not in path": "the way is walked again: slower",
    },
    f"{_P}.correlation.merge": {
        f"fill_missing: {_DROPPED} and outer.error_type -> {_DROPPED}": "neither has an error then",
        "first_non_empty: True -> False": "they are known to be as long",
        "_fineness: sum((1 for _, count in usage.by_type() if count))"
        " -> sum((2 for _, count in usage.by_type() if count))": "it is compared only",
        "_events: max(count, merged.get(event, 0)) -> max(count, merged.get(event, 1))": (
            "what is told came once at least"
        ),
    },
    f"{_P}.correlation.matching": {
        "Timeline.__init__: 0 -> 1": "without calls there is nothing to look at",
        "Timeline.__init__: max((c.end_ns - c.start_ns for c in self.calls), default=0)"
        " -> max((c.end_ns + c.start_ns for c in self.calls), default=0)": (
            "bounds the work: those of long ago are looked at and are no copies"
        ),
        "Timeline.__init__: list(range(len(ordered) + 1)) -> list(range(len(ordered) + 2))": (
            "nobody comes to the place behind the end"
        ),
    },
    f"{_P}.correlation.duplicates": {
        f"CopyIndex.candidates: {_ALONE} -> {_ALONE.replace(' and ', ' or ', 1)}": (
            "a short cut: who is alone with an id has no partner by it"
        ),
        f"CopyIndex._parts: {_PART} -> {_PART.replace('>', '>=', 1)}": "they find themselves, too",
        f"CopyIndex._parts: {_PART} -> {_PART.replace(' and ', ' or ', 1)}": (
            "more are looked at, and are no copies"
        ),
        f"_merge_by_content: {_PARTIAL} -> {_PARTIAL.replace('==', '!=')}": (
            "a short cut: without partial ones no more are copies"
        ),
        f"_merge_by_id: {_SEVERAL} -> {_SEVERAL.replace('>', '>=')}": (
            "a short cut: who is alone with an id stays as it is"
        ),
    },
    f"{_P}.pricing.resolve": {
        "resolve: match is None and (not local) and (served != asked)"
        " -> match is None and (not local)": "a short cut: what is not found is not there",
    },
    f"{_P}.pricing.calculate": {
        "assumed_costs: plan.needs_lifetime and tokens.cache_write > 0 and"
        " (tokens.cache_write_1h is None)"
        " -> plan.needs_lifetime and tokens.cache_write_1h is None": (
            "a short cut: without writes there are no dollars of them"
        ),
        "assumed_costs: plan.needs_lifetime and tokens.cache_write > 0 and"
        " (tokens.cache_write_1h is None)"
        " -> plan.needs_lifetime and tokens.cache_write >= 0 and (tokens.cache_write_1h is None)": (
            "likewise"
        ),
        "_Prices.keep: len(self.cache) >= _CACHE_SIZE -> len(self.cache) > _CACHE_SIZE": (
            "one key more is remembered"
        ),
        f"_Prices.keep: {_STORED} -> {_STORED.replace('4', '5')}": "fewer go at a time",
        f"_Prices.keep: {_STORED} -> {_STORED.replace('//', '*')}": "all go at a time: slower",
        **{
            f"Pricing.resolved: {told} -> {told.replace('>', '>=', 1)}": "nothing is cut off"
            for told in (
                "len(response_model) > MAX_LENGTH or len(request_model) > MAX_LENGTH",
                "len(provider) > MAX_LENGTH or len(tier) > MAX_LENGTH",
                "len(region) > MAX_LENGTH",
            )
        },
        **{
            f"Pricing.resolved: {told} >= MAX_LENGTH".replace("@", " -> "): "nothing is cut off"
            for told in (
                "len(response_model) > MAX_LENGTH or len(request_model) > MAX_LENGTH"
                "@len(response_model) > MAX_LENGTH or len(request_model)",
                "len(provider) > MAX_LENGTH or len(tier) > MAX_LENGTH"
                "@len(provider) > MAX_LENGTH or len(tier)",
            )
        },
    },
    f"{_P}.metrics.label_policy": {
        f"clean_value: {_CUT} -> {_CUT.replace('8 *', '9 *', 1)}": "bounds the work, not the text",
        "clean_value: len(value) <= MAX_LENGTH and is_plain"
        " -> len(value) < MAX_LENGTH and is_plain": (
            "a short cut: what needs no cleaning is the same when it is cleaned"
        ),
    },
}
"""Module -> a fault that changes nothing anyone could see -> why."""

SEED = 1
DRAWN = 12
"""Faults of each module."""


def drawn(module: str, found: list[Mutant]) -> list[int]:
    """Numbers of the faults that are tried."""
    numbers = range(len(found))
    if os.environ.get("LTE_MUTANTS") == "all":
        return list(numbers)
    return sorted(random.Random(f"{module}/{SEED}").sample(numbers, min(DRAWN, len(found))))


@pytest.mark.parametrize("module", MODULES)
def test_a_fault_is_noticed(module: str) -> None:
    found = mutants(path_of(module).read_text())
    numbers = ",".join(map(str, drawn(module, found)))
    command = [sys.executable, "-m", "tests.long.mutants", module, numbers, *MODULES[module]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lived = {str(found[int(number)]) for number in done.stdout.split()}
    assert lived - EXCUSED.get(module, {}).keys() == set()


@pytest.mark.parametrize("module", EXCUSED)
def test_what_is_excused_is_still_there(module: str) -> None:
    assert EXCUSED[module].keys() <= set(map(str, mutants(path_of(module).read_text())))


def test_a_fault_is_one_change() -> None:
    source = "def f(a, b):\n    return a < b and not b\n"
    assert [m.after for m in mutants(source)] == [
        "a < b or not b",
        "not b",
        "a < b",
        "a <= b and (not b)",
    ]
