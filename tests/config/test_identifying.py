"""Which keys say who somebody is, however they are spelled, and which only sound like it."""

from __future__ import annotations

import pytest

from llm_trace_exporter.config.identifying import identifies
from llm_trace_exporter.config.load import parse_config
from llm_trace_exporter.dialects.context import (
    FEATURE_KEYS,
    PROMPT_NAME_KEYS,
    PROMPT_VERSION_KEYS,
    TEAM_KEYS,
)
from llm_trace_exporter.errors import ConfigError
from tests.every import every

PERSONAL = (
    "user.id", "userId", "user_id", "USER_ID", "User-Id", "userid", "user.name", "user.full_name",
    "username", "user.hash", "user", "llm.user", "users", "enduser.id", "enduser.scope",
    "end_user.id", "langfuse.user.id", "langfuse.trace.user_id", "langsmith.metadata.user_id",
    "traceloop.association.properties.user_id", "ai.telemetry.metadata.userId", "baggage.user.id",
    "langfuse.session.id", "session.id", "sessionId", "session_id", "session", "gen_ai.user",
    "gen_ai.user.tier", "gen_ai.request.user", "gen_ai.conversation.id", "conversation.id",
    "customer.email", "user.email", "Email", "e_mail", "email_address", "metadata#user.email",
    "metadata#user.id", "metadata#userId", "metadata.user_api_key_user_id",
    "metadata.user_api_key_end_user_id", "metadata.user_api_key_user_email", "app.phone",
    "phone_number", "client.address", "client.ip", "source.address", "http.client_ip",
    "net.peer.ip", "net.sock.peer.addr", "network.peer.address", "posthog.distinct_id",
    "visitor.id", "device.id", "patient_id", "app.first_name",
)  # fmt: skip
HARMLESS = (
    *FEATURE_KEYS, *TEAM_KEYS, *PROMPT_NAME_KEYS, *PROMPT_VERSION_KEYS,
    "user_agent.original", "user.plan", "user.tier", "user.role", "app.region", "tenant.id",
    "customer.tier", "thread.id", "thread.name", "process.pid", "gen_ai.agent.name",
    "session.type", "email_template.name", "users_online", "host.name", "server.address",
    "url.full", "k8s.pod.name", "model.name", "service.name", "metadata#tenant.name",
)  # fmt: skip


@every(PERSONAL)
def test_a_key_that_identifies_needs_a_word_for_it(key: str) -> None:
    assert identifies(key)
    entry = f"{{label: who, keys: [app.who, '{key}']}}"
    with pytest.raises(ConfigError) as caught:
        parse_config(f"decision_wait: 1s\ndimensions:\n  - {entry}\n", "c.yml")
    (told,) = caught.value.problems
    assert told.startswith(f'c.yml:3: dimensions[0].keys[1]: found "{key}", which identifies')
    assert "identifying: true" in told
    told_so = entry.replace("label: who", "label: who, identifying: true")
    (dimension,) = parse_config(f"dimensions: [{told_so}]", "c.yml").dimensions
    assert (dimension.keys, dimension.identifying) == (("app.who", key), True)


@every(HARMLESS)
def test_other_keys_need_none(key: str) -> None:
    assert not identifies(key)
    parse_config(f"dimensions: [{{label: x, keys: ['{key}']}}]", "c.yml")
