"""Runs `stabilityd check --model` on ONNX models; for the scripts of this directory."""
import base64
import json
import os
import subprocess
import tempfile

import numpy

DTYPES = {"float64", "float32", "float16", "int64", "int32", "uint8", "bool"}


def tensor(array):
    """A tensor of the wire contract; integers of other sizes become int64."""
    array = numpy.asarray(array)
    if str(array.dtype) not in DTYPES:
        array = array.astype(numpy.int64)
    array = numpy.ascontiguousarray(array).reshape(array.shape)
    return {"dtype": str(array.dtype), "shape": list(array.shape),
            "base64": base64.b64encode(array.tobytes()).decode()}


def check(program, model, request):
    """(report, None), or (None, message) where it was refused."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.onnx")
        with open(path, "wb") as file:
            file.write(model)
        done = subprocess.run([program, "check", "--model", path, "--format", "json", "-"],
                              input=json.dumps(request).encode(), capture_output=True, check=False)
    if done.returncode in (0, 1):
        return json.loads(done.stdout), None
    return None, done.stderr.decode().strip() or f"exit status {done.returncode}"


def number(value):
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else float(value)
