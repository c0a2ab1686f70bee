"""What goes wrong, as exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Union

if TYPE_CHECKING:
    from .report import GradcheckReport, Report


class TraceError(Exception):
    """A model has something that the service has no layer for; the message names all of it, and where it is."""


class ServiceError(Exception):
    """The service refused a request: `status`, and the members of its problem document; or there was no answer: 0."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        where = f" (at {problem['pointer']})" if problem.get("pointer") else ""
        super().__init__(f"{problem.get('detail') or problem.get('title') or 'no answer'}{where}")


class StabilityError(AssertionError):
    """A report, `report`, is worse than was allowed."""

    def __init__(self, message: str, report: "Union[Report, GradcheckReport]") -> None:
        super().__init__(message)
        self.report = report
