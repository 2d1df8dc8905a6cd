"""What single values do, what is refused and with which words."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
import yaml

from helm import carried
from helm.values import CHART
from tests.helm.chart import NAMESPACE, RELEASE, Helm, config, exporter, of_kind, workload

NAME = f"{RELEASE}-llm-trace-exporter"

REFUSED = [
    (["kind=Deployment", "persistence.enabled=true"], "set kind, or persistence.enabled: false"),
    (["serviceMonitor.enabled=true", "podMonitor.enabled=true"], "choose one"),
    (["autoscaling.enabled=true"], "resources.requests.cpu"),
    (["autoscaling.enabled=true", "autoscaling.minReplicas=9"], "raise maxReplicas"),
    (["autoscaling.enabled=true", "keda.enabled=true"], "both set the replicas"),
    (["keda.enabled=true"], "keda.triggers is empty"),
    (["podDisruptionBudget.enabled=true"], "set replicaCount to 2 or more"),
    (["existingConfigMap=a", "config.decision_wait=5s"], "into one of them"),
    (["existingConfigMap=a", "judge.existingSecret=b"], "extraVolumeMounts"),
    (["config.web.listen_address=:1"], "config.web.listen_address is the chart's to set"),
    (["config.otlp.grpc.listen_address=:1"], "use ports"),
    (["config.state.path=/a"], "use persistence"),
    (["security.otlpHttp.tls=true"], "name that Secret"),
    (
        ["security.web.existingSecret=a", "security.web.tls=true", "podMonitor.enabled=true"],
        "serviceMonitor.tlsConfig with serverName",
    ),
    (
        ["security.web.existingSecret=a", "security.web.auth=true", "serviceMonitor.enabled=true"],
        "give serviceMonitor.basicAuth",
    ),
    (["ports.otlpHttp.enabled=false", "ports.otlpGrpc.enabled=false"], "no receiver is on"),
    (["ports.metrics=4317"], "two of ports are the same"),
    (["dashboards.grafanaOperator.enabled=true"], "set dashboards.enabled"),
    (
        ["dashboards.enabled=true", "dashboards.grafanaOperator.enabled=true"],
        "give the labels of your Grafana object",
    ),
    (["collector.enabled=true"], "collector.backendEndpoint is empty"),
    (["ingress.enabled=true"], "ingress.hosts is empty"),
    (["httpRoute.enabled=true"], "httpRoute.parentRefs is empty"),
    (["grpcRoute.enabled=true", "ports.otlpGrpc.enabled=false"], "enable ports.otlpGrpc"),
    (
        ["prometheusRule.alerts.LLMNone.enabled=false"],
        "LLMNone: this version of the chart has none",
    ),
    (["prometheusRule.alerts.LLMSpendSpike/info.for=1h"], "there are LLMSpendSpike/critical"),
    (["prometheusRule.disabledGroups.none=true"], "there are llm-agents"),
    (["dashboards.disabled.cost=true"], "llm-compare, llm-cost"),
    (["preStopSeconds=20"], "terminationGracePeriodSeconds"),
    (["serviceMonitor.enabled=true", "serviceMonitor.interval=65s"], "zero_hold of 65s"),
    (["podMonitor.enabled=true", "serviceMonitor.interval=2m"], "every 2m"),
    (["serviceMonitor.enabled=true", "config.zero_hold=30500ms"], "zero_hold of 30500ms"),
    # By the schema:
    (["replicas=3"], "replicas"),
    (["config.setle=5s"], "setle"),
    (["config.decision_wait=5"], "decision_wait"),
    (["kind=DaemonSet"], "kind"),
    (["prometheusRule.alerts.LLMSpendSpike.enable=false"], "enable"),
    (["prometheusRule.severities.page=critical"], "page"),
    (["tokens[0].name=a"], "existingSecret"),
    (["image.digest=latest"], "digest"),
    (["resources.request.cpu=1"], "request"),
    (["livenessProbe.periodSecond=1"], "periodSecond"),
    (["readinessProbe.httpGet.path=/"], "httpGet"),
    (["affinity.podAntiAfinity.a=b"], "podAntiAfinity"),
    (["affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].wait=1"], "wait"),
    (["containerSecurityContext.capabilities.drops={ALL}"], "drops"),
    (["tolerations[0].effects=NoSchedule"], "effects"),
    (["topologySpreadConstraints[0].maxSkew=1"], "topologyKey"),
    (["extraEnv[0].valueForm.secretKeyRef.name=a"], "valueForm"),
    (["updateStrategy.rollingUpdate.maxSurges=1"], "maxSurges"),
    (["serviceMonitor.tlsConfig.ca.secrets.name=a"], "secrets"),
    (["serviceMonitor.metricRelabelings[0].sourceLabel=a"], "sourceLabel"),
    (["networkPolicy.metricsFrom[0].namespaceSelecter.matchLabels.a=b"], "namespaceSelecter"),
    (["autoscaling.behavior.scaledown.a=b"], "scaledown"),
]


@pytest.mark.parametrize(("values", "words"), REFUSED, ids=lambda v: str(v)[:40])
def test_refused(helm: Helm, values: list[str], words: str) -> None:
    arguments = [a for value in values for a in ("--set", value)]
    assert words in helm.refusal(*arguments)


@pytest.mark.parametrize(
    "values",
    [
        "serviceMonitor.interval=1m",
        "serviceMonitor.interval=2m,config.zero_hold=2m5s",
        "serviceMonitor.interval=1h,config.zero_hold=0s",
    ],
)
def test_a_hold_that_is_longer_than_the_interval_is_taken(helm: Helm, values: str) -> None:
    assert helm.render("--set", f"serviceMonitor.enabled=true,{values}")


def test_what_does_not_fit_is_told_at_once(helm: Helm) -> None:
    told = helm.refusal("--set", "keda.enabled=true,collector.enabled=true,ingress.enabled=true")
    assert told.count("\n- ") == 3


def test_labels_of_users_do_not_change_what_is_selected(helm: Helm) -> None:
    evil = {"app.kubernetes.io/name": "b", "app.kubernetes.io/component": "c", "team": "d"}
    given = {"commonLabels": evil, "podLabels": evil, "service": {"labels": evil}}
    values = [a for k, v in given.items() for a in ("--set-json", f"{k}={json.dumps(v)}")]
    objects = helm.render(
        *values, "--set", "serviceMonitor.enabled=true,prometheusRule.enabled=true"
    )
    for service in of_kind(objects, "Service"):
        labels = service["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "llm-trace-exporter"
        assert labels["app.kubernetes.io/component"] in {"receiver", "headless"}
    assert all(o["metadata"]["labels"]["team"] == "d" for o in objects)
    template = workload(objects)["spec"]["template"]["metadata"]
    assert template["labels"]["app.kubernetes.io/name"] == "llm-trace-exporter"


def test_probes_know_of_tls_and_users(helm: Helm) -> None:
    assert exporter(helm.case("default"))["readinessProbe"]["httpGet"] == {
        "path": "/-/ready",
        "port": "http-metrics",
    }
    assert exporter(helm.case("tls"))["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert exporter(helm.case("auth"))["livenessProbe"]["tcpSocket"] == {"port": "http-metrics"}
    assert exporter(helm.case("config"))["startupProbe"]["httpGet"]["path"] == "/llm/-/healthy"


def test_large_numbers_stay_whole(helm: Helm) -> None:
    text = config(helm.case("config"))
    assert text is not None
    assert "max_spans: 100000000" in text
    assert 'name: "yes"' in text


def test_every_secret_that_the_configuration_names_is_mounted(helm: Helm) -> None:
    for case in ("tokens", "tls", "auth"):
        objects = helm.case(case)
        text = config(objects)
        assert text is not None
        files = [w for w in text.split() if w.startswith("/etc/llm-trace-exporter/secrets/")]
        mounts = {m["mountPath"] for m in exporter(objects)["volumeMounts"]}
        assert files
        assert {file.rpartition("/")[0] for file in files} <= mounts
    volumes = workload(helm.case("tokens"))["spec"]["template"]["spec"]["volumes"]
    secrets = {v["secret"]["secretName"] for v in volumes if "secret" in v}
    assert secrets == {"llm-token-credit", f"{RELEASE}-fraud", "judge-key"}


def test_pods_restart_with_the_configuration_and_only_then(helm: Helm) -> None:
    def checksum(*arguments: str) -> str:
        template = workload(helm.render(*arguments))["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum("--set", "config.decision_wait=5s") != checksum()
    assert checksum("--set", "replicaCount=3") == checksum()


def test_a_dashboard_a_configmap(helm: Helm) -> None:
    boards = {p.name: c for p, c in carried.present().items() if p.suffix == ".json"}
    objects = of_kind(helm.render("--set", "dashboards.enabled=true"), "ConfigMap")
    found = [o for o in objects if "grafana_dashboard" in o["metadata"]["labels"]]
    assert {k: v.encode() for o in found for k, v in o["data"].items()} == {
        name: content.rstrip(b"\n") for name, content in boards.items()
    }
    for o in found:
        assert o["metadata"]["annotations"]["grafana_folder"] == "LLM"
    named = of_kind(helm.case("monitoring"), "ConfigMap")
    for o in named:
        for key, text in o["data"].items():
            if key in boards:
                variables = json.loads(text)["templating"]["list"]
                chosen = [v["current"]["value"] for v in variables if v["type"] == "datasource"]
                assert chosen == ["Mimir"], key


def test_further_objects_are_a_list_or_a_map(helm: Helm) -> None:
    more = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "{{ .Release.Name }}-more"},
    }
    for values in ([more], {"more": more}):
        objects = of_kind(
            helm.render("--set-json", f"extraObjects={json.dumps(values)}"), "ConfigMap"
        )
        assert f"{RELEASE}-more" in {o["metadata"]["name"] for o in objects}


def test_dashboards_of_the_operator_name_their_configmap(helm: Helm) -> None:
    objects = helm.case("grafana-operator")
    maps = {o["metadata"]["name"]: o for o in of_kind(objects, "ConfigMap")}
    for board in of_kind(objects, "GrafanaDashboard"):
        source = maps[board["spec"]["configMapRef"]["name"]]
        assert board["spec"]["configMapRef"]["key"] in source["data"]
        assert board["metadata"]["namespace"] == source["metadata"]["namespace"] == "grafana"


def test_the_collector_sends_to_each_replica(helm: Helm) -> None:
    objects = helm.case("tokens")
    (written,) = [o for o in of_kind(objects, "ConfigMap") if "config.yaml" in o["data"]]
    collector = yaml.safe_load(written["data"]["config.yaml"])
    balancing = collector["exporters"]["loadbalancing/llm"]
    services = {s["metadata"]["name"]: s for s in of_kind(objects, "Service")}
    host = balancing["resolver"]["dns"]["hostname"]
    headless = services[host.partition(".")[0]]
    assert host == f"{NAME}-headless.{NAMESPACE}.svc"
    assert headless["spec"]["clusterIP"] == "None"
    ports = {str(p["port"]) for p in headless["spec"]["ports"] if p["name"] == "otlp-grpc"}
    assert ports == {balancing["resolver"]["dns"]["port"]}
    for pipeline in collector["service"]["pipelines"].values():
        assert pipeline["exporters"] == ["otlp/backend", "loadbalancing/llm"]


def test_the_package_holds_everything(helm: Helm, tmp_path: object) -> None:
    done = helm.run("package", str(CHART), "-d", str(tmp_path))
    assert done.returncode == 0, done.stderr
    package = done.stdout.split()[-1]
    values = str(CHART / "ci" / "monitoring-values.yaml")
    packed = helm.run("template", RELEASE, package, "-n", NAMESPACE, "-f", values)
    assert packed.stdout.split("---\n") == helm.text("-f", values).split("---\n")


def test_a_release_fits_into_its_secret(helm: Helm) -> None:
    """Helm keeps a release, the chart's files and what it renders, as one Secret of up to 1 MiB."""
    files = [p for p in CHART.rglob("*") if p.is_file()]
    shipped = [p for p in files if p.parent.name not in {"ci", "golden"}]
    chart = {str(p): base64.b64encode(p.read_bytes()).decode() for p in shipped}
    manifest = helm.text("-f", str(CHART / "ci" / "monitoring-values.yaml"))
    release = json.dumps({"chart": chart, "manifest": manifest}).encode()
    assert len(base64.b64encode(gzip.compress(release))) < 1024 * 1024 / 2
