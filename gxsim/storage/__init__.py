"""Stored data: how it grows, when disks are full, what copies are worth, and what a kubelet does about a full disk."""
