"""Slow twins: the obvious loop for each rule that gxsim evaluates on arrays."""
