"""Raft: one voter as a pure state machine, groups of voters, and what a group of a model can survive."""
