"""The clock, the faults, and the state at t = 0; the only importer of simpy."""

from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start

__all__ = ["Simulation", "start"]
