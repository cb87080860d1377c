{{- define "quantum-ip.pointConfig" -}}
{{- $point := .point }}
{{- $values := $point.values }}
{{- $own := dict "listen" (printf "0.0.0.0:%v" $point.number) "routes" $values.routes }}
{{- if ne $point.role "gateway" }}
{{- $_ := set $own "peers" (required (printf "%s.peers: addresses of the proxies that ask" $point.section) ($values.peers | default nil)) }}
{{- end }}
{{- $base := dict
  "trustDomain" .root.Values.trustDomain
  "services" .root.Values.services
  "custody" (dict "directory" "/var/lib/quantum-ip/keys")
  "authority" (dict "url" (include "quantum-ip.authorityUrl" .root) "caFile" "/run/secrets/ca.pem")
  "trust" (dict "rootThumbprints" (required "rootThumbprints: pin the root keys of the trust domain" (.root.Values.rootThumbprints | default nil)) "snapshot" "/var/lib/quantum-ip/snapshot")
  $point.section $own
  "telemetry" (dict "listen" "0.0.0.0:9464" "decisions" (dict "folder" "/var/lib/quantum-ip/decisions")) }}
{{- toYaml (mergeOverwrite $base (deepCopy $values.config)) }}
{{- end }}

{{- /* An enforcement point: each replica has a name, a session and a decision log of its own. */}}
{{- define "quantum-ip.point" -}}
{{- $root := .root }}
{{- $point := .point }}
{{- $values := $point.values }}
{{- $name := printf "%s-%s" $root.Release.Name $point.role }}
{{- $labels := include "quantum-ip.labels" (dict "root" $root "role" $point.role) }}
{{- $config := include "quantum-ip.pointConfig" . }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
data:
  {{- range $at := until (int $values.replicas) }}
  {{- $pod := printf "%s-%d" $name $at }}
  {{ $pod }}.yaml: |
    {{- toYaml (mergeOverwrite ($config | fromYaml) (dict $point.section (dict "name" $pod))) | nindent 4 }}
  {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  selector: {{- $labels | nindent 4 }}
  ports: [{ name: {{ $point.port }}, port: {{ $point.number }}, targetPort: {{ $point.port }} }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  serviceName: {{ $name }}
  podManagementPolicy: Parallel
  selector:
    matchLabels: {{- $labels | nindent 6 }}
  template:
    metadata:
      labels: {{- $labels | nindent 8 }}
      annotations:
        checksum/config: {{ $config | sha256sum }}
    spec:
      automountServiceAccountToken: false
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext: {{- include "quantum-ip.podSecurity" $root | nindent 8 }}
      terminationGracePeriodSeconds: 40
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- $labels | nindent 14 }}
      containers:
        - name: {{ $point.role }}
          image: {{ include "quantum-ip.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [serve, --role, {{ $point.role }}, --config, /etc/quantum-ip/$(POD_NAME).yaml, --join-token-file, /run/secrets/$(POD_NAME)]
          env: [{ name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
          ports: [{ name: {{ $point.port }}, containerPort: {{ $point.number }} }, { name: metrics, containerPort: 9464 }]
          securityContext: {{- include "quantum-ip.security" $root | nindent 12 }}
          startupProbe:
            httpGet: { path: /readyz, port: metrics }
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe: { httpGet: { path: /readyz, port: metrics } }
          livenessProbe: { httpGet: { path: /healthz, port: metrics }, failureThreshold: 6 }
          resources: {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - { name: data, mountPath: /var/lib/quantum-ip }
            - { name: config, mountPath: /etc/quantum-ip, readOnly: true }
            - { name: secrets, mountPath: /run/secrets, readOnly: true }
            - { name: tmp, mountPath: /tmp }
      volumes:
        - { name: config, configMap: { name: {{ $name }} } }
        - { name: secrets, secret: { secretName: {{ $values.secretName }}, defaultMode: 0440 } }
        - { name: tmp, emptyDir: { sizeLimit: 16Mi } }
  volumeClaimTemplates:
    - metadata: { name: data }
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $values.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources: { requests: { storage: {{ $values.storage }} } }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  maxUnavailable: {{ $values.maxUnavailable }}
  selector:
    matchLabels: {{- $labels | nindent 6 }}
{{- if $root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- $labels | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports: [{ port: {{ $point.port }} }]
      {{- with $values.allowedFrom }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with $root.Values.networkPolicy.metricsFrom }}
    - ports: [{ port: metrics }]
      from: {{- toYaml . | nindent 8 }}
    {{- end }}
{{- end }}
{{- end }}
