// Validates a JSON list of custom resources on stdin by the models of their operators.
import { readFileSync } from "node:fs";

const PACKAGES = {
  "argoproj.io": "argo-cd",
  "gateway.networking.k8s.io": "gateway-api",
  "grafana.integreatly.org": "grafana-operator",
  "helm.toolkit.fluxcd.io": "flux-cd",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
  "source.toolkit.fluxcd.io": "flux-cd",
};

for (const object of JSON.parse(readFileSync(0))) {
  const [group] = object.apiVersion.split("/");
  const models = await import(`@kubernetes-models/${PACKAGES[group]}/${object.apiVersion}`);
  try {
    new models[object.kind](object).validate();
    console.log(object.kind);
  } catch (error) {
    console.error(object.kind, object.metadata.name, error.message);
    process.exitCode = 1;
  }
}
