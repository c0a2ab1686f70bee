#!/usr/bin/python3
"""Runs the node tests of the ONNX standard through `stabilityd check --model`.

    tests/onnx/node_tests.py STABILITYD [--table] [OPERATOR…]

Needs python3-onnx, which generates them. The expected output is sent as the target of MSELoss: a test passes
where that is 0, up to a thousandth of the output's norm. All inputs are sent as data: those
that a layer has as parameters become its parameters. What has several outputs is tested by the first."""
import collections
import re
import sys
import warnings

import numpy

import service

warnings.filterwarnings("ignore")
numpy.float, numpy.int, numpy.bool, numpy.object = float, int, bool, object  # the tests are from before NumPy 1.24

import onnx  # noqa: E402
from onnx.backend.test.case.node import collect_testcases  # noqa: E402


TOLERANCE = 1e-3  # relative, as in ONNX's own runner of these tests


def run(program, case):
    inputs, outputs = case.data_sets[0]
    graph = case.model.graph
    names = [value.name for value in graph.input]
    if not all(isinstance(array, numpy.ndarray) or numpy.isscalar(array) for array in list(inputs) + list(outputs)):
        return "uncounted", "sequences, maps or optional values"
    expected = numpy.asarray(outputs[0])
    if any(numpy.asarray(array).dtype.kind not in "fiub" for array in inputs):
        return "uncounted", "texts or complex numbers"
    if expected.dtype.kind != "f":
        return "uncounted", f"the output is {expected.dtype}"
    data = {name: service.tensor(array) for name, array in zip(names, inputs)}
    data["target"] = service.tensor(expected.astype(numpy.float64))
    report, message = service.check(program, case.model.SerializeToString(), {
        "model": {"loss": {"type": "MSELoss", "reduction": "sum"}}, "data": data,
        "options": {"precision": "float64"}})
    if report is None:
        return "refused", message.replace("stabilityd: -: ", "")
    distance = service.number(report["summary"]["loss"]) ** 0.5
    norm = float(numpy.sqrt((expected.astype(numpy.float64) ** 2).sum()))
    if not distance <= TOLERANCE * norm + 1e-7:
        return "differs", f"by {distance:.3g} from an output of norm {norm:.3g}"
    return "passed", ""


def is_unknown(operator, cases):
    """The operator is not in the table at all: no test of it gets further."""
    return all(f"{operator} ('" in text and not re.search(rf"{operator} \('[^']*':", text) for _, _, text in cases)


def print_table(results):
    counted = {name: [case for case in cases if case[1] != "uncounted"] for name, cases in results.items()}
    known = {name: cases for name, cases in sorted(counted.items()) if cases and not is_unknown(name, cases)}
    passed = sum(case[1] == "passed" for cases in known.values() for case in cases)
    print(f"{passed} of {sum(map(len, known.values()))}\n\n| operator | passed | of |\n|---|---|---|")
    for name, cases in known.items():
        print(f"| `{name}` | {sum(case[1] == 'passed' for case in cases)} | {len(cases)} |")


def main():
    program = sys.argv[1]
    wanted = [name for name in sys.argv[2:] if not name.startswith("--")]
    results = collections.defaultdict(list)
    for case in collect_testcases(None):
        operators = [node.op_type for node in case.model.graph.node]
        if len(operators) > 1 or (wanted and operators[0] not in wanted):
            continue  # tests of several operators are functions written out
        results[operators[0]].append((case.name.replace("test_", "", 1), *run(program, case)))
    if "--table" in sys.argv:
        return print_table(results)
    total = collections.Counter()
    for operator in sorted(results):
        cases = results[operator]
        counts = collections.Counter(verdict for _, verdict, _ in cases)
        total += counts
        print(f"{operator:28} {counts['passed']:3} of {len(cases)}")
        for name, verdict, text in cases:
            if verdict != "passed":
                print(f"    {verdict:9} {name}: {text[:220]}")
    print(dict(total))


if __name__ == "__main__":
    main()
