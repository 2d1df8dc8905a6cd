"""Which members values take that are parts of other objects, so that a typo in one is refused.

Names alone are looked at; what they hold, the API server checks. Definitions are those of
Kubernetes' OpenAPI document (kubernetes.json), of the Prometheus operator's CRDs, and ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

KUBERNETES = Path(__file__).with_name("kubernetes.json")

Members = Mapping[str, str]
"""Name of a member -> the definition that it is of, `[]` behind it where it is a list of them;
empty where it is a text, a number, or has members of the user's own."""

_TLS = "caFile certFile insecureSkipVerify keyFile maxVersion minVersion serverName"
_RELABELING = "action modulus regex replacement separator sourceLabels targetLabel"
OPERATOR: Mapping[str, Members] = {
    "SafeAuthorization": {"credentials": "SecretKeySelector", "type": ""},
    "BasicAuth": {"username": "SecretKeySelector", "password": "SecretKeySelector"},
    "RelabelConfig": dict.fromkeys(_RELABELING.split(), ""),
    "SecretOrConfigMap": {"secret": "SecretKeySelector", "configMap": "ConfigMapKeySelector"},
    "TLSConfig": {
        **dict.fromkeys(_TLS.split(), ""),
        "ca": "SecretOrConfigMap", "cert": "SecretOrConfigMap", "keySecret": "SecretKeySelector",
    },
}  # fmt: skip
"""Of an endpoint of a ServiceMonitor or PodMonitor."""

_PROBE_TIMES = (
    "failureThreshold initialDelaySeconds periodSeconds successThreshold "
    "terminationGracePeriodSeconds timeoutSeconds"
)
_OURS: Mapping[str, Members] = {
    # What is asked is the chart's to say.
    "ProbeTimes": dict.fromkeys(_PROBE_TIMES.split(), ""),
    # Of a StatefulSet or a Deployment.
    "UpdateStrategy": {"type": "", "rollingUpdate": "RollingUpdate"},
    "RollingUpdate": dict.fromkeys(("maxSurge", "maxUnavailable", "partition"), ""),
}


@cache
def table() -> Mapping[str, Members]:
    """Every definition, by its name."""
    return {**json.loads(KUBERNETES.read_text(encoding="utf-8")), **OPERATOR, **_OURS}


def definitions(names: Iterable[str]) -> dict[str, Any]:
    """Schemas of what is named, and of all that they name.

    Raises: KeyError of one that the table lacks.
    """
    found: dict[str, Any] = {}
    left = sorted(names)
    while left:
        name = left.pop()
        if name not in found:
            members = table()[name]
            found[name] = {
                "type": "object",
                "additionalProperties": False,
                "properties": {member: reference(of) for member, of in members.items()},
            }
            left += [of.removesuffix("[]") for of in members.values() if of]
    return dict(sorted(found.items()))


def reference(of: str) -> dict[str, Any]:
    """The schema of what is of a definition, or of a list of them."""
    if not of:
        return {}
    one = {"$ref": f"#/definitions/{of.removesuffix('[]')}"}
    return {"type": "array", "items": one} if of.endswith("[]") else one
