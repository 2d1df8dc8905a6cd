{{/* Combinations that cannot work, all at once, each with what to do. */}}
{{- define "lte.validate" -}}
{{- $v := .Values }}
{{- $problems := list }}
{{- if and $v.persistence.enabled (eq $v.kind "Deployment") }}
{{- $problems = append $problems "persistence.enabled needs kind: StatefulSet, which gives each replica a volume of its own; set kind, or persistence.enabled: false" }}
{{- end }}
{{- if and $v.serviceMonitor.enabled $v.podMonitor.enabled }}
{{- $problems = append $problems "serviceMonitor.enabled and podMonitor.enabled would scrape each pod twice; choose one" }}
{{- end }}
{{- if and $v.autoscaling.enabled $v.keda.enabled }}
{{- $problems = append $problems "autoscaling.enabled and keda.enabled would both set the replicas; choose one" }}
{{- end }}
{{- range $name := list "autoscaling" "keda" }}
{{- $scaler := index $v $name }}
{{- if and $scaler.enabled (gt (int $scaler.minReplicas) (int $scaler.maxReplicas)) }}
{{- $problems = append $problems (printf "%s.minReplicas is above maxReplicas; raise maxReplicas" $name) }}
{{- end }}
{{- end }}
{{- if $v.autoscaling.enabled }}{{ with $v.autoscaling }}
{{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage .metrics) }}
{{- $problems = append $problems "autoscaling needs something to look at; set targetCPUUtilizationPercentage or metrics" }}
{{- end }}
{{- if and .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $v.resources)) }}
{{- $problems = append $problems "autoscaling by CPU needs resources.requests.cpu; set it, for example 500m" }}
{{- end }}
{{- if and .targetMemoryUtilizationPercentage (not (dig "requests" "memory" "" $v.resources)) }}
{{- $problems = append $problems "autoscaling by memory needs resources.requests.memory; set it, for example 512Mi" }}
{{- end }}
{{- end }}{{ end }}
{{- if and $v.keda.enabled (not $v.keda.triggers) }}
{{- $problems = append $problems "keda.triggers is empty; KEDA needs at least one" }}
{{- end }}
{{- if and $v.podDisruptionBudget.enabled (not $v.autoscaling.enabled) (not $v.keda.enabled) (lt (int $v.replicaCount) 2) }}
{{- $problems = append $problems "podDisruptionBudget.enabled with one replica would block every drain of its node; set replicaCount to 2 or more, or disable it" }}
{{- end }}
{{- if and $v.existingConfigMap $v.config }}
{{- $problems = append $problems "existingConfigMap and config are both set; move the configuration into one of them" }}
{{- end }}
{{- if and $v.existingConfigMap (or $v.tokens $v.judge.existingSecret) }}
{{- $problems = append $problems "tokens and judge.existingSecret are written into config, which existingConfigMap replaces; name the files in your ConfigMap and mount the Secrets with extraVolumes and extraVolumeMounts" }}
{{- end }}
{{- range $path := list (list "web" "listen_address") (list "otlp" "http" "listen_address") (list "otlp" "grpc" "listen_address") }}
{{- $node := $v.config }}
{{- range $path }}{{ $node = get (default dict $node) . }}{{ end }}
{{- if $node }}
{{- $problems = append $problems (printf "config.%s is the chart's to set, so that ports, probes and services agree; use ports" (join "." $path)) }}
{{- end }}
{{- end }}
{{- if dig "state" "path" "" $v.config }}
{{- $problems = append $problems "config.state.path is the chart's to set; use persistence" }}
{{- end }}
{{- range $name := list "web" "otlpHttp" "otlpGrpc" }}
{{- $s := index $v.security $name }}
{{- if and (or $s.tls $s.auth) (not $s.existingSecret) }}
{{- $problems = append $problems (printf "security.%s.tls and auth say what is in the web configuration of security.%s.existingSecret; name that Secret" $name $name) }}
{{- end }}
{{- end }}
{{- if or $v.serviceMonitor.enabled $v.podMonitor.enabled }}
{{- $m := $v.serviceMonitor }}
{{- if and $v.security.web.tls (not $m.tlsConfig) }}
{{- $problems = append $problems "security.web.tls: Prometheus asks pods by address, which no certificate names; give serviceMonitor.tlsConfig with serverName and, for a CA of your own, ca" }}
{{- end }}
{{- if and $v.security.web.auth (not (or $m.basicAuth $m.authorization $m.tlsConfig)) }}
{{- $problems = append $problems "security.web.auth: Prometheus would be refused; give serviceMonitor.basicAuth, authorization, or a certificate in tlsConfig" }}
{{- end }}
{{- end }}
{{- if not (or $v.ports.otlpHttp.enabled $v.ports.otlpGrpc.enabled) }}
{{- $problems = append $problems "no receiver is on; enable ports.otlpHttp or ports.otlpGrpc" }}
{{- end }}
{{- $numbers := list (int $v.ports.metrics) }}
{{- if $v.ports.otlpHttp.enabled }}{{ $numbers = append $numbers (int $v.ports.otlpHttp.port) }}{{ end }}
{{- if $v.ports.otlpGrpc.enabled }}{{ $numbers = append $numbers (int $v.ports.otlpGrpc.port) }}{{ end }}
{{- if ne (len $numbers) (len (uniq $numbers)) }}
{{- $problems = append $problems "two of ports are the same; give each listener its own" }}
{{- end }}
{{- $names := list }}{{ range $v.tokens }}{{ $names = append $names .name }}{{ end }}
{{- if ne (len $names) (len (uniq $names)) }}
{{- $problems = append $problems "two tokens have the same name; a sender has one entry, and its Secret as many tokens as it needs" }}
{{- end }}
{{- if and $v.dashboards.grafanaOperator.enabled (not $v.dashboards.enabled) }}
{{- $problems = append $problems "dashboards.grafanaOperator takes the JSON from the dashboards' ConfigMaps; set dashboards.enabled" }}
{{- end }}
{{- if and $v.dashboards.grafanaOperator.enabled (not $v.dashboards.grafanaOperator.matchLabels) }}
{{- $problems = append $problems "dashboards.grafanaOperator.matchLabels is empty; give the labels of your Grafana object" }}
{{- end }}
{{- if and $v.collector.enabled (not $v.collector.backendEndpoint) }}
{{- $problems = append $problems "collector.backendEndpoint is empty; give your backend's host:port of OTLP/gRPC" }}
{{- end }}
{{- if and $v.collector.enabled (not $v.ports.otlpGrpc.enabled) }}
{{- $problems = append $problems "the collector sends OTLP/gRPC; enable ports.otlpGrpc" }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
{{- $problems = append $problems "ingress.hosts is empty; give at least one host" }}
{{- end }}
{{- if and (or $v.ingress.enabled $v.httpRoute.enabled) (not $v.ports.otlpHttp.enabled) }}
{{- $problems = append $problems "ingress and httpRoute lead to OTLP/HTTP; enable ports.otlpHttp" }}
{{- end }}
{{- if and $v.grpcRoute.enabled (not $v.ports.otlpGrpc.enabled) }}
{{- $problems = append $problems "grpcRoute leads to OTLP/gRPC; enable ports.otlpGrpc" }}
{{- end }}
{{- range $name := list "httpRoute" "grpcRoute" }}
{{- $route := index $v $name }}
{{- if and $route.enabled (not $route.parentRefs) }}
{{- $problems = append $problems (printf "%s.parentRefs is empty; name your Gateway" $name) }}
{{- end }}
{{- end }}
{{- $hold := default "65s" $v.config.zero_hold }}
{{- $held := include "lte.seconds" $hold | int }}
{{- if and (or $v.serviceMonitor.enabled $v.podMonitor.enabled) (not $v.existingConfigMap) (gt $held 0) (le $held (include "lte.seconds" $v.serviceMonitor.interval | int)) }}
{{- $problems = append $problems (printf "with a scrape every %s and config.zero_hold of %s Prometheus misses the first count of new series; give config.zero_hold more than serviceMonitor.interval" $v.serviceMonitor.interval $hold) }}
{{- end }}
{{- if gt (int $v.preStopSeconds) (sub (int $v.terminationGracePeriodSeconds) 12) }}
{{- $problems = append $problems "preStopSeconds leaves less than 12 s of terminationGracePeriodSeconds to drain; raise the latter" }}
{{- end }}
{{- $named := dict "prometheusRule.disabledGroups" (list "groups" $v.prometheusRule.disabledGroups) "prometheusRule.alerts" (list "alerts" $v.prometheusRule.alerts) "dashboards.disabled" (list "dashboards" $v.dashboards.disabled) }}
{{- range $value, $pair := $named }}
{{- with last $pair }}
{{- $known := get (include "lte.names" $ | fromYaml) (first $pair) }}
{{- range $name, $_ := . }}
{{- if not (has $name $known) }}
{{- /* The severities of an alert that exists, else every name. */}}
{{- $near := list }}
{{- $plain := list }}
{{- range $known }}
{{- if hasPrefix (printf "%s/" (first (splitList "/" $name))) . }}{{ $near = append $near . }}{{ end }}
{{- if not (contains "/" .) }}{{ $plain = append $plain . }}{{ end }}
{{- end }}
{{- $problems = append $problems (printf "%s.%s: this version of the chart has none of that name; there are %s" $value $name (join ", " (default $plain $near))) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with $problems }}
{{- fail (printf "\n\nllm-trace-exporter: these values do not fit together:\n- %s\n" (join "\n- " .)) }}
{{- end }}
{{- end }}
