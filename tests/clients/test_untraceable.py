#!/usr/bin/env python3
"""What can't be sent is refused by a message that names the operation, its file and line; and nothing else is.

    test_untraceable.py STABILITYD
"""
import pathlib
import re
import sys
import types
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/clients"), str(ROOT / "tests/http")]

from pytorch import with_pytorch  # noqa: E402

with_pytorch("what the tracer refuses was not tested")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import stabilityd  # noqa: E402
from networks import Written  # noqa: E402
from stabilityd import api  # noqa: E402
from support import Server, run_tests  # noqa: E402


class Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def refused(server, model, loss=F.mse_loss, x=None, y=None):
    x = torch.randn(3, 4) if x is None else x
    try:
        stabilityd.diagnose(model, x, torch.randn(3, 4) if y is None else y, loss, url=server.url)
    except stabilityd.TraceError as error:
        return str(error)
    raise AssertionError("it was sent")


def line_of(text):
    """file:line of a line of this file."""
    lines = pathlib.Path(__file__).read_text().splitlines()
    return f"test_untraceable.py:{next(i for i, line in enumerate(lines, 1) if text in line)}: "


def test_an_unknown_function():
    def forward(self, x):
        h = self.fc(x)
        return torch.digamma(h) + torch.cumprod(h, 1)  # unknown

    with Server() as server:
        message = refused(server, Written(forward, fc=nn.Linear(4, 4)))
    assert len(message.splitlines()) == 3, message
    for name in "digamma", "cumprod":
        assert re.search(rf"{re.escape(line_of('# unknown'))}{name} has no counterpart", message), message


def test_within_a_module():
    class Inner(nn.Linear):
        def forward(self, x):
            return super().forward(x).sort()[0]  # inner

    with Server() as server:
        message = refused(server, nn.Sequential(nn.Linear(4, 4), Inner(4, 4)))
    assert line_of("# inner") + "sort in '1' has no counterpart" in message, message


def test_a_custom_autograd_function():
    apply = Clipped.apply

    def forward(self, x):
        return self.fc(apply(self.fc(x)))  # custom

    with Server() as server:
        message = refused(server, Written(forward, fc=nn.Linear(4, 4)))
    assert message.splitlines()[1:] == [m for m in message.splitlines()[1:] if line_of("# custom") + "Clipped is a custom autograd function" in m], message


def test_modules_in_a_plain_list():
    hidden = [nn.Linear(4, 4)]

    with Server() as server:
        message = refused(server, Written(lambda self, x: self.fc(hidden[0](x)), fc=nn.Linear(4, 4)))
    assert "parameter that the model does not know" in message and "nn.ModuleList" in message, message


def test_torchscript():
    with Server() as server:
        assert "TorchScript" in refused(server, torch.jit.script(nn.Linear(4, 4)))


def test_a_loss_without_gradient():
    with Server() as server:
        assert "does not depend on the model's parameters" in refused(server, nn.Linear(4, 4), lambda out, y: F.mse_loss(out.detach(), y))
        assert "one number" in refused(server, nn.Linear(4, 4), nn.MSELoss(reduction="none"))


def test_a_view_that_cannot_be_followed():
    def forward(self, x):
        h = self.fc(x)
        flat = h.view(-1)
        flat[3:].mul_(2)
        return h.tanh()  # stale

    with Server() as server:
        message = refused(server, Written(forward, fc=nn.Linear(4, 4)))
    assert line_of("# stale") in message and "changed in place" in message, message


def test_what_the_loss_does_not_need():
    def forward(self, x):
        h = self.fc(x)
        self.seen = h.sort()[0]  # for a metric
        return h

    with Server() as server:
        report = stabilityd.diagnose(Written(forward, fc=nn.Linear(4, 4)), torch.randn(3, 4), torch.randn(3, 4), F.mse_loss, url=server.url)
    assert list(report.layers) == ["fc"], report.layers


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Flatten(), nn.Linear(9, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    with Server() as server:
        stabilityd.diagnose(model, torch.randn(4, 2, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1]), F.cross_entropy, url=server.url)
        try:
            refused(server, Written(lambda self, x: self.body(x).sort()[0], body=model), x=torch.zeros(4, 2, 5), y=torch.zeros(4, 2))
        finally:
            assert all("forward" not in module.__dict__ for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.Tensor.__getitem__.__name__ == "__getitem__"
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_in_train_mode():
    model = nn.Sequential(nn.Conv1d(2, 64, 1), nn.Dropout(0.25), nn.Dropout1d(0.5), nn.Flatten(), nn.Linear(640, 2))
    with Server() as server:
        report = stabilityd.diagnose(model, torch.randn(20, 2, 10), torch.randn(20, 2), F.mse_loss, url=server.url)
    assert report.layers["1"]["type"] == "Dropout" and abs(report.layers["1"]["output"]["zero_fraction"] - 0.25) < 0.02
    assert abs(report.layers["3"]["output"]["zero_fraction"] - 0.625) < 0.05, report.layers["3"]["output"]


def test_another_loss_is_told():
    traced = types.SimpleNamespace(model={"layers": []}, loss=1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        api._compare(1.001, traced)
        assert not caught
        api._compare(1.5, traced)
        assert "1.5 where PyTorch computes 1" in str(caught[0].message)


def test_a_service_that_is_older():
    with Server() as server:
        connection = stabilityd.Connection(server.url)
        connection.table("layers")["layers"] = [row for row in connection.table("layers")["layers"] if row["type"] != "Square"]
        try:
            stabilityd.diagnose(Written(lambda self, x: self.fc(x).square(), fc=nn.Linear(4, 4)), torch.ones(1, 4), torch.ones(1, 4), F.mse_loss, connection=connection)
        except stabilityd.TraceError as error:
            assert "Square" in str(error) and "older than the client" in str(error), error
        else:
            raise AssertionError("it was sent")


if __name__ == "__main__":
    run_tests(globals())
