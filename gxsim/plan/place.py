"""Where the pods of some manifests go, decided by the scheduler from the manifests alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gxsim.errors import ScenarioError
from gxsim.load.documents import read
from gxsim.load.manifests import load_cluster
from gxsim.load.scenario import API_VERSION, load, scenario_names
from gxsim.model.cluster import Cluster
from gxsim.observe.nodes import capacity, owner_name
from gxsim.observe.table import Table
from gxsim.plan.node_shape import EXAMPLE, nodes_of_shapes
from gxsim.scheduler import Framework
from gxsim.state import CPU, MEMORY, PENDING, ClusterState
from gxsim.study.simulate import started, started_cluster
