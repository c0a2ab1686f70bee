"""Where in the user's code something happens."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Iterator, Optional

import torch

_NOT_THE_USERS = tuple(os.path.dirname(os.path.abspath(file)) + os.sep for file in (str(torch.__file__), __file__))


def frames() -> Iterator[FrameType]:
    """From the caller outwards."""
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def place_of(frame: Optional[FrameType]) -> str:
    """file:line of the innermost code, from this frame outwards, that is neither PyTorch's nor this package's; "" where there
    is none."""
    while frame is not None:
        file = frame.f_code.co_filename
        if not os.path.abspath(file).startswith(_NOT_THE_USERS):
            return f"{_short(file)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _short(file: str) -> str:
    if not os.path.isabs(file):
        return file
    relative = os.path.relpath(file)
    return file if relative.startswith(os.pardir) else relative
