"""Values as JSON has them."""

from __future__ import annotations

from typing import Any

import torch


def plain(value: Any) -> Any:
    """Numbers and lists in place of tensors, tuples and sizes."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else value.tolist()
    if isinstance(value, (tuple, list, torch.Size)):
        return [plain(item) for item in value]
    return value
