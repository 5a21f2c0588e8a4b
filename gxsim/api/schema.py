"""The fields of the kinds gxsim models, as the Go structs of Kubernetes 1.33/1.34 declare them.

One line per struct. A field is a string unless a type follows its colon: ``int32 int64 bool quantity intOrString
time base64 any``, ``[T]`` for a list, ``{T}`` for a map with string keys, or the name of another struct.
"""

from functools import cache

_META = """
ObjectMeta: name generateName namespace selfLink uid resourceVersion generation:int64 creationTimestamp:time
  deletionTimestamp:time deletionGracePeriodSeconds:int64 labels:{string} annotations:{string}
  ownerReferences:[OwnerReference] finalizers:[string] managedFields:[any]
OwnerReference: apiVersion kind name uid controller:bool blockOwnerDeletion:bool
LabelSelector: matchLabels:{string} matchExpressions:[LabelSelectorRequirement]
LabelSelectorRequirement: key operator values:[string]
LocalObjectReference: name
ObjectReference: kind namespace name uid apiVersion resourceVersion fieldPath
TypedLocalObjectReference: apiGroup kind name
TypedObjectReference: apiGroup kind name namespace
"""

_CONTAINERS = """
Container: name image command:[string] args:[string] workingDir ports:[ContainerPort] envFrom:[EnvFromSource]
  env:[EnvVar] resources:ResourceRequirements resizePolicy:[ContainerResizePolicy] restartPolicy
  restartPolicyRules:[any] volumeMounts:[VolumeMount] volumeDevices:[VolumeDevice] livenessProbe:Probe
  readinessProbe:Probe startupProbe:Probe lifecycle:Lifecycle terminationMessagePath terminationMessagePolicy
  imagePullPolicy securityContext:SecurityContext stdin:bool stdinOnce:bool tty:bool
EphemeralContainer: name image command:[string] args:[string] workingDir ports:[ContainerPort]
  envFrom:[EnvFromSource] env:[EnvVar] resources:ResourceRequirements resizePolicy:[ContainerResizePolicy]
  restartPolicy restartPolicyRules:[any] volumeMounts:[VolumeMount] volumeDevices:[VolumeDevice]
  livenessProbe:Probe readinessProbe:Probe startupProbe:Probe lifecycle:Lifecycle terminationMessagePath
  terminationMessagePolicy imagePullPolicy securityContext:SecurityContext stdin:bool stdinOnce:bool tty:bool
  targetContainerName
ContainerPort: name hostPort:int32 containerPort:int32 protocol hostIP
ContainerResizePolicy: resourceName restartPolicy
ResourceRequirements: limits:{quantity} requests:{quantity} claims:[ResourceClaim]
ResourceClaim: name request
EnvFromSource: prefix configMapRef:ConfigMapEnvSource secretRef:SecretEnvSource
ConfigMapEnvSource: name optional:bool
SecretEnvSource: name optional:bool
EnvVar: name value valueFrom:EnvVarSource
EnvVarSource: fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector
  configMapKeyRef:ConfigMapKeySelector secretKeyRef:SecretKeySelector fileKeyRef:any
ObjectFieldSelector: apiVersion fieldPath
ResourceFieldSelector: containerName resource divisor:quantity
ConfigMapKeySelector: name key optional:bool
SecretKeySelector: name key optional:bool
VolumeMount: name readOnly:bool recursiveReadOnly mountPath subPath mountPropagation subPathExpr
VolumeDevice: name devicePath
Probe: exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:GRPCAction initialDelaySeconds:int32
  timeoutSeconds:int32 periodSeconds:int32 successThreshold:int32 failureThreshold:int32
  terminationGracePeriodSeconds:int64
ExecAction: command:[string]
HTTPGetAction: path port:intOrString host scheme httpHeaders:[HTTPHeader]
HTTPHeader: name value
TCPSocketAction: port:intOrString host
GRPCAction: port:int32 service
SleepAction: seconds:int64
Lifecycle: postStart:LifecycleHandler preStop:LifecycleHandler stopSignal
LifecycleHandler: exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:SleepAction
SecurityContext: capabilities:Capabilities privileged:bool seLinuxOptions:SELinuxOptions
  windowsOptions:WindowsSecurityContextOptions runAsUser:int64 runAsGroup:int64 runAsNonRoot:bool
  readOnlyRootFilesystem:bool allowPrivilegeEscalation:bool procMount seccompProfile:SeccompProfile
  appArmorProfile:AppArmorProfile
Capabilities: add:[string] drop:[string]
SELinuxOptions: user role type level
WindowsSecurityContextOptions: gmsaCredentialSpecName gmsaCredentialSpec runAsUserName hostProcess:bool
SeccompProfile: type localhostProfile
AppArmorProfile: type localhostProfile
"""

_PODS = """
PodSpec: volumes:[Volume] initContainers:[Container] containers:[Container]
  ephemeralContainers:[EphemeralContainer] restartPolicy terminationGracePeriodSeconds:int64
  activeDeadlineSeconds:int64 dnsPolicy nodeSelector:{string} serviceAccountName serviceAccount
  automountServiceAccountToken:bool nodeName hostNetwork:bool hostPID:bool hostIPC:bool
  shareProcessNamespace:bool securityContext:PodSecurityContext imagePullSecrets:[LocalObjectReference] hostname
  subdomain affinity:Affinity schedulerName tolerations:[Toleration] hostAliases:[HostAlias] priorityClassName
  priority:int32 dnsConfig:PodDNSConfig readinessGates:[PodReadinessGate] runtimeClassName
  enableServiceLinks:bool preemptionPolicy overhead:{quantity}
  topologySpreadConstraints:[TopologySpreadConstraint] setHostnameAsFQDN:bool os:PodOS hostUsers:bool
  schedulingGates:[PodSchedulingGate] resourceClaims:[PodResourceClaim] resources:ResourceRequirements
  hostnameOverride workloadRef:any
PodTemplateSpec: metadata:ObjectMeta spec:PodSpec
PodSecurityContext: seLinuxOptions:SELinuxOptions windowsOptions:WindowsSecurityContextOptions runAsUser:int64
  runAsGroup:int64 runAsNonRoot:bool supplementalGroups:[int64] supplementalGroupsPolicy fsGroup:int64
  sysctls:[Sysctl] fsGroupChangePolicy seccompProfile:SeccompProfile appArmorProfile:AppArmorProfile
  seLinuxChangePolicy
Sysctl: name value
HostAlias: ip hostnames:[string]
PodDNSConfig: nameservers:[string] searches:[string] options:[PodDNSConfigOption]
PodDNSConfigOption: name value
PodReadinessGate: conditionType
PodOS: name
PodSchedulingGate: name
PodResourceClaim: name resourceClaimName resourceClaimTemplateName
Toleration: key operator value effect tolerationSeconds:int64
TopologySpreadConstraint: maxSkew:int32 topologyKey whenUnsatisfiable labelSelector:LabelSelector
  minDomains:int32 nodeAffinityPolicy nodeTaintsPolicy matchLabelKeys:[string]
Affinity: nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity
NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution:NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm]
NodeSelector: nodeSelectorTerms:[NodeSelectorTerm]
NodeSelectorTerm: matchExpressions:[NodeSelectorRequirement] matchFields:[NodeSelectorRequirement]
NodeSelectorRequirement: key operator values:[string]
PreferredSchedulingTerm: weight:int32 preference:NodeSelectorTerm
PodAffinity: requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]
PodAntiAffinity: requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]
PodAffinityTerm: labelSelector:LabelSelector namespaces:[string] topologyKey namespaceSelector:LabelSelector
  matchLabelKeys:[string] mismatchLabelKeys:[string]
WeightedPodAffinityTerm: weight:int32 podAffinityTerm:PodAffinityTerm
"""

_VOLUMES = """
Volume: name hostPath:HostPathVolumeSource emptyDir:EmptyDirVolumeSource gcePersistentDisk:any
  awsElasticBlockStore:any gitRepo:any secret:SecretVolumeSource nfs:NFSVolumeSource iscsi:any glusterfs:any
  persistentVolumeClaim:PersistentVolumeClaimVolumeSource rbd:any flexVolume:any cinder:any cephfs:any
  flocker:any downwardAPI:DownwardAPIVolumeSource fc:any azureFile:any configMap:ConfigMapVolumeSource
  vsphereVolume:any quobyte:any azureDisk:any photonPersistentDisk:any projected:ProjectedVolumeSource
  portworxVolume:any scaleIO:any storageos:any csi:CSIVolumeSource ephemeral:EphemeralVolumeSource
  image:ImageVolumeSource
HostPathVolumeSource: path type
EmptyDirVolumeSource: medium sizeLimit:quantity
SecretVolumeSource: secretName items:[KeyToPath] defaultMode:int32 optional:bool
ConfigMapVolumeSource: name items:[KeyToPath] defaultMode:int32 optional:bool
KeyToPath: key path mode:int32
NFSVolumeSource: server path readOnly:bool
PersistentVolumeClaimVolumeSource: claimName readOnly:bool
DownwardAPIVolumeSource: items:[DownwardAPIVolumeFile] defaultMode:int32
DownwardAPIVolumeFile: path fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector mode:int32
ProjectedVolumeSource: sources:[VolumeProjection] defaultMode:int32
VolumeProjection: secret:SecretProjection downwardAPI:DownwardAPIProjection configMap:ConfigMapProjection
  serviceAccountToken:ServiceAccountTokenProjection clusterTrustBundle:any podCertificate:any
SecretProjection: name items:[KeyToPath] optional:bool
ConfigMapProjection: name items:[KeyToPath] optional:bool
DownwardAPIProjection: items:[DownwardAPIVolumeFile]
ServiceAccountTokenProjection: audience expirationSeconds:int64 path
CSIVolumeSource: driver readOnly:bool fsType volumeAttributes:{string}
  nodePublishSecretRef:LocalObjectReference
EphemeralVolumeSource: volumeClaimTemplate:PersistentVolumeClaimTemplate
ImageVolumeSource: reference pullPolicy
PersistentVolumeClaimTemplate: metadata:ObjectMeta spec:PersistentVolumeClaimSpec
PersistentVolumeClaim: apiVersion kind metadata:ObjectMeta spec:PersistentVolumeClaimSpec status:any
PersistentVolumeClaimSpec: accessModes:[string] selector:LabelSelector resources:VolumeResourceRequirements
  volumeName storageClassName volumeMode dataSource:TypedLocalObjectReference dataSourceRef:TypedObjectReference
  volumeAttributesClassName
VolumeResourceRequirements: limits:{quantity} requests:{quantity}
PersistentVolume: apiVersion kind metadata:ObjectMeta spec:PersistentVolumeSpec status:any
PersistentVolumeSpec: capacity:{quantity} gcePersistentDisk:any awsElasticBlockStore:any
  hostPath:HostPathVolumeSource glusterfs:any nfs:NFSVolumeSource rbd:any iscsi:any cinder:any cephfs:any fc:any
  flocker:any flexVolume:any azureFile:any vsphereVolume:any quobyte:any azureDisk:any photonPersistentDisk:any
  portworxVolume:any scaleIO:any local:LocalVolumeSource storageos:any csi:CSIPersistentVolumeSource
  accessModes:[string] claimRef:ObjectReference persistentVolumeReclaimPolicy storageClassName
  mountOptions:[string] volumeMode nodeAffinity:VolumeNodeAffinity volumeAttributesClassName
LocalVolumeSource: path fsType
CSIPersistentVolumeSource: driver volumeHandle readOnly:bool fsType volumeAttributes:{string}
  controllerPublishSecretRef:any nodeStageSecretRef:any nodePublishSecretRef:any controllerExpandSecretRef:any
  nodeExpandSecretRef:any
VolumeNodeAffinity: required:NodeSelector
StorageClass: apiVersion kind metadata:ObjectMeta provisioner parameters:{string} reclaimPolicy
  mountOptions:[string] allowVolumeExpansion:bool volumeBindingMode allowedTopologies:[TopologySelectorTerm]
TopologySelectorTerm: matchLabelExpressions:[TopologySelectorLabelRequirement]
TopologySelectorLabelRequirement: key values:[string]
"""

_WORKLOADS = """
Pod: apiVersion kind metadata:ObjectMeta spec:PodSpec status:any
Deployment: apiVersion kind metadata:ObjectMeta spec:DeploymentSpec status:any
DeploymentSpec: replicas:int32 selector:LabelSelector template:PodTemplateSpec strategy:DeploymentStrategy
  minReadySeconds:int32 revisionHistoryLimit:int32 paused:bool progressDeadlineSeconds:int32
DeploymentStrategy: type rollingUpdate:RollingUpdateDeployment
RollingUpdateDeployment: maxUnavailable:intOrString maxSurge:intOrString
ReplicaSet: apiVersion kind metadata:ObjectMeta spec:ReplicaSetSpec status:any
ReplicaSetSpec: replicas:int32 minReadySeconds:int32 selector:LabelSelector template:PodTemplateSpec
ReplicationController: apiVersion kind metadata:ObjectMeta spec:ReplicationControllerSpec status:any
ReplicationControllerSpec: replicas:int32 minReadySeconds:int32 selector:{string} template:PodTemplateSpec
StatefulSet: apiVersion kind metadata:ObjectMeta spec:StatefulSetSpec status:any
StatefulSetSpec: replicas:int32 selector:LabelSelector template:PodTemplateSpec
  volumeClaimTemplates:[PersistentVolumeClaim] serviceName podManagementPolicy
  updateStrategy:StatefulSetUpdateStrategy revisionHistoryLimit:int32 minReadySeconds:int32
  persistentVolumeClaimRetentionPolicy:StatefulSetPersistentVolumeClaimRetentionPolicy
  ordinals:StatefulSetOrdinals
StatefulSetUpdateStrategy: type rollingUpdate:RollingUpdateStatefulSetStrategy
RollingUpdateStatefulSetStrategy: partition:int32 maxUnavailable:intOrString
StatefulSetPersistentVolumeClaimRetentionPolicy: whenDeleted whenScaled
StatefulSetOrdinals: start:int32
DaemonSet: apiVersion kind metadata:ObjectMeta spec:DaemonSetSpec status:any
DaemonSetSpec: selector:LabelSelector template:PodTemplateSpec updateStrategy:DaemonSetUpdateStrategy
  minReadySeconds:int32 revisionHistoryLimit:int32
DaemonSetUpdateStrategy: type rollingUpdate:RollingUpdateDaemonSet
RollingUpdateDaemonSet: maxUnavailable:intOrString maxSurge:intOrString
Job: apiVersion kind metadata:ObjectMeta spec:JobSpec status:any
JobSpec: parallelism:int32 completions:int32 activeDeadlineSeconds:int64 podFailurePolicy:PodFailurePolicy
  successPolicy:any backoffLimit:int32 backoffLimitPerIndex:int32 maxFailedIndexes:int32 selector:LabelSelector
  manualSelector:bool template:PodTemplateSpec ttlSecondsAfterFinished:int32 completionMode suspend:bool
  podReplacementPolicy managedBy
PodFailurePolicy: rules:[PodFailurePolicyRule]
PodFailurePolicyRule: action onExitCodes:PodFailurePolicyOnExitCodesRequirement
  onPodConditions:[PodFailurePolicyOnPodConditionsPattern]
PodFailurePolicyOnExitCodesRequirement: containerName operator values:[int32]
PodFailurePolicyOnPodConditionsPattern: type status
CronJob: apiVersion kind metadata:ObjectMeta spec:CronJobSpec status:any
CronJobSpec: schedule timeZone startingDeadlineSeconds:int64 concurrencyPolicy suspend:bool
  jobTemplate:JobTemplateSpec successfulJobsHistoryLimit:int32 failedJobsHistoryLimit:int32
JobTemplateSpec: metadata:ObjectMeta spec:JobSpec
PodDisruptionBudget: apiVersion kind metadata:ObjectMeta spec:PodDisruptionBudgetSpec status:any
PodDisruptionBudgetSpec: minAvailable:intOrString selector:LabelSelector maxUnavailable:intOrString
  unhealthyPodEvictionPolicy
HorizontalPodAutoscaler: apiVersion kind metadata:ObjectMeta spec:HorizontalPodAutoscalerSpec status:any
HorizontalPodAutoscalerSpec: scaleTargetRef:CrossVersionObjectReference minReplicas:int32 maxReplicas:int32
  metrics:[MetricSpec] behavior:HorizontalPodAutoscalerBehavior targetCPUUtilizationPercentage:int32
CrossVersionObjectReference: kind name apiVersion
MetricSpec: type object:ObjectMetricSource pods:PodsMetricSource resource:ResourceMetricSource
  containerResource:ContainerResourceMetricSource external:ExternalMetricSource
ObjectMetricSource: describedObject:CrossVersionObjectReference target:MetricTarget metric:MetricIdentifier
PodsMetricSource: metric:MetricIdentifier target:MetricTarget
ResourceMetricSource: name target:MetricTarget
ContainerResourceMetricSource: name target:MetricTarget container
ExternalMetricSource: metric:MetricIdentifier target:MetricTarget
MetricIdentifier: name selector:LabelSelector
MetricTarget: type value:quantity averageValue:quantity averageUtilization:int32
HorizontalPodAutoscalerBehavior: scaleUp:HPAScalingRules scaleDown:HPAScalingRules
HPAScalingRules: stabilizationWindowSeconds:int32 selectPolicy policies:[HPAScalingPolicy] tolerance:quantity
HPAScalingPolicy: type value:int32 periodSeconds:int32
"""

_CLUSTER = """
Service: apiVersion kind metadata:ObjectMeta spec:ServiceSpec status:any
ServiceSpec: ports:[ServicePort] selector:{string} clusterIP clusterIPs:[string] type externalIPs:[string]
  sessionAffinity loadBalancerIP loadBalancerSourceRanges:[string] externalName externalTrafficPolicy
  healthCheckNodePort:int32 publishNotReadyAddresses:bool sessionAffinityConfig:SessionAffinityConfig
  ipFamilies:[string] ipFamilyPolicy allocateLoadBalancerNodePorts:bool loadBalancerClass
  internalTrafficPolicy trafficDistribution
ServicePort: name protocol appProtocol port:int32 targetPort:intOrString nodePort:int32
SessionAffinityConfig: clientIP:ClientIPConfig
ClientIPConfig: timeoutSeconds:int32
NetworkPolicy: apiVersion kind metadata:ObjectMeta spec:NetworkPolicySpec status:any
NetworkPolicySpec: podSelector:LabelSelector ingress:[NetworkPolicyIngressRule]
  egress:[NetworkPolicyEgressRule] policyTypes:[string]
NetworkPolicyIngressRule: ports:[NetworkPolicyPort] from:[NetworkPolicyPeer]
NetworkPolicyEgressRule: ports:[NetworkPolicyPort] to:[NetworkPolicyPeer]
NetworkPolicyPort: protocol port:intOrString endPort:int32
NetworkPolicyPeer: podSelector:LabelSelector namespaceSelector:LabelSelector ipBlock:IPBlock
IPBlock: cidr except:[string]
Ingress: apiVersion kind metadata:ObjectMeta spec:IngressSpec status:any
IngressSpec: ingressClassName defaultBackend:IngressBackend tls:[IngressTLS] rules:[IngressRule]
IngressTLS: hosts:[string] secretName
IngressRule: host http:HTTPIngressRuleValue
HTTPIngressRuleValue: paths:[HTTPIngressPath]
HTTPIngressPath: path pathType backend:IngressBackend
IngressBackend: service:IngressServiceBackend resource:TypedLocalObjectReference
IngressServiceBackend: name port:ServiceBackendPort
ServiceBackendPort: name number:int32
IngressClass: apiVersion kind metadata:ObjectMeta spec:any
ConfigMap: apiVersion kind metadata:ObjectMeta immutable:bool data:{string} binaryData:{base64}
Secret: apiVersion kind metadata:ObjectMeta immutable:bool data:{base64} stringData:{string} type
ServiceAccount: apiVersion kind metadata:ObjectMeta secrets:[ObjectReference]
  imagePullSecrets:[LocalObjectReference] automountServiceAccountToken:bool
Namespace: apiVersion kind metadata:ObjectMeta spec:any status:any
Node: apiVersion kind metadata:ObjectMeta spec:NodeSpec status:any
NodeSpec: podCIDR podCIDRs:[string] providerID unschedulable:bool taints:[Taint] configSource:any externalID
Taint: key value effect timeAdded:time
PriorityClass: apiVersion kind metadata:ObjectMeta value:int32 globalDefault:bool description preemptionPolicy
RuntimeClass: apiVersion kind metadata:ObjectMeta handler overhead:Overhead scheduling:Scheduling
Overhead: podFixed:{quantity}
Scheduling: nodeSelector:{string} tolerations:[Toleration]
ResourceQuota: apiVersion kind metadata:ObjectMeta spec:ResourceQuotaSpec status:any
ResourceQuotaSpec: hard:{quantity} scopes:[string] scopeSelector:ScopeSelector
ScopeSelector: matchExpressions:[ScopedResourceSelectorRequirement]
ScopedResourceSelectorRequirement: scopeName operator values:[string]
LimitRange: apiVersion kind metadata:ObjectMeta spec:LimitRangeSpec
LimitRangeSpec: limits:[LimitRangeItem]
LimitRangeItem: type max:{quantity} min:{quantity} default:{quantity} defaultRequest:{quantity}
  maxLimitRequestRatio:{quantity}
Role: apiVersion kind metadata:ObjectMeta rules:[PolicyRule]
ClusterRole: apiVersion kind metadata:ObjectMeta rules:[PolicyRule] aggregationRule:AggregationRule
AggregationRule: clusterRoleSelectors:[LabelSelector]
PolicyRule: verbs:[string] apiGroups:[string] resources:[string] resourceNames:[string] nonResourceURLs:[string]
RoleBinding: apiVersion kind metadata:ObjectMeta subjects:[Subject] roleRef:RoleRef
ClusterRoleBinding: apiVersion kind metadata:ObjectMeta subjects:[Subject] roleRef:RoleRef
Subject: kind apiGroup name namespace
RoleRef: apiGroup kind name
"""


@cache
def structs() -> dict[str, dict[str, str]]:
    """Return struct → field → type."""
    text = "\n".join((_META, _CONTAINERS, _PODS, _VOLUMES, _WORKLOADS, _CLUSTER)).replace("\n  ", " ")
    found: dict[str, dict[str, str]] = {}
    for line in text.split("\n"):
        if line.strip():
            name, _, fields = line.partition(": ")
            pairs = (field.partition(":") for field in fields.split())
            found[name] = {field: kind or "string" for field, _, kind in pairs}
    return found
