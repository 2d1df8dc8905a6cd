"""How sure one can be of what a few hundred verdicts say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % confidence interval; all None where there is nothing to go by."""

    value: float | None
    low: float | None = None
    high: float | None = None


NOTHING = Interval(None)


def share(hits: int, total: int) -> Interval:
    """A ratio with Wilson's interval, which holds for few observations and near 0 and 1, too.

    Source: Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if not total:
        return NOTHING
    ratio, z2 = hits / total, _Z95**2
    centre = ratio + z2 / (2 * total)
    spread = _Z95 * math.sqrt(ratio * (1 - ratio) / total + z2 / (4 * total * total))
    scale = 1 + z2 / total
    return Interval(ratio, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge beside humans on the same subjects."""

    both_pass: int
    both_fail: int
    false_pass: int
    """The judge passes what humans fail."""
    false_fail: int
    """The judge fails what humans pass."""

    @property
    def total(self) -> int:
        """Subjects that both judged."""
        return self.both_pass + self.both_fail + self.false_pass + self.false_fail

    @property
    def agreement(self) -> Interval:
        """Share of subjects on which they agree."""
        return share(self.both_pass + self.both_fail, self.total)

    @property
    def false_pass_rate(self) -> Interval:
        """Of what humans fail, the share that the judge lets pass."""
        return share(self.false_pass, self.both_fail + self.false_pass)

    @property
    def false_fail_rate(self) -> Interval:
        """Of what humans pass, the share that the judge fails."""
        return share(self.false_fail, self.both_pass + self.false_fail)

    @property
    def kappa(self) -> Interval:
        """Cohen's kappa: agreement beyond chance. None where one of them always says the same.

        Source: Cohen, A coefficient of agreement for nominal scales (1960), with its standard
        error for large samples.
        """
        n = self.total
        if not n:
            return NOTHING
        observed = (self.both_pass + self.both_fail) / n
        judge_pass = (self.both_pass + self.false_pass) / n
        human_pass = (self.both_pass + self.false_fail) / n
        expected = judge_pass * human_pass + (1 - judge_pass) * (1 - human_pass)
        if expected >= 1:
            return NOTHING
        value = (observed - expected) / (1 - expected)
        spread = _Z95 * math.sqrt(observed * (1 - observed) / (n * (1 - expected) ** 2))
        return Interval(value, max(-1.0, value - spread), min(1.0, value + spread))


def agreement(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """From pairs of (judge passes, human passes)."""
    return Agreement(
        both_pass=sum(judge and human for judge, human in pairs),
        both_fail=sum(not judge and not human for judge, human in pairs),
        false_pass=sum(judge and not human for judge, human in pairs),
        false_fail=sum(human and not judge for judge, human in pairs),
    )


def correlation(lengths: Sequence[int], passes: Sequence[bool]) -> float | None:
    """Pearson's correlation of length and passing; None where either never changes.

    The logarithm of the length is taken: answers differ in length by factors.
    """
    n = len(lengths)
    if n < 3:
        return None
    xs = [math.log1p(length) for length in lengths]
    ys = [float(is_pass) for is_pass in passes]
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    var_x = sum((x - mean_x) ** 2 for x in xs)
    var_y = sum((y - mean_y) ** 2 for y in ys)
    if var_x < 1e-12 or var_y < 1e-12:
        return None
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return covariance / math.sqrt(var_x * var_y)
