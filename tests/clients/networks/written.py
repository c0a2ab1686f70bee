"""What the files of networks share."""
import torch
from torch import nn

NETWORKS = {}


def network(make):
    NETWORKS[make.__name__] = make
    return make


def labels(count, *shape):
    return torch.randint(0, count, shape or (6,))


class Written(nn.Module):
    """A module whose forward is a function of itself and its inputs."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *inputs, **named):
        return self.function(self, *inputs, **named)
