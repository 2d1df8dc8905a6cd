"""A real API server on a real etcd, without kubelets: what is stored is checked, no pod runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.process import wait_for
from tests.e2e.prometheus import free_port
from tests.real.servers import API_SERVER, module, program

TOKEN = "admin-of-the-tests"
CRDS = (
    ("github.com/prometheus-operator/prometheus-operator", "v0.85.0",
     "example/prometheus-operator-crd/*.yaml"),
    ("sigs.k8s.io/gateway-api", "v1.2.1", "config/crd/standard/*.yaml"),
    ("github.com/kedacore/keda/v2", "v2.16.1", "config/crd/bases/*.yaml"),
    ("github.com/grafana/grafana-operator/v5", "v5.16.0", "config/crd/bases/*.yaml"),
)  # fmt: skip
"""Go module, version, where its custom resources' definitions lie."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How to reach it."""

    kubeconfig: Path
    kubectl: str
    helm: str

    def run(self, tool: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A call of `kubectl` or `helm`, however it ends."""
        path = self.kubectl if tool == "kubectl" else self.helm
        return subprocess.run(
            [path, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def do(self, tool: str, *arguments: str, given: str = "") -> str:
        """The output of a call that must succeed."""
        done = self.run(tool, *arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def cluster(folder: Path, kubectl: str, helm: str) -> Iterator[Cluster]:
    """An empty cluster with the definitions that the chart's objects may need."""
    etcd = shutil.which("etcd")
    if etcd is None:
        pytest.skip("etcd is not on PATH (`apt-get install etcd-server`; `make test-real` does)")
    api_server = program(API_SERVER)
    with ExitStack() as stack:
        stored = f"http://127.0.0.1:{free_port()}"
        peers = f"http://127.0.0.1:{free_port()}"
        stack.enter_context(
            _running(
                folder / "etcd.log",
                etcd,
                f"--data-dir={folder}/etcd",
                f"--listen-client-urls={stored}",
                f"--advertise-client-urls={stored}",
                f"--listen-peer-urls={peers}",
                "--unsafe-no-fsync",
            )
        )
        port = free_port()
        stack.enter_context(
            _running(folder / "api.log", str(api_server), *_options(folder, stored, port))
        )
        found = Cluster(_kubeconfig(folder, port), kubectl, helm)
        wait_for(lambda: _is_ready(port), "the API server", 120)
        files = (f"--filename={path}" for path in _definitions())
        found.do("kubectl", "apply", "--server-side", *files)
        yield found


def _definitions() -> Iterator[Path]:
    for name, version, pattern in CRDS:
        yield from sorted(Path(module(name, version)["Dir"]).glob(pattern))


def _options(folder: Path, stored: str, port: int) -> Iterator[str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "accounts.pem").write_bytes(pem)
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n")
    yield f"--etcd-servers={stored}"
    yield f"--cert-dir={folder}/certs"
    yield "--bind-address=127.0.0.1"
    yield "--advertise-address=127.0.0.1"
    yield f"--secure-port={port}"
    yield f"--token-auth-file={folder}/tokens.csv"
    yield "--authorization-mode=RBAC"
    yield "--service-account-issuer=https://kubernetes.default.svc"
    yield f"--service-account-key-file={folder}/accounts.pem"
    yield f"--service-account-signing-key-file={folder}/accounts.pem"
    yield "--service-cluster-ip-range=10.0.0.0/16"
    # Nobody here makes the account `default` of a namespace.
    yield "--disable-admission-plugins=ServiceAccount"


def _kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    server = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "real",
                "contexts": [{"name": "real", "context": {"cluster": "real", "user": "admin"}}],
                "clusters": [{"name": "real", "cluster": server}],
                "users": [{"name": "admin", "user": {"token": TOKEN}}],
            }
        )
    )
    return path


def _is_ready(port: int) -> bool:
    try:
        return requests.get(
            f"https://127.0.0.1:{port}/readyz",
            headers={"Authorization": f"Bearer {TOKEN}"},
            verify=False,
            timeout=5,
        ).ok
    except requests.RequestException:
        return False


@contextmanager
def _running(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
        assert process.poll() is None, log.read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(30)
