"""The clock, the faults, and the state at t = 0; the only importer of simpy."""
