{{- define "lte.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "lte.fullname" -}}
{{- $name := include "lte.name" . }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "lte.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "lte.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lte.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lte.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: llm-trace-exporter
{{- end }}

{{/* metadata of an object: root, and optionally suffix, namespace, labels, annotations */}}
{{- define "lte.metadata" -}}
name: {{ include "lte.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ default (include "lte.namespace" .root) .namespace }}
labels:
  {{- /* What is selected by wins over whatever the user calls things. */}}
  {{- $selector := include "lte.selectorLabels" .root | fromYaml }}
  {{- mergeOverwrite (include "lte.labels" .root | fromYaml) (deepCopy .root.Values.commonLabels) (default dict .labels) $selector | toYaml | nindent 2 }}
{{- with merge (deepCopy (default dict .annotations)) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "lte.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry }}
{{- with $registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end }}

{{- define "lte.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "lte.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "lte.configMap" -}}
{{- default (include "lte.fullname" .) .Values.existingConfigMap }}
{{- end }}

{{/* What the chart decides, on top of what the user configures. */}}
{{- define "lte.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $secrets := "/etc/llm-trace-exporter/secrets" }}
{{- $web := dict "listen_address" (printf ":%d" (int .Values.ports.metrics)) }}
{{- with .Values.security.web }}{{ if .existingSecret }}
{{- $_ := set $web "config_file" (printf "%s/web/%s" $secrets .existingSecretKey) }}
{{- end }}{{ end }}
{{- $otlp := dict }}
{{- range $name, $values := dict "http" "otlpHttp" "grpc" "otlpGrpc" }}
{{- $port := index $.Values.ports $values }}
{{- $listener := dict "listen_address" (ternary (printf ":%d" (int $port.port)) "" $port.enabled) }}
{{- with index $.Values.security $values }}{{ if .existingSecret }}
{{- $_ := set $listener "config_file" (printf "%s/otlp-%s/%s" $secrets $name .existingSecretKey) }}
{{- end }}{{ end }}
{{- $_ := set $otlp $name $listener }}
{{- end }}
{{- $own := dict "web" $web "otlp" $otlp "state" (dict "path" "/var/lib/llm-trace-exporter/state.db") }}
{{- if .Values.judge.existingSecret }}
{{- $_ := set $own "judge" (dict "endpoint" (dict "api_key_file" (printf "%s/judge/%s" $secrets .Values.judge.existingSecretKey))) }}
{{- end }}
{{- $config = mergeOverwrite $config $own }}
{{- if .Values.tokens }}
{{- $tokens := default list (dig "otlp" "tokens" list .Values.config) }}
{{- range .Values.tokens }}
{{- $token := dict "name" .name "file" (printf "%s/token-%s/%s" $secrets .name (default "tokens" .existingSecretKey)) }}
{{- with .labels }}{{ $_ := set $token "labels" . }}{{ end }}
{{- with .rate_limit }}{{ $_ := set $token "rate_limit" . }}{{ end }}
{{- $tokens = append $tokens $token }}
{{- end }}
{{- $_ := set $config.otlp "tokens" $tokens }}
{{- end }}
{{- if not (dig "log" "format" "" .Values.config) }}
{{- $_ := mergeOverwrite $config (dict "log" (dict "format" "json")) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* What a probe asks: the path where nobody is asked who they are, else the port. */}}
{{- define "lte.probe" -}}
{{- $web := .root.Values.security.web }}
{{- if and $web.existingSecret $web.auth }}
tcpSocket:
  port: http-metrics
{{- else }}
httpGet:
  path: {{ include "lte.prefix" .root }}/-/{{ .path }}
  port: http-metrics
  {{- if and $web.existingSecret $web.tls }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end }}

{{- define "lte.prefix" -}}
{{- dig "web" "route_prefix" "/" .Values.config | trimSuffix "/" }}
{{- end }}

{{- define "lte.metricsPath" -}}
{{ include "lte.prefix" . }}{{ dig "web" "telemetry_path" "/metrics" .Values.config }}
{{- end }}

{{- define "lte.servicePorts" -}}
- name: http-metrics
  port: {{ .Values.ports.metrics }}
  targetPort: http-metrics
  protocol: TCP
  appProtocol: {{ ternary "https" "http" (and (ne .Values.security.web.existingSecret "") .Values.security.web.tls) }}
{{- if .Values.ports.otlpGrpc.enabled }}
- name: otlp-grpc
  port: {{ .Values.ports.otlpGrpc.port }}
  targetPort: otlp-grpc
  protocol: TCP
  appProtocol: {{ ternary "https" "kubernetes.io/h2c" (and (ne .Values.security.otlpGrpc.existingSecret "") .Values.security.otlpGrpc.tls) }}
{{- end }}
{{- if .Values.ports.otlpHttp.enabled }}
- name: otlp-http
  port: {{ .Values.ports.otlpHttp.port }}
  targetPort: otlp-http
  protocol: TCP
  appProtocol: {{ ternary "https" "http" (and (ne .Values.security.otlpHttp.existingSecret "") .Values.security.otlpHttp.tls) }}
{{- end }}
{{- end }}

{{/* Secrets that are mounted as folders: name of the folder -> name of the Secret */}}
{{- define "lte.secrets" -}}
{{- with .Values.security.web.existingSecret }}
web: {{ tpl . $ | quote }}
{{- end }}
{{- with .Values.security.otlpHttp.existingSecret }}
otlp-http: {{ tpl . $ | quote }}
{{- end }}
{{- with .Values.security.otlpGrpc.existingSecret }}
otlp-grpc: {{ tpl . $ | quote }}
{{- end }}
{{- with .Values.judge.existingSecret }}
judge: {{ tpl . $ | quote }}
{{- end }}
{{- range .Values.tokens }}
token-{{ .name }}: {{ tpl .existingSecret $ | quote }}
{{- end }}
{{- end }}

{{/* Alertmanager's matchers as an AlertmanagerConfig writes them, with severities as they are renamed */}}
{{- define "lte.matchers" -}}
{{- range .matchers }}
{{- $name := regexFind "^\\w+" . }}
{{- $value := regexReplaceAll "^[^\"]*\"(.*)\"$" . "${1}" }}
{{- if eq $name "severity" }}
{{- $renamed := list }}
{{- range splitList "|" $value }}{{ $renamed = append $renamed (default . (get $.root.Values.prometheusRule.severities .)) }}{{ end }}
{{- $value = join "|" $renamed }}
{{- end }}
- {name: {{ $name }}, matchType: {{ regexFind "[=!]=?~?" . | quote }}, value: {{ quote $value }}}
{{- end }}
{{- end }}

{{/* A duration such as 1m30s in whole seconds */}}
{{- define "lte.seconds" -}}
{{- $text := regexReplaceAll "[0-9]+ms" . "" }}
{{- $sum := div (regexFind "[0-9]+ms" . | trimSuffix "ms" | int) 1000 }}
{{- range $unit, $seconds := dict "d" 86400 "h" 3600 "m" 60 "s" 1 }}
{{- with regexFind (printf "[0-9]+%s" $unit) $text }}
{{- $sum = add $sum (mul $seconds (trimSuffix $unit .)) }}
{{- end }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* The names that values may use: of groups, of alerts with and without their severity, of dashboards */}}
{{- define "lte.names" -}}
{{- $groups := list }}
{{- $alerts := list }}
{{- range $path, $_ := .Files.Glob "files/alerts/*.yml" }}
{{- range $group := (fromYaml ($.Files.Get $path)).groups }}
{{- $groups = append $groups $group.name }}
{{- range $rule := $group.rules }}{{ if $rule.alert }}
{{- $alerts = append $alerts $rule.alert }}
{{- $alerts = append $alerts (printf "%s/%s" $rule.alert $rule.labels.severity) }}
{{- end }}{{ end }}
{{- end }}
{{- end }}
{{- $dashboards := list }}
{{- range $path, $_ := .Files.Glob "files/dashboards/*.json" }}
{{- $dashboards = append $dashboards (base $path | trimSuffix ".json") }}
{{- end }}
{{- dict "groups" $groups "alerts" (uniq $alerts) "dashboards" $dashboards | toYaml }}
{{- end }}

{{- define "lte.pullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
