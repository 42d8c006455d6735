{{- /* An agent's pod: .name and .pool are of .Values.pools */ -}}
{{- define "trainyard.agent" -}}
metadata:
  labels: {app.kubernetes.io/name: trainyard, app.kubernetes.io/component: agent, trainyard/pool: {{ .name }}}
  annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: "false"}  # the platform says which machines are free to go
spec:
  restartPolicy: Always
  serviceAccountName: trainyard
  automountServiceAccountToken: false
  enableServiceLinks: false
  priorityClassName: {{ .pool.agent.priorityClassName | default "trainyard-normal" }}
  # SIGTERM drains the agent: nothing new, checkpoints, jobs back in line. Longer than TRAINYARD_MAX_GRACE_SECONDS; an idle one is gone at once.
  terminationGracePeriodSeconds: 1860
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: agent
      image: {{ .pool.agent.image | default (printf "%s:%s" .values.image.repository .values.image.tag) }}
      # A node goes by the name of its pod.
      args: [python, manage.py, node, --name=$(POD_NAME), --label=pool=$(POOL), --cpus={{ .pool.cpus }}, --memory-gb={{ .pool.memory_gb }}]
      resources:
        {{- $given := dict "cpu" (toString .pool.cpus) "memory" .pool.agent.memory }}
        {{- if .pool.gpus }}{{ $_ := set $given "nvidia.com/gpu" (toString .pool.gpus) }}{{ end }}
        requests: {{- toYaml $given | nindent 10 }}
        limits: {{- toYaml $given | nindent 10 }}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      envFrom: [{configMapRef: {name: trainyard-agent}}]
      env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POOL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['trainyard/pool']"}}}
        - {name: TRAINYARD_NODE_ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: TRAINYARD_PROOF_FOLDER, value: /tmp/proof}
        - {name: DATABASE_PASSWORD_FILE, value: /run/secrets/trainyard/database-password}
        - {name: BROKER_PASSWORD_FILE, value: /run/secrets/trainyard/broker-password}
      # Ready: a message came through its own queue within the last minute. Alive, for which nobody is killed lightly, as its jobs
      # die with it: the thread that speaks for it has turned within the last ten, whether or not the database answers.
      startupProbe:
        exec: {command: [sh, -c, 'test -e /tmp/proof/done']}
        periodSeconds: 2
        failureThreshold: 300
      readinessProbe:
        exec: {command: [sh, -c, 'test "$(find /tmp/proof/done -mmin -1)"']}
        periodSeconds: 10
      livenessProbe:
        exec: {command: [sh, -c, 'test "$(find /tmp/proof/turned -mmin -10)"']}
        periodSeconds: 60
      volumeMounts:
        - {name: secrets, mountPath: /run/secrets/trainyard, readOnly: true}
        - {name: home, mountPath: /var/lib/trainyard}
        - {name: jobs, mountPath: /var/lib/trainyard/jobs}
        - {name: tmp, mountPath: /tmp}
        - {name: shm, mountPath: /dev/shm}
  {{- with .pool.agent.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .pool.agent.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  volumes:
    - name: secrets
      secret: {secretName: {{ .values.secrets.agent }}, defaultMode: 0440}
    - {name: home, emptyDir: {}}
    - name: jobs
      persistentVolumeClaim: {claimName: trainyard-jobs}
    - {name: tmp, emptyDir: {}}
    - name: shm  # data loaders hand batches over in shared memory; it counts as memory of the pod
      emptyDir: {medium: Memory, sizeLimit: 1Gi}
{{- end }}
