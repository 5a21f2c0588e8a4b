"""A flight simulator for a Kubernetes cluster: placement, failure and recovery from plain manifests, on a clock."""

__version__ = "0.1.0"
