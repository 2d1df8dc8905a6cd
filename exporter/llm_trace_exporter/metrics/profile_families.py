"""The families that other tools' dashboards query by their own names; a part of the catalogue."""

from __future__ import annotations

from .family import Family, Profile

PROFILE = (
    "service_name",
    "deployment_environment",
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
)
BOTH: tuple[Profile, ...] = ("semconv", "openlit")


def _profiled(
    name: str, unit: str, own: tuple[str, ...], text: str, query: str,
    *, buckets: str, profiles: tuple[Profile, ...],
) -> Family:  # fmt: skip
    labels = PROFILE + own
    return Family(
        name, "histogram", "Profiles", unit, labels, text, query,
        buckets=buckets, profiles=profiles, absent_when="the name profile is off (`compat`)",
    )  # fmt: skip


PROFILE_FAMILIES: tuple[Family, ...] = (
    _profiled(
        "gen_ai_client_token_usage", "", ("gen_ai_token_type",),
        "Input and output tokens per call; calls with known usage.",
        "sum by (gen_ai_request_model, gen_ai_token_type) "
        "(rate(gen_ai_client_token_usage_sum[5m]))",
        buckets="semconv_tokens", profiles=BOTH,
    ),
    _profiled(
        "gen_ai_client_operation_duration_seconds", "seconds", ("error_type",),
        "Wall time of whole LLM calls, in seconds.",
        "histogram_quantile(0.95, sum by (le, gen_ai_request_model) "
        "(rate(gen_ai_client_operation_duration_seconds_bucket[5m])))",
        buckets="semconv_seconds", profiles=BOTH,
    ),
    _profiled(
        "gen_ai_client_operation_time_to_first_chunk_seconds", "seconds", (),
        "Time from the request to the first chunk, in seconds; streaming calls that report it.",
        "histogram_quantile(0.95, sum by (le, gen_ai_request_model) "
        "(rate(gen_ai_client_operation_time_to_first_chunk_seconds_bucket[5m])))",
        buckets="semconv_seconds", profiles=BOTH,
    ),
    _profiled(
        "gen_ai_server_time_to_first_token_seconds", "seconds", (),
        "As `gen_ai_client_operation_time_to_first_chunk_seconds`, under the name and with the "
        "buckets that OpenLIT's dashboards query.",
        "histogram_quantile(0.95, sum by (le, gen_ai_provider_name) "
        "(rate(gen_ai_server_time_to_first_token_seconds_bucket[5m])))",
        buckets="semconv_first_token_seconds", profiles=("openlit",),
    ),
    _profiled(
        "gen_ai_usage_cost_USD", "USD", (),
        "US dollars per call; calls of which at least a part could be priced.",
        "sum by (gen_ai_request_model) (increase(gen_ai_usage_cost_USD_sum[1d]))",
        buckets="dollars", profiles=("openlit",),
    ),
)  # fmt: skip
