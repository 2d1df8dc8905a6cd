"""For who owns the answers: did quality move, and are the judges themselves well?"""

from __future__ import annotations

from .. import measures as m
from ..board import TRACE_LINK, Board, Row
from ..panels import Query, bars, heatmap, series, stat, table
from ..promql import (
    RANGE,
    RATE,
    default_target,
    increase,
    quantile,
    rate,
    ratio,
    select,
    summed,
    top,
    top_and_rest,
)
from ..units import ANY_IS_BAD, PLAIN, SAMPLES, up_to

_SCORE = "llm_judge_score"
_LAG = "llm_judge_lag_seconds"
_RUNS = "llm_judge_runs_total"
_FEEDBACK = "llm_feedback_total"
_AGREEMENT = "llm_judge_agreement_total"
_TOOK = "llm_judge_run_duration_seconds"
_ENOUGH = "where there are 5 verdicts or more."
_BASELINE = summed(select("llm_judge_baseline_failure_ratio"), "judge", "max")
_DOLLARS_OF_JUDGES = rate("llm_cost_usd_total", 'purpose="judge"', by="model")
_DECIDED_BY_JUDGE = m.verdicts("judge")
_FAILED_BY_JUDGE = m.judge_failures("judge", RANGE)


def _broken(by: str = "", window: str = RATE) -> str:
    """Verdicts of judges that broke, of all verdicts."""
    part = rate(m.VERDICTS, 'verdict="error"', by=by, window=window)
    return ratio(part, rate(m.VERDICTS, by=by, window=window))


def _agreement(by: str = "") -> str:
    agreed = increase(_AGREEMENT, 'agrees="true"', by=by)
    return ratio(agreed, increase(_AGREEMENT, by=by))


SHOWN = Row(
    "In the time shown",
    (
        stat("Failure ratio", "Answers that judging models let fail in the time shown; "
             "guardrails, people and judges of safety are left out. Red from the target on.",
             "fail / (pass + fail); broken judges count as neither", "percentunit",
             m.judge_failures(window=RANGE, of=m.OF_MODELS), up_to(0.05, 0.1), decimals=2,
             target=default_target("judge_failure_ratio")),
        stat("Samples: verdicts", "How many verdicts the failure ratio is made of. Red below 30: "
             "it says little.", "increase of llm_judge_verdicts_total, pass and fail, of models",
             "short", m.verdicts(of=m.OF_MODELS), SAMPLES, decimals=0),
        stat("Worst against its baseline", "The judge that fails the most beside what was "
             "promised before launch; nothing where no baseline is configured.",
             "max over judges (failure ratio / llm_judge_baseline_failure_ratio)", "x",
             f"max({_FAILED_BY_JUDGE} / on (judge) {_BASELINE})", up_to(1.5, 2), decimals=1),
        stat("Broken judges", "Verdicts that are an error of the judge, not of the answer.",
             "error / verdicts", "percentunit", _broken(window=RANGE), up_to(0.02, 0.1),
             decimals=2),
        stat("Unhappy users", "Negative ratings by users.", "negative ratings / ratings",
             "percentunit", m.negative_feedback(window=RANGE), up_to(0.15, 0.3), decimals=1,
             target=default_target("negative_feedback_ratio")),
        stat("Samples: ratings", "How many ratings users gave.", "increase of llm_feedback_total",
             "short", increase(_FEEDBACK), SAMPLES, decimals=0),
    ),
)  # fmt: skip

VERDICTS = Row(
    "Verdicts",
    (
        series("Failure ratio by judge", f"Answers that fail, the worst judges, {_ENOUGH} "
               "Dashed: targets and what was promised before launch.",
               "fail / (pass + fail)", "percentunit",
               Query(m.judge_failure_lines("judge"), "{{judge}}"),
               m.target("judge_failure_ratio"),
               Query(f"topk(15, {_BASELINE})", "baseline {{judge}}", is_target=True),
               least_step="15m"),
        series("Failure ratio by service", f"Answers that judging models let fail, {_ENOUGH} "
               "Dashed: the targets.", "fail / (pass + fail)", "percentunit",
               Query(m.judge_failure_lines("service", of=m.OF_MODELS), "{{service}}"),
               m.target("judge_failure_ratio"), least_step="15m"),
        table("Judges", "Each judge over the time shown. The truth lies between the bounds with "
              "95 % confidence: act when the lower bound is above the target.",
              "fail / (pass + fail); bounds: Wilson score interval", ("judge",),
              m.ranged("Failure ratio", _FAILED_BY_JUDGE, "percentunit", *up_to(0.05, 0.1)),
              m.ranged("Lower bound", m.wilson(_FAILED_BY_JUDGE, _DECIDED_BY_JUDGE, -1),
                       "percentunit", *up_to(0.05, 0.1)),
              m.ranged("Upper bound", m.wilson(_FAILED_BY_JUDGE, _DECIDED_BY_JUDGE, 1),
                       "percentunit"),
              m.ranged("Baseline", _BASELINE, "percentunit"),
              m.ranged("Verdicts", _DECIDED_BY_JUDGE),
              m.ranged("Broken", _broken("judge"), "percentunit", *up_to(0.02, 0.1)),
              height=9),
        series("Failure ratio by model", "Answers that judging models let fail, by the model that "
               f"gave them, {_ENOUGH}", "fail / (pass + fail)", "percentunit",
               Query(m.judge_failure_lines("model", 'model!=""', of=m.OF_MODELS), "{{model}}"),
               least_step="15m"),
        series("Failure ratio by prompt version", f"A step at a release is the release; {_ENOUGH}",
               "fail / (pass + fail)", "percentunit",
               Query(m.judge_failure_lines("prompt_name, prompt_version", 'prompt_version!=""',
                                           of=m.OF_MODELS),
                     "{{prompt_name}} {{prompt_version}}"), least_step="15m"),
        heatmap("Scores", "How scores spread from 0 to 1; the dots are single verdicts.",
                "increase of llm_judge_score_bucket", "none",
                rate(f"{_SCORE}_bucket", by="le").replace("rate(", "increase(", 1),
                links=(TRACE_LINK,), exemplar=True),
        *m.with_samples(
            series("Low scores by judge", "One answer in ten scores no higher.",
                   "10th percentile of llm_judge_score", "none",
                   Query(m.quantile_lines(quantile(0.1, _SCORE, by="judge"), _SCORE, "judge"),
                         "{{judge}}"), most=1, least_step="15m"),
            "scores", _SCORE, by="judge"),
    ),
)  # fmt: skip

USERS = Row(
    "Users and people",
    (
        series("Unhappy users by service", "Negative ratings, where there are 5 ratings or more "
               "in an hour. Dashed: the targets.",
               "negative ratings / ratings", "percentunit",
               Query(m.negative_feedback_lines("service"), "{{service}}"),
               m.target("negative_feedback_ratio"), least_step="60m"),
        series("Ratings", "What users thought.", "increase of llm_feedback_total", "short",
               Query(increase(_FEEDBACK, by="rating", window=RATE), "{{rating}}"),
               stacked=True),
        bars("Judges and people agree", "Where a person judged the same answer, too; below "
             "80 % the judge measures something else.", "agreeing / compared verdicts",
             "percentunit", f"bottomk(15, {_agreement('judge')})", "{{judge}}",
             ((None, "red"), (0.7, "orange"), (0.8, "green")), width=12, most=1),
        bars("Compared verdicts", "How many verdicts the agreement is made of.",
             "increase of llm_judge_agreement_total", "short",
             f"topk(15, {increase(_AGREEMENT, by='judge')})", "{{judge}}", PLAIN, width=12),
    ),
)  # fmt: skip

JUDGES = Row(
    "Are the judges well?",
    (
        series("Broken verdicts by judge", "Errors of judges: neither pass nor fail.",
               "error / verdicts", "percentunit",
               Query(top(_broken("judge"), "judge"), "{{judge}}")),
        series("Verdicts by judge", "A judge that stops is a line that falls to 0.",
               "rate of llm_judge_verdicts_total", "verdicts/s",
               Query(top_and_rest(rate(m.VERDICTS, by="judge"), "judge"), "{{judge}}"),
               stacked=True),
        *m.with_samples(
            series("Verdicts come after", "95 % of the verdicts came sooner.",
                   "95th percentile of llm_judge_lag_seconds", "s",
                   Query(m.quantile_lines(quantile(0.95, _LAG, by="judge"), _LAG, "judge"),
                         "{{judge}}")),
            "lag", _LAG, by="judge"),
        series("Dollars of judges by judge model", "What evaluators' own calls cost.",
               "3600 x rate of llm_cost_usd_total of purpose judge", "$/h",
               Query(top(f"3600 * {_DOLLARS_OF_JUDGES}", "model"), "{{model}}")),
    ),
    is_collapsed=True,
)  # fmt: skip

BUILT_IN = Row(
    "The built-in judge (where `judge` is configured)",
    (
        series("Questions by how they ended", "Skipped means a full queue, a spent budget or an "
               "open circuit.", "rate of llm_judge_runs_total", "questions/s",
               Query(rate(_RUNS, by="outcome"), "{{outcome}}"), stacked=True, width=8),
        series("Judged share", "How many of the calls a rule is for were judged.",
               "runs that are ok / llm_judge_eligible_total", "percentunit",
               Query(top(ratio(rate(_RUNS, 'outcome="ok"', by="judge"),
                               rate("llm_judge_eligible_total", by="judge")), "judge"),
                     "{{judge}}"), width=8),
        series("Spend by rule", "What the judging model costs.",
               "3600 x rate of llm_judge_cost_usd_total", "$/h",
               Query(top(f"3600 * {rate('llm_judge_cost_usd_total', by='judge')}", "judge"),
                     "{{judge}}"), width=8),
        *m.with_samples(
            series("Answers of the judging model within", "95 % of the answers came sooner.",
                   "95th percentile of llm_judge_run_duration_seconds", "s",
                   Query(m.quantile_lines(quantile(0.95, _TOOK, by="judge"), _TOOK, "judge"),
                         "{{judge}}")),
            "runs", _TOOK, by="judge"),
        stat("Questions that wait", "Length of the queue.", "llm_judge_queue_length", "short",
             "max(llm_judge_queue_length)", width=3, height=8),
        stat("Circuit", "1: the judging model failed too often and is left alone.",
             "llm_judge_circuit_open", "none", "max(llm_judge_circuit_open)", ANY_IS_BAD,
             width=3, height=8),
        stat("Of today's limit", "Spent in this UTC day.",
             "llm_judge_spent_today_usd / llm_judge_daily_limit_usd", "percentunit",
             "max(llm_judge_spent_today_usd / llm_judge_daily_limit_usd)", up_to(0.8, 1),
             width=3, height=8),
        stat("Runs of unknown cost", "The daily limit cannot count them.",
             "increase of llm_judge_unpriced_runs_total", "short",
             increase("llm_judge_unpriced_runs_total"), ANY_IS_BAD, width=3, height=8,
             decimals=0),
    ),
    is_collapsed=True,
)  # fmt: skip

BOARD = Board(
    "llm-quality", "Quality & judges",
    "Whether answers are good, by judges, people and users; and whether the judges are well.",
    (SHOWN, VERDICTS, USERS, JUDGES, BUILT_IN), hours=24,
)  # fmt: skip
