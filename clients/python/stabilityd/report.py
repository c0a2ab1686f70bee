"""What the service answers, as objects."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Collection, Iterator, Mapping, Optional, Sequence

from .errors import StabilityError

_SEVERITIES = ("info", "warning", "error")


_collectors: list[list["_Rendered"]] = []


@contextlib.contextmanager
def collected() -> Iterator[list["_Rendered"]]:
    """Collects the reports that are made meanwhile."""
    reports: list[_Rendered] = []
    _collectors.append(reports)
    try:
        yield reports
    finally:
        _collectors.remove(reports)


class _Rendered:
    """An answer as `data` (the JSON of the contract); other formats are asked of the service again."""

    def __init__(self, data: Mapping[str, Any], render: Callable[[str], str]) -> None:
        self.data = data
        self._render = render
        self._texts: dict[str, str] = {}
        for collector in _collectors:
            collector.append(self)

    def render(self, format: str) -> str:
        """The same report as "text", "markdown", "html", "sarif", "junit" or "gitlab"."""
        if format not in self._texts:
            self._texts[format] = self._render(format)
        return self._texts[format]

    def table(self) -> str:
        """The report as a table for a terminal."""
        return self.render("text")

    @property
    def verdict(self) -> str:
        return str(self.data["verdict"])


class Report(_Rendered):
    """A diagnosis. `location` is where it is kept, if it was saved; `known` has the fingerprints of the findings of the saved
    report that it was compared with, which count no more."""

    def __init__(
        self, data: Mapping[str, Any], render: Callable[[str], str], location: Optional[str] = None, known: Collection[str] = ()
    ) -> None:
        super().__init__(data, render)
        self.location = location
        self.known = frozenset(known)

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        return list(self.data["findings"])

    @property
    def layers(self) -> dict[str, Mapping[str, Any]]:
        """Layers by name, in the order of the model."""
        return {layer["name"]: layer for layer in self.data["layers"]}

    @property
    def loss(self) -> float:
        return float(self.data["summary"]["loss"])  # of "NaN" too

    @property
    def gradient_norm(self) -> float:
        return float(self.data["summary"]["gradient_norm"])

    def at_least(self, severity: str) -> list[Mapping[str, Any]]:
        """Findings of this severity or worse ("info", "warning" or "error") that are not known."""
        if severity not in _SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(_SEVERITIES)}, got {severity!r}")
        worst = _SEVERITIES.index(severity)
        new = [finding for finding in self.findings if finding.get("fingerprint") not in self.known]
        return [finding for finding in new if _SEVERITIES.index(finding["severity"]) >= worst]

    def raise_if(self, severity: str = "error") -> "Report":
        """Raises StabilityError where a finding has this severity or a worse one; else returns the report."""
        findings = self.at_least(severity)
        if findings:
            lines = [f"{len(findings)} finding{'s' if len(findings) > 1 else ''} of severity {severity} or worse:"]
            lines += [line for finding in findings for line in _lines(finding)]
            raise StabilityError("\n".join(lines), self)
        return self

    def _repr_html_(self) -> str:
        return _framed(self.render("html"))

    def __repr__(self) -> str:
        counts = self.data["summary"]["findings"]
        named = ", ".join(_counted(counts[s], s) for s in reversed(_SEVERITIES) if counts.get(s))
        return f"<stabilityd.Report {self.verdict}: {named or 'no findings'}, loss {self.loss:.4g}>"


class GradcheckReport(_Rendered):
    """A gradient check."""

    @property
    def level(self) -> str:
        return str(self.data["level"])

    @property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """Parameters by name."""
        return {parameter["name"]: parameter for parameter in self.data["parameters"]}

    def raise_if_wrong(self) -> "GradcheckReport":
        """Raises StabilityError where the check failed; else returns the report."""
        if self.verdict == "fail":
            suspects = [p for p in self.data["parameters"] if p["level"] in ("suspicious", "wrong")]
            lines = [f"{len(suspects)} of {len(self.data['parameters'])} gradients are not the derivatives of the loss:"]
            lines += [f"  {p['name']} is {p['level']}: relative error {p['relative_error']}" for p in suspects]
            raise StabilityError("\n".join(lines), self)
        return self

    def __repr__(self) -> str:
        return f"<stabilityd.GradcheckReport {self.verdict}: {self.level}>"


def _counted(count: int, severity: str) -> str:
    return f"{count} {severity}{'s' if count > 1 and severity != 'info' else ''}"


def _lines(finding: Mapping[str, Any]) -> list[str]:
    """A finding, and the fixes that were tried, if the analysis was asked for."""
    lines = [f"  {finding['severity']} {finding['rule']} in {_some(finding['layers'])}: {finding['message']}"]
    return lines + [f"    tried: {fix['summary']}: {fix['after']['verdict']}" for fix in finding.get("fixes", ())]


def _some(layers: Sequence[str]) -> str:
    if len(layers) > 4:
        return f"{', '.join(layers[:3])} and {len(layers) - 3} more layers"
    return ", ".join(layers) or "the model"


def _framed(page: str) -> str:
    """A whole page within a notebook's: a frame keeps the styles of both apart."""
    escaped = page.replace("&", "&amp;").replace('"', "&quot;")
    return f'<iframe srcdoc="{escaped}" style="width:100%;height:40em;border:0" title="stabilityd report"></iframe>'
