"""The scheduling framework: filters, scores, the choice among the best, and binding."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.model.cluster import PodDisruptionBudget
from gxsim.model.pod import PodTemplate
from gxsim.scheduler import volumes
from gxsim.scheduler.decision import Decision, Diagnosis, Explanation, Nomination
from gxsim.scheduler.demand import Constraints, Demand, Situation
from gxsim.scheduler.ledger import Ledger
from gxsim.scheduler.nodes import NodeTable
from gxsim.scheduler.plugins.default_preemption import DefaultPreemption
from gxsim.scheduler.plugins.image_locality import ImageLocality
from gxsim.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from gxsim.scheduler.plugins.node_affinity import NodeAffinity
from gxsim.scheduler.plugins.node_name import NodeName
from gxsim.scheduler.plugins.node_ports import NodePorts
from gxsim.scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from gxsim.scheduler.plugins.node_resources_fit import NodeResourcesFit
from gxsim.scheduler.plugins.node_unschedulable import NodeUnschedulable
from gxsim.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from gxsim.scheduler.plugins.pod_topology_spread import PodTopologySpread
from gxsim.scheduler.plugins.scheduling_gates import gated
from gxsim.scheduler.plugins.taint_toleration import TaintToleration
from gxsim.scheduler.plugins.volume_binding import VolumeBinding
from gxsim.scheduler.plugins.volume_restrictions import VolumeRestrictions
from gxsim.scheduler.plugins.volume_zone import VolumeZone
from gxsim.scheduler.profile import DEFAULT_PROFILE, Profile
from gxsim.scheduler.status import ALL, UNRESOLVABLE, Refusal, Rows, Verdict
from gxsim.state import PENDING, ClusterState
