#!/usr/bin/python3
"""Writes tests/onnx/cases: small ONNX files, each with a request and PyTorch's loss and gradient norm.

Needs Debian's python3-torch and python3-onnx. What is here is committed; tests/http/test_onnx.py reads it."""
import copy
import json
import os
import sys

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.onnx import TrainingMode

import networks
import service

DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")


def write(name, file, request, loss, norm, mode):
    with open(os.path.join(DIRECTORY, name + ".onnx"), "wb") as out:
        out.write(file)
    with open(os.path.join(DIRECTORY, name + ".json"), "w", encoding="ascii") as out:
        json.dump({"request": request, "expected": {"loss": loss, "gradient_norm": norm, "mode": mode}}, out,
                  indent=1)
        out.write("\n")


def request(data, target, loss="CrossEntropyLoss"):
    return {"model": {"loss": {"type": loss}},
            "data": {name: service.tensor(array) for name, array in data.items()}
            | {"target": service.tensor(target)}}


def export(case, name, training, fold, opset, mode):
    build, shape = networks.NETWORKS[name]
    torch.manual_seed(2)
    model = networks.without_dropout(build()).train(training)
    x = torch.randint(0, 20, shape) if name.startswith("encoder") else torch.randn(shape)
    classes, samples = networks.target_shape(name, x)
    target = torch.randint(0, classes, (samples,))
    file = networks.export(copy.deepcopy(model), x, TrainingMode.TRAINING if training else TrainingMode.EVAL,
                           fold, opset)
    loss, norm = networks.reference(model if training else networks.fused(copy.deepcopy(model)), x, target)
    write(case, file, request({"x": x.numpy()}, target.numpy()), loss, norm, mode)


def initializer(name, array):
    return numpy_helper.from_array(numpy.asarray(array, numpy.float32), name)


def model(nodes, inputs, initializers, opset=13):
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    onnx.checker.check_model(made)
    return made.SerializeToString()


def backward(loss, parameters):
    loss.backward()
    return float(loss), float(sum((p.grad.double() ** 2).sum() for p in parameters)) ** 0.5


def perceptron():
    """As exporters of scikit-learn write an MLPClassifier: MatMul and Add, weights (in, out), no names."""
    torch.manual_seed(3)
    weights = [torch.randn(5, 7) / 2, torch.randn(1, 7) / 5, torch.randn(7, 3) / 2, torch.randn(1, 3) / 5]
    weights = [w.requires_grad_() for w in weights]
    names = ["coefficient", "intercepts", "coefficient1", "intercepts1"]
    nodes = [helper.make_node("Cast", ["x"], ["cast"], to=TensorProto.FLOAT),
             helper.make_node("MatMul", ["cast", "coefficient"], ["mul"]),
             helper.make_node("Add", ["mul", "intercepts"], ["add"]),
             helper.make_node("Relu", ["add"], ["next"]),
             helper.make_node("MatMul", ["next", "coefficient1"], ["mul1"]),
             helper.make_node("Add", ["mul1", "intercepts1"], ["y"])]
    x = torch.randn(6, 5)
    target = torch.randint(0, 3, (6,))
    y = torch.relu(x @ weights[0] + weights[1]) @ weights[2] + weights[3]
    loss, norm = backward(torch.nn.functional.cross_entropy(y, target), weights)
    file = model(nodes, [None, 5], [initializer(n, w.detach()) for n, w in zip(names, weights)])
    write("perceptron", file, request({"x": x.numpy()}, target.numpy()), loss, norm, "train")


def channels_last():
    """As exporters of Keras write a convolutional network: NHWC outside, NCHW inside, Softmax at the end."""
    torch.manual_seed(4)
    kernel, bias = (torch.randn(4, 2, 3, 3) / 4).requires_grad_(), (torch.randn(4) / 4).requires_grad_()
    weight, offset = (torch.randn(36, 3) / 4).requires_grad_(), (torch.randn(3) / 4).requires_grad_()
    nodes = [helper.make_node("Transpose", ["x"], ["nchw"], name="to_nchw", perm=[0, 3, 1, 2]),
             helper.make_node("Conv", ["nchw", "kernel", "bias"], ["conv"], name="conv2d/Conv2D",
                              auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[1, 1]),
             helper.make_node("Relu", ["conv"], ["relu"], name="conv2d/Relu"),
             helper.make_node("MaxPool", ["relu"], ["pool"], name="max_pooling2d", kernel_shape=[2, 2],
                              strides=[2, 2]),
             helper.make_node("Transpose", ["pool"], ["nhwc"], name="to_nhwc", perm=[0, 2, 3, 1]),
             helper.make_node("Shape", ["nhwc"], ["sizes"]),
             helper.make_node("Slice", ["sizes", "zero", "one"], ["batch"]),
             helper.make_node("Concat", ["batch", "rest"], ["flat_shape"], axis=0),
             helper.make_node("Reshape", ["nhwc", "flat_shape"], ["flat"], name="flatten"),
             helper.make_node("MatMul", ["flat", "weight"], ["product"], name="dense/MatMul"),
             helper.make_node("Add", ["product", "offset"], ["logits"], name="dense/BiasAdd"),
             helper.make_node("Softmax", ["logits"], ["p"], name="dense/Softmax"),
             helper.make_node("Log", ["p"], ["y"], name="log")]
    lists = [numpy_helper.from_array(numpy.array(v, numpy.int64), n)
             for n, v in (("zero", [0]), ("one", [1]), ("rest", [-1]))]
    x = torch.randn(5, 6, 6, 2)
    target = torch.randint(0, 3, (5,))
    y = torch.relu(torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), kernel, bias, padding=1))
    y = torch.nn.functional.max_pool2d(y, 2).permute(0, 2, 3, 1).reshape(5, -1) @ weight + offset
    y = torch.log_softmax(y, 1)
    parameters = [kernel, bias, weight, offset]
    loss, norm = backward(torch.nn.functional.nll_loss(y, target), parameters)
    names = ["kernel", "bias", "weight", "offset"]
    file = model(nodes, ["N", 6, 6, 2], [initializer(n, p.detach()) for n, p in zip(names, parameters)] + lists)
    write("channels_last", file, request({"x": x.numpy()}, target.numpy(), "NLLLoss"), loss, norm, "train")


def main():
    os.makedirs(DIRECTORY, exist_ok=True)
    perceptron()
    channels_last()
    export("convolutions_train", "convolutions", True, True, 13, "train")
    export("convolutions_eval", "convolutions", False, True, 16, "train")
    export("activations", "activations", True, True, 13, "train")
    export("lstm_unfolded", "lstm", True, False, 11, "train")
    export("lstm_oldest", "lstm", False, True, 7, "train")
    export("gru", "gru", True, True, 9, "train")
    export("rnn", "rnn_relu", True, True, 13, "train")
    export("encoder", "encoder_causal", False, True, 13, "train")
    export("encoder_unfolded", "encoder_norm_first", False, False, 14, "train")


if __name__ == "__main__":
    sys.exit(main())
