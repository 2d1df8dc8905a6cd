"""Asks a cluster by kubectl, read-only: objects of the Prometheus operator, and Services."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .asking import CannotAsk
from .facts import Missing
from .shapes import items

Objects = tuple[Mapping[str, Any], ...]

RESOURCES: Mapping[str, tuple[str, ...]] = {
    "servicemonitors": ("servicemonitors.monitoring.coreos.com",),
    "podmonitors": ("podmonitors.monitoring.coreos.com",),
    "prometheusrules": ("prometheusrules.monitoring.coreos.com",),
    "prometheuses": ("prometheuses.monitoring.coreos.com",),
    "agents": ("prometheusagents.monitoring.coreos.com",),
    "services": ("services",),
    "slices": ("endpointslices.discovery.k8s.io",),
    "pods": ("pods", "--selector=app.kubernetes.io/name=llm-trace-exporter"),
    "namespaces": ("namespaces",),
}
"""What is asked for, by short name; neither Secrets nor anything that could hold one."""

_NO_SUCH_KIND = "the server doesn't have a resource type"


def ask_cluster(kubectl: str, timeout_s: float) -> Mapping[str, Objects | Missing]:
    """The objects of all namespaces; `Missing` of what the cluster does not have or does not tell.

    Args:
        kubectl: The command, perhaps with options: `kubectl --context prod`.
        timeout_s: For each question.

    Raises: CannotAsk where it does not run, or tells nothing at all.
    """
    try:
        command = shlex.split(kubectl)
    except ValueError as error:
        raise CannotAsk(f"--kubectl: cannot be understood: {error}") from error

    def ask(arguments: tuple[str, ...]) -> Objects | Missing:
        return _ask([*command, "get", *arguments, "--all-namespaces", "--output=json"], timeout_s)

    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(RESOURCES, pool.map(ask, RESOURCES.values()), strict=True))
    missing = [answer for answer in found.values() if isinstance(answer, Missing)]
    if len(missing) == len(found):
        raise CannotAsk(f"{kubectl}: {missing[0].reason}")
    return found


def _ask(command: list[str], timeout_s: float) -> Objects | Missing:
    try:
        # The command is the user's own, and no shell reads it.
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError as error:
        raise CannotAsk(f"{command[0]}: there is no such command on PATH") from error
    except OSError as error:
        raise CannotAsk(f"{command[0]}: cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        return Missing("no answer in time")
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip()
        if _NO_SUCH_KIND in message:
            return Missing("the cluster has no such kind")
        return Missing(message.splitlines()[-1] if message else f"exit code {done.returncode}")
    try:
        tree = json.loads(done.stdout)
    except (ValueError, RecursionError):
        return Missing("its answer is no JSON")
    return tuple(items(tree, "items"))
