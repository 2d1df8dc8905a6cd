{{- define "lte.mounts" -}}
- name: config
  mountPath: /etc/llm-trace-exporter/config
  readOnly: true
{{- range $folder, $_ := include "lte.secrets" . | fromYaml }}
- name: secret-{{ $folder }}
  mountPath: /etc/llm-trace-exporter/secrets/{{ $folder }}
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{- define "lte.pod" -}}
metadata:
  labels:
    {{- $selector := include "lte.selectorLabels" . | fromYaml }}
    {{- mergeOverwrite (deepCopy .Values.commonLabels) .Values.podLabels $selector | toYaml | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: exporter
    {{- if and .Values.configChecksum (not .Values.existingConfigMap) }}
    checksum/config: {{ include "lte.config" . | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- tpl (toYaml .) $ | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "lte.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- include "lte.pullSecrets" . | nindent 2 }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- if or .Values.configCheck .Values.initContainers }}
  initContainers:
    {{- with .Values.initContainers }}
    {{- tpl (toYaml .) $ | nindent 4 }}
    {{- end }}
    {{- if .Values.configCheck }}
    - name: check
      image: {{ include "lte.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [check, /etc/llm-trace-exporter/config/config.yml]
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- toYaml .Values.containerSecurityContext | nindent 8 }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "lte.mounts" . | nindent 8 }}
    {{- end }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "lte.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - serve
        - --config.file=/etc/llm-trace-exporter/config/config.yml
        {{- range .Values.extraArgs }}
        - {{ tpl . $ | quote }}
        {{- end }}
      {{- with .Values.extraEnv }}
      env:
        {{- tpl (toYaml .) $ | nindent 8 }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- tpl (toYaml .) $ | nindent 8 }}
      {{- end }}
      ports:
        - name: http-metrics
          containerPort: {{ .Values.ports.metrics }}
          protocol: TCP
        {{- if .Values.ports.otlpGrpc.enabled }}
        - name: otlp-grpc
          containerPort: {{ .Values.ports.otlpGrpc.port }}
          protocol: TCP
        {{- end }}
        {{- if .Values.ports.otlpHttp.enabled }}
        - name: otlp-http
          containerPort: {{ .Values.ports.otlpHttp.port }}
          protocol: TCP
        {{- end }}
      startupProbe:
        {{- include "lte.probe" (dict "root" . "path" "healthy") | nindent 8 }}
        {{- toYaml .Values.startupProbe | nindent 8 }}
      livenessProbe:
        {{- include "lte.probe" (dict "root" . "path" "healthy") | nindent 8 }}
        {{- toYaml .Values.livenessProbe | nindent 8 }}
      readinessProbe:
        {{- include "lte.probe" (dict "root" . "path" "ready") | nindent 8 }}
        {{- toYaml .Values.readinessProbe | nindent 8 }}
      {{- if .Values.preStopSeconds }}
      lifecycle:
        preStop:
          exec:
            command: [sleep, {{ .Values.preStopSeconds | quote }}]
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- toYaml .Values.containerSecurityContext | nindent 8 }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "lte.mounts" . | nindent 8 }}
        - name: state
          mountPath: /var/lib/llm-trace-exporter
    {{- with .Values.extraContainers }}
    {{- tpl (toYaml .) $ | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "lte.configMap" . }}
    {{- range $folder, $secret := include "lte.secrets" . | fromYaml }}
    - name: secret-{{ $folder }}
      secret:
        secretName: {{ $secret }}
        defaultMode: 0440
    {{- end }}
    - name: tmp
      emptyDir: {}
    {{- if not .Values.persistence.enabled }}
    - name: state
      {{- if .Values.persistence.emptyDirSizeLimit }}
      emptyDir:
        sizeLimit: {{ .Values.persistence.emptyDirSizeLimit }}
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- tpl (toYaml .) $ | nindent 4 }}
    {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{- tpl (toYaml .) $ | nindent 6 }}
      {{- if not .labelSelector }}
      labelSelector:
        matchLabels:
          {{- include "lte.selectorLabels" $ | nindent 10 }}
      {{- end }}
    {{- end }}
  {{- end }}
  {{- range $key := list "priorityClassName" "runtimeClassName" "nodeSelector" "tolerations" "affinity" "dnsPolicy" "dnsConfig" "hostAliases" }}
  {{- with index $.Values $key }}
  {{ $key }}:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}
