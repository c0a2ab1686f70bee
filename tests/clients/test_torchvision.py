#!/usr/bin/env python3
"""Networks of torchvision, small ones, against PyTorch.

    test_torchvision.py STABILITYD [NETWORK…]

Needs torchvision (Debian's python3-torchvision), and says so where there is none.
"""
import pathlib
import sys
from functools import partial

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/clients"), str(ROOT / "tests/http")]

from pytorch import with_pytorch  # noqa: E402

with_pytorch("its networks were not tested", "torchvision")

import torch  # noqa: E402
from torchvision import models  # noqa: E402
from torchvision.models import convnext, maxvit, swin_transformer  # noqa: E402

from against_pytorch import compare_with_pytorch  # noqa: E402
from support import Server, run_tests  # noqa: E402

_SWIN = {"patch_size": [2, 2], "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": [4, 4], "num_classes": 10}

NETWORKS = {
    "resnet": (partial(models.ResNet, models.resnet.BasicBlock, [1, 1, 1, 1], zero_init_residual=True), 32),
    "mobilenet_v3": (models.mobilenet_v3_small, 32),
    "squeezenet": (models.squeezenet1_1, 48),
    "shufflenet": (models.shufflenet_v2_x0_5, 32),
    "regnet": (models.regnet_y_400mf, 32),
    "densenet": (partial(models.DenseNet, growth_rate=8, block_config=(2, 3), num_init_features=8), 32),
    "googlenet": (partial(models.googlenet, init_weights=False, aux_logits=False), 48),
    "vit": (partial(models.VisionTransformer, image_size=16, patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16), 16),
    "swin": (partial(swin_transformer.SwinTransformer, **_SWIN), 24),
    "swin_v2": (partial(swin_transformer.SwinTransformer, **_SWIN, block=swin_transformer.SwinTransformerBlockV2, downsample_layer=swin_transformer.PatchMergingV2), 24),
    "maxvit": (partial(maxvit.MaxVit, input_size=(32, 32), stem_channels=8, partition_size=2, block_channels=[8, 16], block_layers=[1, 1], head_dim=4,
                       stochastic_depth_prob=0.0), 32),
    "convnext": (partial(models.ConvNeXt, [convnext.CNBlockConfig(8, 16, 1), convnext.CNBlockConfig(16, None, 1)], layer_scale=0.5), 32),
}


def without_chance(model):
    """Nothing that is drawn while it runs, so that two runs agree."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) or type(module).__name__ == "StochasticDepth":
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    return model


def make_test(name):
    def test():
        make, size = NETWORKS[name]
        torch.manual_seed(0)
        model = without_chance(make(num_classes=10)).double()
        x, y = torch.randn(3, 3, size, size).double(), torch.tensor([1, 2, 3])
        with Server() as server:
            for training in (False, True):
                compare_with_pytorch(model.train(training), x, y, torch.nn.CrossEntropyLoss(), server.url, 1e-7)

    return test


for network_name in sys.argv[2:] or NETWORKS:
    globals()[f"test_{network_name}"] = make_test(network_name)

if __name__ == "__main__":
    run_tests(globals())
