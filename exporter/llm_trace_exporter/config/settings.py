"""Everything an operator can choose, as frozen records with defaults.

Field names are the keys of the file, with the unit that the file writes into the value; where a
name differs, `schema.json`, which describes the same keys, has the field's in `x-attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from ..dialects.cache_inclusion import Inclusion
from ..dialects.context import FEATURE_KEYS, PROMPT_NAME_KEYS, PROMPT_VERSION_KEYS, TEAM_KEYS
from ..metrics.label_policy import DEFAULT_CAP
from ..metrics.labels_and_buckets import BUCKETS
from ..metrics.store import StoreOptions
from ..model import JudgeKind
from .content_settings import ContentRulesSettings, ContentSettings
from .convention_settings import ConventionSettings
from .judge_settings import BuiltInJudgeSettings
from .limit_settings import LimitSettings, TracesSettings
from .objective_settings import BudgetSettings, SloSettings
from .source_settings import SourceSettings

DetailsLogs = Literal["ignore", "count"]
NameProfile = Literal["semconv", "openlit"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warn", "error"]
ReportedCost = Literal["trust", "ignore"]

_SERIES = StoreOptions()

DEFAULT_CAPS: Mapping[str, int] = {
    "service": 200,
    "model": 200,
    "request_model": 200,
    "response_model": 200,
}


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The listener of `/metrics`, the probes and the administration pages."""

    listen_addresses: tuple[str, ...] = ("localhost:9891",)
    """`host:port`, `[v6]:port` or `:port`, at least one."""
    telemetry_path: str = "/metrics"
    """Path of the exposition, below `route_prefix`."""
    route_prefix: str = "/"
    """Path before all routes, for a reverse proxy."""
    config_file: str = ""
    """Its web configuration: TLS, users, headers; empty: none."""
    max_connections: int = 512
    enable_lifecycle: bool = False


@dataclass(frozen=True, slots=True)
class CorsSettings:
    """Web pages whose scripts may send."""

    allowed_origins: tuple[str, ...] = ()
    """`*` for all."""


@dataclass(frozen=True, slots=True)
class OtlpHttpSettings:
    """The OTLP/HTTP receiver."""

    listen_address: str = "localhost:4318"
    """`host:port`, `[v6]:port` or `:port`; empty: off."""
    config_file: str = ""
    """Its web configuration: TLS, users, headers; empty: none."""
    cors: CorsSettings = CorsSettings()
    max_connections: int = 2_048


@dataclass(frozen=True, slots=True)
class OtlpGrpcSettings:
    """The OTLP/gRPC receiver."""

    listen_address: str = "localhost:4317"
    """`host:port`, `[v6]:port` or `:port`; empty: off."""
    config_file: str = ""
    """Its web configuration: TLS, users, headers; empty: none."""
    max_connections: int = 4_096


@dataclass(frozen=True, slots=True)
class TokenRateSettings:
    """How often tokens may send."""

    requests_per_second: float
    burst: int = 100
    """Requests at once after a pause."""


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A sender with tokens of its own."""

    name: str
    file: str
    """Path; one token a line."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its records are labelled, whatever they say."""
    rate_limit: TokenRateSettings | None = None


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Receiving OTLP."""

    http: OtlpHttpSettings = OtlpHttpSettings()
    grpc: OtlpGrpcSettings = OtlpGrpcSettings()
    max_request_bytes: int = 32 * 1024 * 1024
    """Bytes of one request after decompression."""
    max_concurrent_requests: int = 64
    """Requests under way at once, for each receiver."""
    tokens: tuple[TokenSettings, ...] = ()  # empty: everybody


@dataclass(frozen=True, slots=True)
class StateSettings:
    """What survives a restart."""

    path: str = ":memory:"
    """SQLite file; `:memory:` keeps nothing."""


@dataclass(frozen=True, slots=True)
class DimensionSettings:
    """A label of your own and where its value is written."""

    label: str
    keys: tuple[str, ...]
    """Attribute keys, the first one that has a value wins; `attr#a.b` looks into a JSON value."""
    cap: int = DEFAULT_CAP
    """Distinct values."""
    inherit: bool = False
    """Whether enclosing spans lend their value to calls and steps."""
    identifying: bool = False
    """Whether its values may identify people; without it, keys that do are refused."""


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """How many distinct values labels may have."""

    caps: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_CAPS))
    """Distinct values by label."""
    default_cap: int = DEFAULT_CAP
    """Distinct values of a label that `caps` does not name."""


@dataclass(frozen=True, slots=True)
class SeriesSettings:
    """How many series there may be and how long."""

    max_per_family: int = _SERIES.max_series_per_family
    """Label sets."""
    idle_expiry_s: float = _SERIES.idle_expiry_s
    """Seconds without an update after which a series is dropped; 0 keeps all."""


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Upper bounds of histograms by kind, ascending, without +Inf."""

    seconds: tuple[float, ...] = BUCKETS["seconds"]
    """Seconds."""
    first_token_seconds: tuple[float, ...] = BUCKETS["first_token_seconds"]
    """Seconds."""
    per_token_seconds: tuple[float, ...] = BUCKETS["per_token_seconds"]
    """Seconds."""
    tokens: tuple[float, ...] = BUCKETS["tokens"]
    dollars: tuple[float, ...] = BUCKETS["dollars"]
    """US dollars."""
    score: tuple[float, ...] = BUCKETS["score"]
    """Scores, 0-1."""
    documents: tuple[float, ...] = BUCKETS["documents"]
    calls: tuple[float, ...] = BUCKETS["calls"]
    work_seconds: tuple[float, ...] = BUCKETS["work_seconds"]
    """Seconds."""
    lag_seconds: tuple[float, ...] = BUCKETS["lag_seconds"]
    """Seconds."""


@dataclass(frozen=True, slots=True)
class OpenMetricsSettings:
    """The OpenMetrics format."""

    created: bool = False  # `_created` lines


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Head sampling that the traces themselves do not tell."""

    ratio_by_service: Mapping[str, float] = field(default_factory=dict)
    """Service to the share of its traces that is sent, from a millionth to 1."""


@dataclass(frozen=True, slots=True)
class DialectSettings:
    """How one convention is read."""

    enabled: bool = True
    reported_cost: ReportedCost | None = None
    """Whether the cost on its spans comes before all other prices; None: the dialect's default."""


@dataclass(frozen=True, slots=True)
class LogsSettings:
    """Log records of `gen_ai.client.inference.operation.details`."""

    details: DetailsLogs = "ignore"
    """`count` takes them for calls."""
    details_services: tuple[str, ...] = ()
    """The services whose records `count` is for; empty: every service."""


@dataclass(frozen=True, slots=True)
class ContractSettings:
    """Prices agreed with a provider."""

    model: str
    """Glob over model names."""
    provider: str = ""
    """Empty: every provider."""
    tier: str = ""
    """Service tier; empty: every tier."""
    region: str = ""
    """Glob over regions; empty: every region."""
    valid_from: date | None = None
    """First UTC day; None: since ever."""
    valid_until: date | None = None
    """Last UTC day, itself included; None: for ever."""
    usd_per_million_tokens: Mapping[str, float] = field(default_factory=dict)
    """Token type to US dollars."""
    usd_per_request: float | None = None
    """US dollars per call, on top of its tokens."""
    usd_per_web_search: float | None = None
    """US dollars per search of the web."""


@dataclass(frozen=True, slots=True)
class PricingSettings:
    """Where prices come from."""

    contracts: tuple[ContractSettings, ...] = ()
    local_providers: tuple[str, ...] = ()
    """Providers that cost nothing, besides those that are known to be local."""
    default_regions: Mapping[str, str] = field(default_factory=dict)
    """Provider to the region of its calls that tell none."""
    auto_update: bool = False
    """Whether newer list prices are fetched from the network."""
    auto_update_interval_s: float = 3_600.0
    """Seconds between fetches."""


@dataclass(frozen=True, slots=True)
class VerdictLabelSettings:
    """Labels of judges, besides the known ones, by the verdict that they mean."""

    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    errored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeLabelSettings:
    """Labels of one judge by the verdict that they mean."""

    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """What scores mean."""

    score_range: tuple[float, float] | None = None
    """The scores that mean 0 and 1; None: scores are 0-1 already."""
    kind: JudgeKind | None = None
    """Who judges; None: as its results say."""
    pass_threshold: float | None = None
    """The worst score, as reported, that passes; None: scores tell no verdict."""
    higher_is_better: bool | None = None
    """None: as the judge's name tells."""


@dataclass(frozen=True, slots=True)
class JudgeSettings(ScoreSettings):
    """What is known about one judge."""

    labels: JudgeLabelSettings = JudgeLabelSettings()
    human_names: tuple[str, ...] = ()
    """Names under which people judge the same thing."""
    baseline_failure_ratio: float | None = None
    """The failure ratio promised before launch, 0-1."""


@dataclass(frozen=True, slots=True)
class JudgesSettings:
    """How results of judges are understood."""

    labels: VerdictLabelSettings = VerdictLabelSettings()
    by_name: Mapping[str, JudgeSettings] = field(default_factory=dict)
    by_dialect: Mapping[str, ScoreSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The exporter's own log."""

    level: LogLevel = "info"
    format: LogFormat = "text"


DEFAULT_DIMENSIONS = (
    DimensionSettings("feature", FEATURE_KEYS, inherit=True),
    DimensionSettings("team", TEAM_KEYS, inherit=True),
    DimensionSettings("prompt_name", PROMPT_NAME_KEYS),
    DimensionSettings("prompt_version", PROMPT_VERSION_KEYS),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    web: WebSettings = WebSettings()
    otlp: OtlpSettings = OtlpSettings()
    decision_wait_s: float = 10.0
    """Seconds that a call waits for its other reporting spans before it is counted."""
    zero_hold_s: float = _SERIES.zero_hold_s
    """Seconds for which a new series is rendered as 0; 0 shows values at once."""
    lateness_s: float = 3_600.0
    """Seconds after which a record that comes in counts as late."""
    engine: Literal["auto", "python", "native"] = "auto"
    state: StateSettings = StateSettings()
    dimensions: tuple[DimensionSettings, ...] = DEFAULT_DIMENSIONS
    labels: LabelSettings = field(default_factory=LabelSettings)
    series: SeriesSettings = SeriesSettings()
    buckets: BucketSettings = BucketSettings()
    traces: TracesSettings = field(default_factory=TracesSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    openmetrics: OpenMetricsSettings = OpenMetricsSettings()
    compat: tuple[NameProfile, ...] = ()
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    dialects: Mapping[str, DialectSettings] = field(default_factory=dict)
    conventions: tuple[ConventionSettings, ...] = ()
    cache_inclusion: Mapping[str, Inclusion | Mapping[str, Inclusion]] = field(default_factory=dict)
    """Scope -> whether input counts contain cached tokens, or provider -> that."""
    gateways: tuple[str, ...] = ()
    """Services all of whose calls have a client that is traced, too."""
    logs: LogsSettings = LogsSettings()
    pricing: PricingSettings = PricingSettings()
    judges: JudgesSettings = field(default_factory=JudgesSettings)
    judge: BuiltInJudgeSettings = field(default_factory=BuiltInJudgeSettings)
    content_rules: ContentRulesSettings = field(default_factory=ContentRulesSettings)
    content: ContentSettings = field(default_factory=ContentSettings)
    slos: tuple[SloSettings, ...] = ()
    budgets: tuple[BudgetSettings, ...] = ()
    sources: tuple[SourceSettings, ...] = ()
    log: LogSettings = LogSettings()
