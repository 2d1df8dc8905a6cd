"""What has to ring, and at whom, when the exporter itself or what it is sent is in trouble."""

from __future__ import annotations

from collections.abc import Mapping

from tests.e2e.scenes import BATCH, BOT, Scene

EXPORTERS_OWN: Mapping[str, Scene] = {
    "ingest-lag": Scene(
        {
            "LLMExporterIngestLagHigh warning": "slack-platform",
            "LLMExporterLateRecords warning": "slack-platform",
        }
    ),
    "duplicates": Scene({"LLMExporterDuplicatesHigh warning": "slack-platform"}),
    "malformed-requests": Scene({"LLMExporterRequestsRejected warning": "slack-platform"}),
    "invalid-records": Scene({"LLMExporterInvalidRecords warning": "slack-platform"}),
    "label-flood": Scene({"LLMExporterLabelOverflow warning": "slack-platform"}),
    "judge-late": Scene(
        {"LLMJudgeLagHigh warning": "slack-llm"},
        config={"slos": [{"slo": "judge_lag_p95_seconds", "target": 900}]},
    ),
}
"""They tell no service, so all of them happen to one exporter, which nothing else thins out."""

ALONE: Mapping[str, Scene] = {
    "no-traffic": Scene({"LLMExporterNoData critical": "platform-pager"}, needs_yesterday=True),
    "unknown-convention": Scene(
        {"LLMExporterNothingRecognised warning": "slack-platform"}, also="LLMEvaluationsUnmatched"
    ),
    "stray-results": Scene({"LLMEvaluationsUnmatched warning": "slack-llm"}, services=BOT),
    "double-instrumentation": Scene(
        {"LLMExporterRollupsChanged info": "slack-quiet"}, services=BATCH, needs_yesterday=True
    ),
    "exporter-down": Scene({"LLMExporterAbsent critical": "platform-pager"}),
}
"""Those that leave nothing else to see, or that other traffic would thin out."""

REPORTED: Mapping[str, str] = {
    "LLMTracesNotUnderstood warning": "slack-llm",
    "LLMExporterStateErrors critical": "platform-pager",
    "LLMExporterBackgroundFailing critical": "platform-pager",
    "LLMExporterClockJumped warning": "slack-platform",
    "LLMExporterStateCommitSlow warning": "slack-platform",
    "LLMExporterStateGrowing warning": "slack-platform",
    "LLMExporterScrapeSlow warning": "slack-platform",
    "LLMExporterOverloaded warning": "slack-platform",
    "LLMExporterSourceDown warning": "slack-platform",
    "LLMExporterSourceLagging warning": "slack-platform",
    "LLMExporterVersionsDiffer info": "slack-quiet",
    "LLMExporterSecurityReloadFailed critical": "platform-pager",
    "LLMJudgeRunsFailing warning": "slack-llm",
    "LLMJudgeSkipping warning": "slack-llm",
    "LLMJudgeCircuitOpen warning": "slack-llm",
    "LLMJudgeDailyLimitReached warning": "slack-llm",
    "LLMJudgeUnpriced warning": "slack-llm",
    "LLMBuiltInJudgeCostHigh warning": "slack-llm",
}
"""Trouble with disks, requests under way and models that judge, of which a simulation has none: it
is written by the code that counts it; tests/e2e/reported.py."""

RUNNING: Mapping[str, str] = {
    "LLMExporterConfigReloadFailed warning": "slack-platform",
    "LLMSecretInAnswer critical": "security-pager",
    "LLMPersonalDataInAnswer warning": "security",
    "LLMDocumentInjectionFound warning": "security",
}
"""Shown by a running exporter, which is told what simulated applications never say."""

UNSHOWN: Mapping[str, str] = {
    "LLMExporterStateNotWritable critical": "tests/e2e/test_one_page.py: it explains the others",
    "LLMPriceCatalogStale info": "the list that comes with the package is as old as it is",
    "LLMTotalOutage critical": "tests/e2e/test_one_page.py: here a provider or model explains it",
    "LLMJudgeFailureAboveBaseline warning": "the page says the same of whoever fails so often",
    "LLMExporterSourceSilent warning": "it looks at six hours, and incidents last an hour",
    "LLMCostAssumed info": "it looks at a day, and incidents last an hour",
}
"""Alerts that only promtool's tests show, and why."""
