"""Tensors on the wire: base64 members of a request, and safetensors files.

A tensor is anything with PyTorch's or NumPy's `shape` and `dtype`.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any, Mapping

# dtype on the wire: name in safetensors
SAFETENSORS_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}
_WIDER = {"int8": "int32", "int16": "int32"}


def dtype_of(tensor: Any) -> str:
    """The dtype's name, without the library's: float32."""
    return str(tensor.dtype).rpartition(".")[2]


def _is_torch(tensor: Any) -> bool:
    return type(tensor).__module__.partition(".")[0] == "torch" or hasattr(tensor, "requires_grad")


def _narrowed(tensor: Any) -> Any:
    """With a dtype that the wire has."""
    dtype = dtype_of(tensor)
    if dtype in SAFETENSORS_DTYPES:
        return tensor
    if dtype not in _WIDER:
        raise TypeError(f"a tensor of dtype {dtype} can't be sent: expected one of {', '.join(SAFETENSORS_DTYPES)}")
    if _is_torch(tensor):
        import torch

        return tensor.to(getattr(torch, _WIDER[dtype]))
    return tensor.astype(_WIDER[dtype])


def raw(tensor: Any) -> tuple[str, list[int], bytes]:
    """dtype, shape and little-endian row-major bytes."""
    tensor = _narrowed(tensor)
    dtype, shape = dtype_of(tensor), [int(size) for size in tensor.shape]
    if not _is_torch(tensor):
        return dtype, shape, tensor.astype(tensor.dtype.newbyteorder("<"), order="C").tobytes()
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if sys.byteorder != "little":
        raise OSError("tensors can only be sent from a little-endian machine")
    return dtype, shape, _bytes_of(flat.view(torch.uint8) if flat.numel() else flat)


def _bytes_of(flat: Any) -> bytes:
    try:
        return bytes(flat.numpy().tobytes())
    except RuntimeError:  # PyTorch without NumPy
        return bytes(flat.tolist())


def to_json(tensor: Any) -> dict[str, Any]:
    """A TENSOR member of a request."""
    dtype, shape, data = raw(tensor)
    return {"dtype": dtype, "shape": shape, "base64": base64.b64encode(data).decode("ascii")}


def to_safetensors(tensors: Mapping[str, Any]) -> bytes:
    """A safetensors file: the header's length, the header, the tensors one after another."""
    header: dict[str, Any] = {}
    pieces = []
    offset = 0
    for name, tensor in tensors.items():
        dtype, shape, data = raw(tensor)
        header[name] = {"dtype": SAFETENSORS_DTYPES[dtype], "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        pieces.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(pieces)
