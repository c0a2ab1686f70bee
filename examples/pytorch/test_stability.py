"""The gate of train.py: python3 -m pytest examples/pytorch"""

import pytest
import stabilityd
import torch

from train import load_digits, make_network


@pytest.mark.stable
def test_the_network_can_learn():
    torch.manual_seed(0)
    images, labels = load_digits()
    stabilityd.diagnose(make_network(), images[:32], labels[:32], torch.nn.CrossEntropyLoss(), analyses=["fixes"])
