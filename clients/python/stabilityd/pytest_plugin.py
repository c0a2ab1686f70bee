"""pytest: a test marked `stable` fails where a diagnosis that it makes has findings.

    @pytest.mark.stable                     # fails from severity "error" up
    @pytest.mark.stable(severity="warning")
    def test_my_network(batch):
        stabilityd.diagnose(make_network(), *batch, torch.nn.CrossEntropyLoss())
"""

from __future__ import annotations

import os
from typing import Any, Iterator

import pytest

from . import report
from .errors import StabilityError


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--stabilityd-url", help="where stabilityd is (default: STABILITYD_URL, else http://127.0.0.1:8080)")


def pytest_configure(config: Any) -> None:
    config.addinivalue_line(
        "markers", 'stable(severity="error"): the diagnoses and gradient checks of this test must have no finding this severe'
    )
    url = config.getoption("--stabilityd-url")
    if url:
        os.environ["STABILITYD_URL"] = url


def _judged_call(pyfuncitem: Any) -> Iterator[None]:
    marker = pyfuncitem.get_closest_marker("stable")
    if marker is None:
        yield
        return
    with report.collected() as reports:
        outcome: Any = yield
    if outcome.excinfo is not None:
        return
    _judge(reports, marker.kwargs.get("severity", marker.args[0] if marker.args else "error"))


pytest_pyfunc_call = pytest.hookimpl(hookwrapper=True)(_judged_call)


def _judge(reports: list[Any], severity: str) -> None:
    if not reports:
        pytest.fail("a test marked stable must call stabilityd.diagnose or stabilityd.gradcheck", pytrace=False)
    try:
        for made in reports:
            made.raise_if(severity) if isinstance(made, report.Report) else made.raise_if_wrong()
        return
    except StabilityError as error:
        failure = str(error)
    pytest.fail(failure, pytrace=False)
