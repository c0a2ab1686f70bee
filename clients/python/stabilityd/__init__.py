"""Client of stabilityd, the service that says why a network won't train.

    import stabilityd
    report = stabilityd.diagnose(model, x, y, torch.nn.CrossEntropyLoss())
    print(report.table())
    report.raise_if("error")
"""

from .api import diagnose, gradcheck, trace
from .connection import Connection
from .errors import ServiceError, StabilityError, TraceError
from .report import GradcheckReport, Report

__all__ = [
    "Connection",
    "GradcheckReport",
    "Report",
    "ServiceError",
    "StabilityError",
    "TraceError",
    "diagnose",
    "gradcheck",
    "trace",
]
for _public in (Connection, GradcheckReport, Report, ServiceError, StabilityError, TraceError):
    _public.__module__ = __name__  # as users know them
del _public

__version__ = "1.0.0"
