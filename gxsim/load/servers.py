"""Which nodes the control plane runs on, where only their labels say so."""

import dataclasses
from collections.abc import Mapping, Sequence

from gxsim.model.model import ConsensusGroup, Model
from gxsim.model.node import Node

# K3s and RKE2 put the first on servers with embedded etcd; kubeadm, whose control planes run etcd too, only the second.
ROLES = ("node-role.kubernetes.io/etcd", "node-role.kubernetes.io/control-plane")
NAME = "etcd"


def with_servers(model: Model, nodes: Sequence[Node]) -> Model:
    """*model* with the group of its servers, read from the roles of *nodes*, where it names no control plane itself.

    Unchanged too where a group is called etcd already, and where no node has a role.
    """
    if any(group.control_plane or group.name == NAME for group in model.consensus_groups):
        return model
    for role in ROLES:
        values = {node.labels[role] for node in nodes if role in node.labels}
        if len(values) == 1:
            return dataclasses.replace(model, consensus_groups=(*model.consensus_groups, _group({role: values.pop()})))
    return model


def _group(selector: Mapping[str, str]) -> ConsensusGroup:
    (role,) = selector
    return ConsensusGroup(
        name=NAME,
        protocol="k3s" if role == ROLES[0] else "etcd",
        node_selector=selector,
        control_plane=True,
        source=f"label {role} of the nodes",
    )
