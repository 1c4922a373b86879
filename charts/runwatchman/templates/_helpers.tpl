{{- define "runwatchman.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "runwatchman.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "runwatchman.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "runwatchman.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "runwatchman.selectorLabels" -}}
app.kubernetes.io/name: {{ include "runwatchman.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "runwatchman.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- /* The labels of an object; call with (list $ component labels), of which both may be empty. The chart's own come first. */ -}}
{{- define "runwatchman.labelsOf" -}}
{{- $ := index . 0 -}}
{{- $own := fromYaml (include "runwatchman.selectorLabels" $) -}}
{{- with index . 1 }}{{ $_ := set $own "app.kubernetes.io/component" . }}{{ end -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "runwatchman" -}}
{{- $_ := set $own "app.kubernetes.io/version" $.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_") -}}
{{- merge (dict) $own (index . 2) $.Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "runwatchman.labels" -}}
{{- include "runwatchman.labelsOf" (list . "" (dict)) -}}
{{- end -}}

{{- /* The metadata that every object shares; call with (list $ "suffix" annotations). */ -}}
{{- define "runwatchman.metadata" -}}
{{- $ := index . 0 -}}
name: {{ include "runwatchman.fullname" $ }}{{ index . 1 }}
namespace: {{ include "runwatchman.namespace" $ }}
{{ include "runwatchman.common" (list $ (index . 2)) }}
{{- end -}}

{{- define "runwatchman.common" -}}
{{- $ := index . 0 -}}
labels:
  {{- include "runwatchman.labels" $ | nindent 2 }}
{{- with merge (dict) (index . 1) $.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The objects in a file as a release's own: the release's labels and annotations on each. Call with (list $ text annotations). */ -}}
{{- define "runwatchman.adopt" -}}
{{- $ := index . 0 -}}
{{- $annotations := index . 2 -}}
{{- range $text := splitList "\n---\n" (index . 1) }}
{{- $object := fromYaml $text }}
{{- $labels := merge (fromYaml (include "runwatchman.labels" $)) (default dict $object.metadata.labels) }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- with merge (dict) (default dict $object.metadata.annotations) $annotations $.Values.commonAnnotations }}
{{- $_ := set $object.metadata "annotations" . }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end -}}

{{- define "runwatchman.serviceAccountName" -}}
{{- default (include "runwatchman.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- /* An image's reference; call with (list $ image). */ -}}
{{- define "runwatchman.imageOf" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- $image.repository -}}
{{- if or $image.tag (not $image.digest) }}:{{ default $.Chart.AppVersion $image.tag }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* A released chart has its images' references, with digests, as annotations. Any other repository, tag or digest replaces them.
Call with (list $ image annotation). */ -}}
{{- define "runwatchman.releasedImage" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- $released := index (default dict $.Chart.Annotations) (index . 2) | default "" -}}
{{- if and $released (hasPrefix (printf "%s:" $image.repository) $released) (not (or $image.tag $image.digest)) -}}
{{- $released -}}
{{- else -}}
{{- include "runwatchman.imageOf" (list $ $image) -}}
{{- end -}}
{{- end -}}

{{- define "runwatchman.image" -}}
{{- include "runwatchman.releasedImage" (list . .Values.image "runwatchman.dev/image") -}}
{{- end -}}

{{- define "runwatchman.gitImage" -}}
{{- include "runwatchman.releasedImage" (list . .Values.git.image "runwatchman.dev/git-image") -}}
{{- end -}}

{{- define "runwatchman.policy" -}}
{{- $mode := ternary "Assist" "Off" .Values.advisor.enabled -}}
{{- $defaults := dict "llm" (dict "mode" $mode) -}}
{{- if .Values.advisor.enabled -}}
{{- $_ := set $defaults.llm "command" (include "runwatchman.advisorCommand" .) -}}
{{- with .Values.advisor.model }}{{- $_ := set $defaults.llm "model" . -}}{{- end -}}
{{- end -}}
{{- merge (dict) (deepCopy .Values.policy) $defaults | toYaml -}}
{{- end -}}

{{- define "runwatchman.advisorCommands" -}}
{{- $preset := dict .Values.advisor.preset (dict "preset" .Values.advisor.preset) -}}
{{- dict "commands" (default $preset .Values.advisor.commands) | toYaml -}}
{{- end -}}

{{- /* The command that policies name unless they name another: the preset's own, else the first by name. */ -}}
{{- define "runwatchman.advisorCommand" -}}
{{- $names := keys .Values.advisor.commands | sortAlpha -}}
{{- if or (not $names) (has .Values.advisor.preset $names) }}{{ .Values.advisor.preset }}{{ else }}{{ first $names }}{{ end -}}
{{- end -}}

{{- define "runwatchman.credentialEnv" -}}
{{- $of := dict "codex" "OPENAI_API_KEY" "claude" "ANTHROPIC_API_KEY" "raw" "API_KEY" -}}
{{- default (get $of .Values.advisor.preset) .Values.advisor.credentials.env -}}
{{- end -}}

{{- /* Settings that no pod of ours and no container of ours does without. */ -}}
{{- define "runwatchman.fixedPod" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "runwatchman.fixedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* Whether the platform assigns users and groups: then it admits no others. */ -}}
{{- define "runwatchman.assigned" -}}
{{- $when := .Values.openshift.assignUsers -}}
{{- if or (eq $when "always") (and (eq $when "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}yes{{ end -}}
{{- end -}}

{{- /* A given security context, without the chart's own users and groups if the platform assigns them. Call with (list $ given). */ -}}
{{- define "runwatchman.identity" -}}
{{- $assigned := include "runwatchman.assigned" (index . 0) -}}
{{- $kept := dict -}}
{{- range $key, $value := index . 1 -}}
{{- $own := and (has $key (list "runAsUser" "runAsGroup" "fsGroup")) (has (int64 $value) (list (int64 65532) (int64 65533))) -}}
{{- if not (and $assigned $own) }}{{ $_ := set $kept $key $value }}{{ end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{- /* The security contexts of a pod and of a container. Call with (list $ given). */ -}}
{{- define "runwatchman.podSecurity" -}}
{{- merge (fromYaml (include "runwatchman.fixedPod" .)) (fromYaml (include "runwatchman.identity" .)) | toYaml -}}
{{- end -}}

{{- define "runwatchman.containerSecurity" -}}
{{- merge (fromYaml (include "runwatchman.fixedContainer" .)) (fromYaml (include "runwatchman.identity" .)) | toYaml -}}
{{- end -}}

{{- /* The security context of the pods of hooks. */ -}}
{{- define "runwatchman.hookSecurity" -}}
{{- include "runwatchman.podSecurity" (list . (pick (default dict .Values.securityContext) "runAsUser" "runAsGroup")) -}}
{{- end -}}

{{- /* How a monitor scrapes; call with (list $ token, whether Prometheus's own token is there). */ -}}
{{- define "runwatchman.scrape" -}}
{{- $ := index . 0 -}}
{{- $token := index . 1 -}}
{{- $tls := $.Values.metrics.tls -}}
{{- if $.Values.metrics.secure -}}
scheme: https
{{- if $token.existingSecret }}
authorization:
  credentials: {name: {{ $token.existingSecret }}, key: {{ $token.key }}}
{{- else if index . 2 }}
bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
{{- end }}
tlsConfig:
  {{- if $tls.ca }}
  ca:
    {{- toYaml $tls.ca | nindent 4 }}
  serverName: {{ default (printf "%s-metrics.%s.svc" (include "runwatchman.fullname" $) (include "runwatchman.namespace" $)) $tls.serverName }}
  {{- else }}
  insecureSkipVerify: true
  {{- end }}
{{- else -}}
scheme: http
{{- end -}}
{{- end -}}
