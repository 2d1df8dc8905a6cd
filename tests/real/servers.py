"""Servers of the newest kind, built from pinned Go modules into a cache outside the checkout.

A machine builds each version once: minutes on two CPUs. Where there is no Go, and nothing in the
cache, the tests that need a server are skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.built import CannotBuild, Server, built

PROMETHEUS = "3.16.0"
"""Its Go module is v0.316.0."""
KUBERNETES = "1.32.2"
JOBS = "2"
_LOCAL: Mapping[str, str] = {"GOTOOLCHAIN": "local"}


def program(server: Server) -> Path:
    """The program, built where this machine has not yet; skips the test where it cannot be."""
    try:
        return built(server)
    except CannotBuild as error:
        pytest.skip(str(error))


def go(*arguments: str, folder: Path, **environment: str) -> None:
    """Run Go politely; the output of a failure is the test's."""
    subprocess.run(
        ["nice", "go", *arguments],
        cwd=folder,
        check=True,
        env={**os.environ, **_LOCAL, "GOFLAGS": "-buildvcs=false -mod=mod", **environment},
    )


def _prometheus(program: Path, work: Path) -> None:
    # The tag leaves out the clients of all clouds, which take most of the build.
    major, minor, patch = PROMETHEUS.split(".")
    module = f"github.com/prometheus/prometheus/cmd/prometheus@v0.{major}{minor:0>2}.{patch}"
    version = f"-X github.com/prometheus/common/version.Version={PROMETHEUS}"
    options = ("-tags", "remove_all_sd,netgo", "-ldflags", f"-s -w {version}")
    go("install", "-p", JOBS, *options, module, folder=work, GOBIN=str(program.parent), GOFLAGS="")


# Kubernetes' own modules are named without versions in its go.mod: each is that of the release.
_API_SERVER = """package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
"""


def _api_server(program: Path, work: Path) -> None:
    release, staging = f"v{KUBERNETES}", f"v0{KUBERNETES.removeprefix('1')}"
    (work / "main.go").write_text(_API_SERVER)
    own = Path(module("k8s.io/kubernetes", release)["GoMod"]).read_text()
    staged = re.findall(r"^\t(k8s\.io/[\w-]+) => \./staging", own, re.MULTILINE)
    replaced = "".join(f"replace {name} => {name} {staging}\n" for name in staged)
    (work / "go.mod").write_text(
        f"module m\ngo 1.23.0\nrequire k8s.io/kubernetes {release}\n{replaced}"
    )
    version = f"-X k8s.io/component-base/version.gitVersion={release}"
    options = ("-p", JOBS, "-ldflags", f"-s -w {version}", "-o", str(program))
    go("build", *options, ".", folder=work, CGO_ENABLED="0")


def module(name: str, version: str) -> dict[str, str]:
    """Where a Go module's files lie: `Dir`, `GoMod`; fetched where they are not there yet."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{name}@{version}"],
        cwd=tempfile.gettempdir(),
        check=True,
        capture_output=True,
        env={**os.environ, **_LOCAL},
    )
    told: dict[str, str] = json.loads(done.stdout)
    return told


PROMETHEUS_3 = Server("prometheus", PROMETHEUS, _prometheus)
API_SERVER = Server("kube-apiserver", KUBERNETES, _api_server)
