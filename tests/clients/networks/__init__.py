"""Networks as people write them, for the tests of the tracer: NETWORKS has for each name a function that returns (model, x, y, loss).

Sizes are small, so that all of them run in seconds.
"""
from networks import attention, losses, modes, recurrence, shapes, wiring  # noqa: F401
from networks.written import NETWORKS, Written

__all__ = ["NETWORKS", "Written"]
