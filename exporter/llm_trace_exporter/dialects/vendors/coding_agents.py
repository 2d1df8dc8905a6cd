"""Coding agents: Claude Code, Codex CLI and Gemini CLI.

Each tells a request on several signals. Claude Code: spans where it sends them, else log records;
dollars only on the logs. Codex CLI: the log record of a completed response that has counts.
Gemini CLI: log records; its spans hold no tokens.
Source: code.claude.com/docs monitoring-usage; openai/codex, `codex-rs/otel`;
google-gemini/gemini-cli, `docs/cli/telemetry.md`.
"""

from __future__ import annotations

from ..schema import (
    CHAT,
    IGNORE,
    STRUCTURE,
    TOLD_ELSEWHERE,
    TOOL,
    Dialect,
    Fields,
    Kind,
    RecordView,
    key,
    keys,
)

_DURATION = keys(key("duration_ms", scale=1e-3))

CLAUDE_CODE = Dialect(
    name="claude_code",
    scopes=("com.anthropic.claude_code",),
    kind_keys=("span.type",),
    kinds={
        "llm_request": CHAT,
        "tool": TOOL,
        "tool.execution": TOOL,
        "interaction": STRUCTURE,
        "tool.blocked_on_user": STRUCTURE,
        "hook": STRUCTURE,
    },
    fields={
        "provider": keys("gen_ai.system", "gen_ai.provider.name"),
        "request_model": keys("model"),
        "input": keys("input_tokens"),
        "output": keys("output_tokens"),
        "cache_read": keys("cache_read_tokens"),
        "cache_write": keys("cache_creation_tokens"),
        "cost": keys("cost_usd"),
        "duration": _DURATION,
        "ttft": keys(key("ttft_ms", scale=1e-3)),
        "finish": keys("stop_reason"),
        "http_status": keys("status_code"),
        "error_text": keys("error"),
        "success": keys("success"),
        "attempt": keys("attempt"),
        "tool": keys("tool_name"),
        "call_key": keys("tool_use_id"),
        "session": keys("session.id"),
    },
    provider="anthropic",
    exclusive_cache_for=("",),
    # The event's name comes with the prefix or without, by version and by field.
    logs={
        prefix + event: kind
        for prefix in ("", "claude_code.")
        for event, kind in (
            ("api_request", Kind("fallback", "chat")),
            ("api_error", Kind("fallback", "chat")),
            ("api_retries_exhausted", TOLD_ELSEWHERE),
            ("tool_result", Kind("fallback", "tool")),
        )
    },
)


def _counted_once(view: RecordView, kind: Kind) -> Kind:
    """A completed response is logged twice, with counts and without; a failed one as a request."""
    event = view.text("event")
    if event == "codex.sse_event":
        done = view.text("event_kind") == "response.completed"
        return CHAT if done and view.count("input") is not None else IGNORE
    if event == "codex.api_request":
        failed = (view.number("http_status") or 0) >= 400 or view.text("error_text")
        return CHAT if failed else IGNORE
    return kind


CODEX = Dialect(
    name="codex_cli",
    provider="openai",
    scopes=("codex",),
    kind_keys=(),
    kinds={},
    fields={
        "event": keys("event.name"),
        "event_kind": keys("event.kind"),
        "request_model": keys("model", "slug"),
        "input": keys("input_token_count"),
        "output": keys("output_token_count"),
        "cache_read": keys("cached_token_count"),
        "cache_write": keys("cache_write_token_count"),
        "reasoning": keys("reasoning_token_count"),
        "ttft": keys(key("ttft_ms", scale=1e-3)),
        "duration": _DURATION,
        "error_text": keys("error.message"),
        "success": keys("success"),
        "attempt": keys("attempt"),
        "tool": keys("tool_name"),
    },
    refine=lambda _view, _kind: TOLD_ELSEWHERE,
    logs={
        "codex.sse_event": CHAT,
        "codex.api_request": CHAT,
        "codex.tool_result": TOOL,
    },
    refine_log=_counted_once,
)

_GEMINI_FIELDS: Fields = {
    "provider": keys("gen_ai.provider.name"),
    "request_model": keys("model", "gen_ai.request.model"),
    "input": keys("input_token_count", "gen_ai.usage.input_tokens"),
    "output": keys("output_token_count", "gen_ai.usage.output_tokens"),
    "cache_read": keys("cached_content_token_count"),
    "reasoning": keys("thoughts_token_count"),
    "tool_input": keys("tool_token_count"),
    "total": keys("total_token_count"),
    "finish": keys("finish_reasons"),
    "duration": _DURATION,
    "http_status": keys("status_code", "http.status_code"),
    "error_text": keys("error.message", "error"),
    "error_type": keys("error.type"),
    "success": keys("success"),
    "tool": keys("function_name"),
}

GEMINI_CLI = Dialect(
    name="gemini_cli",
    provider="gcp.gemini",
    scopes=("gemini-cli",),
    fields=_GEMINI_FIELDS,
    refine=lambda _view, _kind: TOLD_ELSEWHERE,
    logs={
        "gemini_cli.api_response": Kind("call", "generate_content"),
        "gemini_cli.api_error": Kind("call", "generate_content"),
        "gemini_cli.tool_call": TOOL,
        "gen_ai.client.inference.operation.details": TOLD_ELSEWHERE,
    },
)

# Forks of Gemini CLI keep its fields and put their own name before the event's: Qwen Code 0.15
# sends nothing else. A session that sends spans, too, is told by those.
GEMINI_FORK = Dialect(
    name="gemini_cli_fork",
    scopes=("qwen-code",),
    detect_by=("prompt_id",),
    is_for_logs=True,
    events_by_ending=True,
    fields={
        **_GEMINI_FIELDS,
        "response_id": keys("response_id", "gen_ai.response.id"),
        "error_text": keys("error.message", "error_message", "error"),
        "error_type": keys("error.type", "error_type"),
        "session": keys("session.id"),
    },
    logs={
        "api_response": Kind("fallback", "chat"),
        "api_error": Kind("fallback", "chat"),
        "tool_call": Kind("fallback", "tool"),
    },
)
