"""diagnose and gradcheck."""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence, Union

from .connection import Connection
from .report import GradcheckReport, Report
from .tensors import to_json, to_safetensors

if TYPE_CHECKING:
    from .tracing import Trace

Options = Mapping[str, Any]


def _request(traced: Trace, options: Options) -> dict[str, Any]:
    data = {name: to_json(tensor) for name, tensor in traced.inputs.items()}
    data["target"] = to_json(traced.target)
    return {"model": traced.model, "data": data, "options": dict(options)}


def trace(model: Any, x: Any, y: Any, loss_fn: Any, connection: Optional[Connection] = None, *, name: Optional[str] = None) -> Trace:
    """Traces `model` on the batch `x` (a tensor, a tuple of the model's inputs, or a dictionary of its keyword arguments) and
    `loss_fn` on its output and `y`. Raises TraceError, which names everything that has no counterpart among the service's layers,
    and where it is called."""
    from . import tracing  # the only part that needs PyTorch

    return tracing.trace(model, x, y, loss_fn, connection or Connection(), name=name)


def _precision(model: Any) -> str:
    """float64 for a model in float64; all others are run in float32."""
    dtypes = {str(parameter.dtype) for parameter in model.parameters()}
    return "float64" if dtypes == {"torch.float64"} else "float32"


def diagnose(
    model: Any,
    x: Any,
    y: Any,
    loss_fn: Any,
    *,
    url: Optional[str] = None,
    token: Optional[str] = None,
    connection: Optional[Connection] = None,
    name: Optional[str] = None,
    analyses: Union[Sequence[str], Mapping[str, Any], None] = None,
    thresholds: Optional[Mapping[str, Any]] = None,
    learning_rate: Optional[float] = None,
    precision: Optional[str] = None,
    seed: int = 0,
    save: Optional[str] = None,
    baseline: Optional[str] = None,
) -> Report:
    """One forward and one backward pass of `model` (a torch.nn.Module, in train or eval mode as it is) on a batch,
    measured layer by layer by the service.

    `x` is the batch, or a tuple of the model's inputs; `y` the target; `loss_fn` a module of torch.nn or its
    function of torch.nn.functional. `analyses` and `thresholds` are those of the request's options. `save` keeps
    the report on the server under a name; `baseline` is the id of a saved one, whose findings count no more. `url` and `token`
    are those of a Connection.

    Raises TraceError where the model has something that the service doesn't know, ServiceError where it refuses. Warns where the
    service's loss is not what PyTorch computed here."""
    connection = connection or Connection(url, token)
    traced = trace(model, x, y, loss_fn, connection, name=name)
    options: dict[str, Any] = {
        "precision": precision or _precision(model),
        "mode": "train" if model.training else "eval",
        "seed": seed,
    }
    for key, value in (("analyses", analyses), ("thresholds", thresholds), ("learning_rate", learning_rate)):
        if value is not None:
            options[key] = value
    request = _request(traced, options)
    weights = to_safetensors(traced.weights)
    headers, content = connection.post("/v1/diagnose", request, weights, save=save, baseline=baseline)
    known = [finding["fingerprint"] for finding in connection.report(baseline)["findings"]] if baseline else []
    render = _renderer(connection, "/v1/diagnose", request, weights, baseline)
    report = Report(json.loads(content), render, headers.get("Location"), known)
    _compare(report.loss, traced)
    return report


def _compare(loss: float, traced: Trace) -> None:
    """A report of another computation would be worse than none."""
    layers = traced.model["layers"]
    drawn = any(layer["type"] == "Dropout" or layer.get("dropout") for layer in layers)
    if drawn or not (math.isfinite(loss) and math.isfinite(traced.loss)):
        return
    if abs(loss - traced.loss) > 0.01 * max(abs(loss), abs(traced.loss)) + 1e-6:
        warnings.warn(f"the service computes a loss of {loss:.6g} where PyTorch computes {traced.loss:.6g}: do not rely on this report", stacklevel=3)


def gradcheck(
    model: Any,
    x: Any,
    y: Any,
    loss_fn: Any,
    *,
    gradients: Optional[Mapping[str, Any]] = None,
    url: Optional[str] = None,
    token: Optional[str] = None,
    connection: Optional[Connection] = None,
    mode: str = "full",
    samples: Optional[int] = None,
    epsilon: Optional[float] = None,
    seed: int = 0,
) -> GradcheckReport:
    """Whether gradients are the derivatives of the loss: `gradients` by the names of model.named_parameters(), else
    what .grad holds. Parameters without one are checked for the engine's own gradient.

    Differences are taken in float64, so gradients should be computed in float64 too: those of float32 are exact to
    about 1e-6, which is `acceptable`, not `correct`."""
    connection = connection or Connection(url, token)
    traced = trace(model, x, y, loss_fn, connection)
    if gradients is None:
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    settings: dict[str, Any] = {"mode": mode, "seed": seed}
    if samples is not None:
        settings["samples"] = samples
    if epsilon is not None:
        settings["epsilon"] = epsilon
    request = _request(traced, {"mode": "train" if model.training else "eval", "gradcheck": settings})
    request["gradients"] = {traced.key_of(name): to_json(gradient) for name, gradient in gradients.items()}
    weights = to_safetensors(traced.weights)
    _, content = connection.post("/v1/gradcheck", request, weights)
    return GradcheckReport(json.loads(content), _renderer(connection, "/v1/gradcheck", request, weights))


def _renderer(
    connection: Connection, path: str, request: Mapping[str, Any], weights: bytes, baseline: Optional[str] = None
) -> Callable[[str], str]:
    def render(format: str) -> str:
        return connection.post(path, request, weights, format=format, baseline=baseline)[1].decode()

    return render
