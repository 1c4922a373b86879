{{- define "runwatchman.operator" -}}
- name: operator
  image: {{ include "runwatchman.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  terminationMessagePolicy: FallbackToLogsOnError
  args:
  - operator
  - "--listen=::" # IPv6 and IPv4
  - --metrics-port={{ ternary .Values.metrics.port -1 .Values.metrics.enabled }}
  {{- if .Values.metrics.enabled }}
  - --metrics-{{ ternary "secure" "plain" .Values.metrics.secure }}
  {{- if .Values.metrics.tls.existingSecret }}
  - --metrics-cert-dir=/etc/runwatchman-metrics
  {{- end }}
  {{- end }}
  - --health-port={{ .Values.health.port }}
  - --log-format={{ .Values.log.format }}
  - --log-level={{ .Values.log.level }}
  - --workers={{ .Values.workers }}
  {{- if gt (int .Values.shards) 1 }}
  - --shards={{ .Values.shards }}
  {{- end }}
  - --policy-file=/etc/runwatchman/policy.yaml
  - --lease-name={{ default (include "runwatchman.fullname" .) .Values.lease.name }}
  - --lease-namespace={{ include "runwatchman.namespace" . }}
  - --lease-duration={{ .Values.lease.durationSeconds }}
  - --lease-renew-deadline={{ .Values.lease.renewDeadlineSeconds }}
  - --lease-retry-period={{ .Values.lease.retryPeriodSeconds }}
  {{- range .Values.namespaces }}
  - --namespace={{ . }}
  {{- end }}
  {{- if .Values.reporter.enabled }}
  {{- with .Values.reporter.image }}
  - --reporter-image={{ . }}
  {{- end }}
  - --reporter-interval-seconds={{ .Values.reporter.intervalSeconds }}
  {{- with .Values.reporter.pullPolicy }}
  - --reporter-image-pull-policy={{ . }}
  {{- end }}
  - --reporter-resources={{ toJson (default dict .Values.reporter.resources) }}
  {{- else }}
  - --no-reporter
  {{- end }}
  - --git-image={{ include "runwatchman.gitImage" . }}
  {{- with .Values.agents.podSecurity }}
  - --agents-pod-security={{ toJson . }}
  {{- end }}
  {{- with default .Values.imagePullSecrets .Values.agents.imagePullSecrets }}
  - --agents-image-pull-secrets={{ range $index, $each := . }}{{ if $index }},{{ end }}{{ $each.name }}{{ end }}
  {{- end }}
  {{- $pods := dict }}
  {{- range $field := list "env" "caBundle" "nodeSelector" "tolerations" "resources" "podMetadata" }}
  {{- with index $.Values.agents $field }}{{ $_ := set $pods $field . }}{{ end }}
  {{- end }}
  {{- with $pods }}
  - {{ printf "--agents-pods=%s" (toJson . | replace "$(" "$$(") | quote }} # $( would refer to a variable of the operator
  {{- end }}
  {{- if .Values.admissionPolicies.install }}
  - --admission-policies
  {{- end }}
  {{- if .Values.agents.network.managed }}
  - --agents-network
  {{- with .Values.agents.network.allow }}
  - --agents-network-allow={{ join "," . }}
  {{- end }}
  {{- end }}
  {{- if ne .Values.store.type "external" }}
  - --store={{ include "runwatchman.storeName" .Values.store.type }}
  {{- end }}
  {{- if ne .Values.ledger.type "none" }}
  {{- if eq .Values.ledger.type "sqlite" }}
  - --ledger=sqlite:////data/ledger/ledger.db
  {{- end }}
  - --ledger-detail={{ .Values.ledger.detail }}
  - --ledger-max-age-days={{ .Values.ledger.maxAgeDays }}
  - --ledger-max-rows={{ int .Values.ledger.maxRows }}
  - --ledger-max-megabytes={{ int .Values.ledger.maxMegabytes }}
  {{- end }}
  {{- with .Values.notifications.schemes }}
  - --notify-schemes={{ join "," (without . "none") }}
  {{- end }}
  {{- with .Values.notifications.allow }}
  - --notify-allow={{ join "," . }}
  {{- end }}
  {{- if and .Values.web.enabled .Values.web.url }}
  - --page-url={{ .Values.web.url }}
  {{- end }}
  {{- if .Values.advisor.enabled }}
  - --adapter=socket
  - --adapter-socket=/run/advisor/advisor.sock
  {{- end }}
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- $env := list (dict "name" "RUNWATCHMAN_OPERATOR_POD" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name"))) }}
  {{- range $use := list "store" "ledger" }}
  {{- $of := index $.Values $use }}
  {{- if eq $of.type "external" }}
  {{- $from := dict "secretKeyRef" (dict "name" $of.external.existingSecret "key" $of.external.key) }}
  {{- $env = append $env (dict "name" (printf "RUNWATCHMAN_OPERATOR_%s" (upper $use)) "valueFrom" $from) }}
  {{- end }}
  {{- end }}
  env:
  {{- concat $env .Values.extraEnv | toYaml | nindent 2 }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  {{- if .Values.metrics.enabled }}
  - {name: metrics, containerPort: {{ .Values.metrics.port }}}
  {{- end }}
  - {name: health, containerPort: {{ .Values.health.port }}}
  livenessProbe:
    httpGet: {path: /livez, port: health}
    {{- with .Values.health.livenessProbe }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  readinessProbe:
    # An operator is ready if it leads and works, or if it stands by: it knows that another one leads, and can take over.
    httpGet: {path: /readyz, port: health}
    {{- with .Values.health.readinessProbe }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- include "runwatchman.containerSecurity" (list . .Values.securityContext) | nindent 4 }}
  volumeMounts:
  - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  - {name: policy, mountPath: /etc/runwatchman, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.metrics.tls.existingSecret }}
  - {name: metrics-tls, mountPath: /etc/runwatchman-metrics, readOnly: true}
  {{- end }}
  {{- range $use := list "store" "ledger" }}
  {{- if eq (index $.Values $use).type "sqlite" }}
  - {name: {{ $use }}, mountPath: /data/{{ $use }}}
  {{- end }}
  {{- end }}
  {{- if .Values.advisor.enabled }}
  - {name: advisor-socket, mountPath: /run/advisor}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* A type of store as the command line takes it. */ -}}
{{- define "runwatchman.storeName" -}}
{{- get (dict "sqlite" "sqlite:////data/store/state.db" "external" "$(STORE_URL)") . | default . -}}
{{- end -}}

{{- define "runwatchman.move" -}}
- name: move # the Runs, from the store that they were in; it holds the Lease meanwhile
  image: {{ include "runwatchman.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  terminationMessagePolicy: FallbackToLogsOnError
  args:
  - store
  - migrate
  - --from={{ include "runwatchman.storeName" .Values.store.migrateFrom }}
  - --to={{ include "runwatchman.storeName" .Values.store.type }}
  - --lease-name={{ default (include "runwatchman.fullname" .) .Values.lease.name }}
  - --lease-namespace={{ include "runwatchman.namespace" . }}
  {{- range .Values.namespaces }}
  - --namespace={{ . }}
  {{- end }}
  {{- if has "external" (list .Values.store.type .Values.store.migrateFrom) }}
  env:
  - name: STORE_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.store.external.existingSecret }}, key: {{ .Values.store.external.key }}}}
  {{- end }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- include "runwatchman.containerSecurity" (list . .Values.securityContext) | nindent 4 }}
  volumeMounts:
  - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if has "sqlite" (list .Values.store.type .Values.store.migrateFrom) }}
  - {name: store, mountPath: /data/store}
  {{- end }}
{{- end -}}

{{- define "runwatchman.advisor" -}}
- name: advisor
  image: {{ include "runwatchman.imageOf" (list . .Values.advisor.image) }}
  imagePullPolicy: {{ .Values.advisor.image.pullPolicy }}
  terminationMessagePolicy: FallbackToLogsOnError
  restartPolicy: Always
  command: [runwatchman, adapter, --socket, /run/advisor/advisor.sock, --commands, /etc/runwatchman/commands.yaml, "--listen=::"]
  env:
  - {name: HOME, value: /home/advisor}
  - {name: TMPDIR, value: /home/advisor} # where commands have their folders: codex takes none below /tmp
  {{- with .Values.advisor.credentials }}
  {{- if .existingSecret }}
  - name: {{ include "runwatchman.credentialEnv" $ }}
    valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .key }}}}
  {{- end }}
  {{- end }}
  {{- with .Values.advisor.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports: # its metrics are read by the operator, over the socket
  - {name: advisor-health, containerPort: 8083}
  livenessProbe: # no startup probe: an advisor that does not start holds nothing back but advice
    httpGet: {path: /livez, port: advisor-health}
    {{- with .Values.advisor.livenessProbe }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .Values.advisor.resources | nindent 4 }}
  securityContext:
    {{- include "runwatchman.containerSecurity" (list . .Values.advisor.securityContext) | nindent 4 }}
  volumeMounts:
  - {name: advisor-socket, mountPath: /run/advisor}
  - {name: advisor-commands, mountPath: /etc/runwatchman, readOnly: true}
  - {name: advisor-home, mountPath: /home/advisor}
  - {name: advisor-tmp, mountPath: /tmp}
  {{- with .Values.advisor.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "runwatchman.volumes" -}}
- name: token
  projected:
    defaultMode: 0440
    sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3607}
    - configMap:
        name: kube-root-ca.crt
        items: [{key: ca.crt, path: ca.crt}]
    - downwardAPI:
        items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
- name: policy
  configMap: {name: {{ include "runwatchman.fullname" . }}-policy}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with .Values.metrics.tls.existingSecret }}
- name: metrics-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- range $use := list "store" "ledger" }}
{{- $of := index $.Values $use }}
{{- if has "sqlite" (list $of.type $of.migrateFrom) }}
- name: {{ $use }}
  persistentVolumeClaim: {claimName: {{ default (printf "%s-%s" (include "runwatchman.fullname" $) $use) $of.sqlite.existingClaim }}}
{{- end }}
{{- end }}
{{- if .Values.advisor.enabled }}
- name: advisor-socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: advisor-commands
  configMap: {name: {{ include "runwatchman.fullname" . }}-advisor}
- name: advisor-home
  emptyDir: {sizeLimit: 256Mi}
- name: advisor-tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end }}
{{- end -}}
