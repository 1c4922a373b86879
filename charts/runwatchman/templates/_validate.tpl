{{- /* What the schema cannot say: combinations that cannot work, each refused with what to do instead. */ -}}
{{- define "runwatchman.validate" -}}
{{- $v := .Values -}}
{{- $many := gt (int $v.replicas) 1 -}}
{{- if not $v.enabled -}}
{{- fail (printf "enabled is false, which only an umbrella chart may set: give its dependency `condition: %s.enabled`, or do not install this release" .Chart.Name) -}}
{{- end -}}
{{- include "runwatchman.validateMove" . -}}
{{- range $use := list "store" "ledger" -}}
{{- $of := index $v $use -}}
{{- $types := list $of.type (default "" $of.migrateFrom) -}}
{{- if and $many (eq $of.type "sqlite") -}}
{{- fail (printf "%s.type=sqlite is one file for one operator, but replicas is %d: set replicas to 1, or keep the %s in a database (%s.type=external)" $use (int $v.replicas) $use $use) -}}
{{- end -}}
{{- if and (gt (int $v.shards) 1) (eq $of.type "sqlite") -}}
{{- fail (printf "%s.type=sqlite is one file for one operator, but shards is %d: set shards to 1, or keep the %s in a database (%s.type=external)" $use (int $v.shards) $use $use) -}}
{{- end -}}
{{- if and (has "external" $types) (not $of.external.existingSecret) -}}
{{- fail (printf "%s.%s=external needs %s.external.existingSecret: the Secret whose key %q holds the database's URL" $use (ternary "type" "migrateFrom" (eq $of.type "external")) $use $of.external.key) -}}
{{- end -}}
{{- if and (not (has "sqlite" $types)) $of.sqlite.existingClaim -}}
{{- fail (printf "%s.sqlite.existingClaim is set, but %s.type is %s: set %s.type to sqlite, or leave the claim out" $use $use $of.type $use) -}}
{{- end -}}
{{- if and (not (has "external" $types)) $of.external.existingSecret -}}
{{- fail (printf "%s.external.existingSecret is set, but %s.type is %s: set %s.type to external, or leave the Secret out" $use $use $of.type $use) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.store.type "sqlite") (eq $v.ledger.type "sqlite") $v.store.sqlite.existingClaim (eq $v.store.sqlite.existingClaim $v.ledger.sqlite.existingClaim) -}}
{{- fail "store.sqlite.existingClaim and ledger.sqlite.existingClaim are the same claim: give the ledger one of its own, it may fill up" -}}
{{- end -}}
{{- if and (eq $v.store.type "external") (eq $v.ledger.type "external") (eq $v.store.external.existingSecret $v.ledger.external.existingSecret) (eq $v.store.external.key $v.ledger.external.key) -}}
{{- fail "store.external and ledger.external are the same key of the same Secret: give the ledger a database of its own, it may fill up" -}}
{{- end -}}
{{- include "runwatchman.validateAdvisor" . -}}
{{- include "runwatchman.validateMetrics" . -}}
{{- include "runwatchman.validateLeader" . -}}
{{- include "runwatchman.validateSecurity" . -}}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) -}}
{{- fail "serviceAccount.create=false needs serviceAccount.name: the account that the operator is to use" -}}
{{- end -}}
{{- if and $v.crds.install (not $v.admissionPolicies.install) $v.rbac.clusterRoles -}}
{{- fail "admissionPolicies.install=false leaves the inbox open to forgery: set it to true; for a second release in a cluster also set crds.install and rbac.clusterRoles to false" -}}
{{- end -}}
{{- if ne (len $v.namespaces) (len (uniq $v.namespaces)) -}}
{{- fail "namespaces names one twice: keep one" -}}
{{- end -}}
{{- if and (has "none" $v.notifications.schemes) (gt (len $v.notifications.schemes) 1) -}}
{{- fail "notifications.schemes has none beside others: [none] alone switches notifications off" -}}
{{- end -}}
{{- if and (not $v.reporter.enabled) $v.reporter.image -}}
{{- fail "reporter.image is set, but reporter.enabled is false: enable it, or leave the image out" -}}
{{- end -}}
{{- $users := $v.agents.podSecurity -}}
{{- if and $users.runAsUser (eq (int64 $users.runAsUser) (int64 $users.reporterRunAsUser)) -}}
{{- fail (printf "agents.podSecurity.runAsUser and .reporterRunAsUser are both %d: an agent could read the reporter's token; let them differ" (int64 $users.runAsUser)) -}}
{{- end -}}
{{- if eq (int $v.metrics.port) (int $v.health.port) -}}
{{- fail (printf "metrics.port and health.port are both %d: give each its own" (int $v.health.port)) -}}
{{- end -}}
{{- end -}}

{{- define "runwatchman.validateMove" -}}
{{- $store := .Values.store -}}
{{- with $store.migrateFrom -}}
{{- if eq . $store.type -}}
{{- fail (printf "store.migrateFrom and store.type are both %s: name the store that the Runs are in until now, or leave migrateFrom out" .) -}}
{{- end -}}
{{- if gt (int $.Values.replicas) 1 -}}
{{- fail (printf "store.migrateFrom=%s needs the operator to be down, but replicas is %d: move the Runs with replicas=1, then set it back and leave migrateFrom out" . (int $.Values.replicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "runwatchman.validateAdvisor" -}}
{{- $v := .Values -}}
{{- $mode := dig "llm" "mode" "Off" $v.policy -}}
{{- if and (not $v.advisor.enabled) (ne $mode "Off") -}}
{{- fail (printf "policy.llm.mode is %s, but there is no advisor to ask: set advisor.enabled to true, or the mode to Off" $mode) -}}
{{- end -}}
{{- if $v.advisor.enabled -}}
{{- if not $v.advisor.image.repository -}}
{{- fail "advisor.enabled needs advisor.image.repository: an image with runwatchman and the preset's CLI in it" -}}
{{- end -}}
{{- if and (ne $v.advisor.preset "raw") (not $v.advisor.credentials.existingSecret) (not $v.advisor.extraEnv) -}}
{{- fail (printf "advisor.preset=%s needs advisor.credentials.existingSecret: the Secret whose key %q holds the model's credential" $v.advisor.preset $v.advisor.credentials.key) -}}
{{- end -}}
{{- if and (eq $v.advisor.preset "raw") (not $v.advisor.commands) -}}
{{- fail "advisor.preset=raw needs advisor.commands: it has no command of its own" -}}
{{- end -}}
{{- $named := dig "llm" "command" "" $v.policy -}}
{{- $known := keys (default (dict $v.advisor.preset true) $v.advisor.commands) | sortAlpha -}}
{{- if and $named (not (has $named $known)) -}}
{{- fail (printf "policy.llm.command is %s, which is none of the advisor's commands (%s): register it in advisor.commands, or name one of them" $named (join ", " $known)) -}}
{{- end -}}
{{- if or (eq 8083 (int $v.metrics.port)) (eq 8083 (int $v.health.port)) -}}
{{- fail "metrics.port or health.port is 8083, which the advisor beside the operator listens on: use another" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "runwatchman.validateMetrics" -}}
{{- $v := .Values -}}
{{- $m := $v.metrics -}}
{{- if and $m.serviceMonitor.enabled $m.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor are both enabled: every sample would count twice; keep one" -}}
{{- end -}}
{{- if and $m.enabled $m.podMonitor.enabled $m.secure (not $m.podMonitor.token.existingSecret) -}}
{{- fail "metrics.podMonitor.enabled needs metrics.podMonitor.token.existingSecret, the Secret with a token that may read metrics; or use metrics.serviceMonitor, which can use Prometheus's own" -}}
{{- end -}}
{{- if and (not $m.secure) $m.tls.existingSecret -}}
{{- fail "metrics.tls.existingSecret is set, but metrics.secure is false: set it to true, or leave the Secret out" -}}
{{- end -}}
{{- if and $m.readers (not $v.rbac.create) -}}
{{- fail "metrics.readers are bound by the chart, but rbac.create is false: set it to true, or bind runwatchman-metrics-reader yourself" -}}
{{- end -}}
{{- range $what := list "serviceMonitor" "podMonitor" "prometheusRule" "dashboard" -}}
{{- if and (index $m $what).enabled (not $m.enabled) -}}
{{- fail (printf "metrics.%s.enabled needs metrics.enabled: there would be nothing to look at" $what) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "runwatchman.validateLeader" -}}
{{- $v := .Values -}}
{{- $l := $v.lease -}}
{{- if le (float64 $l.durationSeconds) (float64 $l.renewDeadlineSeconds) -}}
{{- fail (printf "lease.durationSeconds (%v) must be more than lease.renewDeadlineSeconds (%v): a leader must give up before another may take over" $l.durationSeconds $l.renewDeadlineSeconds) -}}
{{- end -}}
{{- if le (float64 $l.renewDeadlineSeconds) (mulf 1.2 $l.retryPeriodSeconds) -}}
{{- fail (printf "lease.renewDeadlineSeconds (%v) must be more than 1.2 times lease.retryPeriodSeconds (%v): a leader must have time to try again" $l.renewDeadlineSeconds $l.retryPeriodSeconds) -}}
{{- end -}}
{{- if and (gt (int $v.shards) 1) (gt (int $v.replicas) (int $v.shards)) -}}
{{- fail (printf "replicas (%d) is more than shards (%d): the replicas beyond would have nothing to do; set shards to at least replicas" (int $v.replicas) (int $v.shards)) -}}
{{- end -}}
{{- $b := $v.podDisruptionBudget -}}
{{- if $b.enabled -}}
{{- if eq (int $v.replicas) 1 -}}
{{- fail "podDisruptionBudget.enabled with replicas=1 would either block every drain or do nothing: set replicas to 2, or leave the budget out" -}}
{{- end -}}
{{- if eq (empty $b.minAvailable) (empty $b.maxUnavailable) -}}
{{- fail "podDisruptionBudget needs either minAvailable or maxUnavailable, not both and not neither" -}}
{{- end -}}
{{- if and (not (empty $b.minAvailable)) (not (hasSuffix "%" (toString $b.minAvailable))) (ge (int $b.minAvailable) (int $v.replicas)) -}}
{{- fail (printf "podDisruptionBudget.minAvailable (%v) must be less than replicas (%d): no node could be drained" $b.minAvailable (int $v.replicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "runwatchman.validateSecurity" -}}
{{- $pod := fromYaml (include "runwatchman.fixedPod" .) -}}
{{- $container := fromYaml (include "runwatchman.fixedContainer" .) -}}
{{- $v := .Values -}}
{{- range $at := list (list "podSecurityContext" $v.podSecurityContext $pod) (list "securityContext" $v.securityContext $container) (list "advisor.securityContext" $v.advisor.securityContext $container) -}}
{{- range $key, $fixed := index $at 2 -}}
{{- $given := dig $key nil (default dict (index $at 1)) -}}
{{- if and (not (kindIs "invalid" $given)) (ne (toJson $given) (toJson $fixed)) -}}
{{- fail (printf "%s.%s is %s, but the chart's own is always %s: leave it out" (index $at 0) $key (toJson $given) (toJson $fixed)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
