"""The OpenTelemetry SDK for Node sends to real receivers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.otlp.conftest import RecordingConsumer

SOURCE = Path(__file__).parents[1] / "node"


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script and the installed SDK; LTE_NODE_CACHE keeps it between runs."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    kept = os.environ.get("LTE_NODE_CACHE")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("node")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (SOURCE / "package.json").read_text()
    installed = folder / "installed.json"
    shutil.copy(SOURCE / "send.js", folder)
    if installed.exists() and installed.read_text() == wanted:
        return folder
    shutil.copy(SOURCE / "package.json", folder)
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    installed.write_text(wanted)
    return folder


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["json", "proto", "grpc"])
def test_node_sdk_sends(
    node_folder: Path,
    http_address: str,
    grpc_address: str,
    sink: RecordingConsumer,
    protocol: str,
    compression: str,
) -> None:
    url = f"http://{grpc_address}" if protocol == "grpc" else f"http://{http_address}/v1/traces"
    done = subprocess.run(
        ["node", "send.js", protocol, url, compression],
        cwd=node_folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sink.refusals == []
    encoding = "json" if protocol == "json" else "protobuf"
    source = "otlp_grpc" if protocol == "grpc" else "otlp_http"
    assert sink.calls == [("traces", encoding, source)]

    spans = {span.name: span for span in sink.spans}
    child, parent = spans["chat gpt-4o"], spans["workflow"]
    assert child.parent_span_id == parent.span_id
    assert child.trace_id == parent.trace_id
    assert parent.parent_span_id == b""
    assert child.attrs == {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.finish_reasons": ["stop"],
        "streamed": True,
    }
    assert (child.kind, child.status_code, child.status_message) == (3, 2, "Error code: 429")
    assert [(event.name, event.attrs) for event in child.events] == [("first token", {"index": 0})]
    assert child.resource.attrs["service.name"] == "node-shop"
    assert (child.scope.name, child.scope.version) == ("shop", "1.2.3")
    assert 0 <= child.end_ns - child.start_ns < 60e9
