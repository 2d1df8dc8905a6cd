"""From what is settled to series: each call priced, then counted, alone and in its trace."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from ..content import ContentDispatcher
from ..correlation import Output, WholeTraces
from ..explain import Charge, DecisionLog
from ..metrics.exporter_metrics import ExporterMetrics
from ..metrics.recorder import Recorder
from ..model import Feedback, LlmCall, Step, Verdict
from ..objectives import Budgets
from ..pricing import Pricing
from ..settled import Agreement, LateUsage, PricedCall
from .explaining import charge_of_call, charge_of_step

_J = TypeVar("_J", Verdict, Feedback)


class Aggregator:
    """Not safe for threads: one caller at a time."""

    def __init__(
        self, recorder: Recorder, metrics: ExporterMetrics, pricing: Pricing, traces: WholeTraces
    ) -> None:
        """Count into series."""
        self._recorder = recorder
        self._metrics = metrics
        self.pricing = pricing
        self.traces = traces
        self.budgets = Budgets()
        self.dispatcher: ContentDispatcher | None = None
        """Hands out what was said in settled calls."""
        self.decisions: DecisionLog | None = None
        """Is told what was decided of each record."""

    def count(self, output: Output, unix_s: float) -> None:
        """Count what came out of the correlator at a moment."""
        charges: dict[int, Charge] | None = None if self.decisions is None else {}
        for place, record in enumerate(output.records):
            if isinstance(record, LlmCall):
                priced = self.pricing.price(record)
                self.traces.call(priced)
                self._recorder.call(priced)
                self.budgets.spend(priced, unix_s)
                if self.dispatcher is not None:
                    self.dispatcher.dispatch(priced, output.reporters[place])
                if charges is not None:
                    charges[place] = self._charge(priced)
            elif isinstance(record, Step):
                self.traces.step(record)
                self._recorder.step(record)
                if charges is not None:
                    charges[place] = charge_of_step(record)
            elif isinstance(record, LateUsage):
                priced = self._late_usage(record, unix_s)
                if charges is not None:
                    charges[place] = self._charge(priced)
            else:
                self._result(record)
        for (reason, dialect), (n, tokens) in output.discarded.items():
            self._metrics.discarded(reason, n, tokens, dialect=dialect)
        for why, n in output.missing.items():
            self._metrics.unmatched(why, n)
        if self.decisions is not None and charges is not None and output.decisions is not None:
            self.decisions.decided(output.decisions.made, charges)

    def close_traces(self, now_s: float, *, ends_all: bool) -> None:
        """Count the traces that are complete."""
        traces = self.traces
        for trace in traces.complete_all() if ends_all else traces.complete(now_s):
            self._recorder.trace(trace)

    def _charge(self, priced: PricedCall) -> Charge:
        return charge_of_call(priced, self._recorder.capped_labels(priced))

    def _late_usage(self, late: LateUsage, unix_s: float) -> PricedCall:
        before, priced = self.pricing.price(late.counted), self.pricing.price(late.call)
        priced_before = {line.type for line in before.cost}
        if priced_before:
            # A fee was counted with the call; what was told that it cost, as a whole.
            left = () if priced_before - {"request"} else priced.cost
            priced = replace(
                priced, cost=tuple(line for line in left if line.type not in priced_before)
            )
        self.traces.late_usage(before, priced, is_first=late.is_first)
        self._recorder.late_usage(before, priced, is_first=late.is_first)
        self.budgets.spend(priced, unix_s)
        return priced

    def _result(self, record: Verdict | Feedback | Agreement) -> None:
        if isinstance(record, Verdict):
            self._recorder.verdict(self._named(record))
        elif isinstance(record, Agreement):
            named = replace(record, verdict=self._named(record.verdict))
            self._recorder.agreement(named)
        else:
            self._recorder.feedback(self._named(record))

    def _named(self, judged: _J) -> _J:
        """The record with the canonical name of the model that it is about."""
        about = judged.subject
        if about is not None and (about.response_model or about.request_model):
            names = (about.provider, about.response_model, about.request_model, about.service_tier)
        elif judged.model:
            names = ("", judged.model, "", "")
        else:
            return judged
        return replace(judged, model=self.pricing.resolved(*names).model)
