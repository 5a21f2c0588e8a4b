"""Placement as kube-scheduler v1.34 decides it."""

from gxsim.model.scheduler_profile import DEFAULT_PROFILE, Profile, ScoringStrategy
from gxsim.scheduler.decision import Candidate, Decision, Diagnosis, Explanation, Nomination
from gxsim.scheduler.framework import Framework
from gxsim.scheduler.place import place
from gxsim.scheduler.status import UNRESOLVABLE, UNSCHEDULABLE, Refusal
from gxsim.scheduler.volumes import PodVolumes, bind_volumes, provisioned_volume

__all__ = [
    "DEFAULT_PROFILE",
    "UNRESOLVABLE",
    "UNSCHEDULABLE",
    "Candidate",
    "Decision",
    "Diagnosis",
    "Explanation",
    "Framework",
    "Nomination",
    "PodVolumes",
    "Profile",
    "Refusal",
    "ScoringStrategy",
    "bind_volumes",
    "place",
    "provisioned_volume",
]
