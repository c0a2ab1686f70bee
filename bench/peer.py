#!/usr/bin/env python3
"""stabilityd beside what its users would write instead: Python, PyTorch on one thread, and the same report.

    peer.py STABILITYD [--runs N] [CASE…]

Both get the same bytes, five times each in turn, in one run: the service over HTTP on a kept-alive connection, the peer in this process. The peer
decodes the JSON, builds the modules, runs forward and backward, takes the statistics of every output, output gradient and parameter
gradient, and writes JSON. Printed are medians and their ratio, and what PyTorch's forward and backward pass alone take beside the
service's compute time (from Server-Timing). Needs python3-torch.
"""
import argparse, base64, json, math, os, re, socket, statistics, subprocess, sys, time

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
os.environ.setdefault('OMP_NUM_THREADS', '1')
import torch
from torch import nn

torch.set_num_threads(1)


def chain(*layers):
    return [dict(layer, name=f'layer{i}') for i, layer in enumerate(layers)]


def linear(a, b):
    return {'type': 'Linear', 'in_features': a, 'out_features': b}


def mlp(sizes):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [linear(a, b), {'type': 'ReLU'}]
    return chain(*layers[:-1])


def resnet18(classes=10):
    layers = []

    def conv(name, source, a, b, kernel, stride):
        layers.append({'name': name, 'type': 'Conv2d', 'in_channels': a, 'out_channels': b, 'kernel_size': kernel, 'stride': stride,
                       'padding': kernel // 2, 'bias': False, 'inputs': [source]})
        layers.append({'name': name + 'n', 'type': 'BatchNorm2d', 'num_features': b})
        return name + 'n'

    def relu(name, source):
        layers.append({'name': name, 'type': 'ReLU', 'inputs': [source]})
        return name

    at = relu('stem', conv('conv1', 'input', 3, 64, 7, 2))
    layers.append({'name': 'pool', 'type': 'MaxPool2d', 'kernel_size': 3, 'stride': 2, 'padding': 1})
    at, a = 'pool', 64
    for stage, b in enumerate((64, 128, 256, 512)):
        for block in range(2):
            name, stride = f's{stage}b{block}', 2 if stage and not block else 1
            y = conv(name + 'c2', relu(name + 'r1', conv(name + 'c1', at, a, b, 3, stride)), b, b, 3, 1)
            short = conv(name + 'd', at, a, b, 1, stride) if stride > 1 else at
            layers.append({'name': name + 'add', 'type': 'Add', 'inputs': [y, short]})
            at, a = relu(name, name + 'add'), b
    layers.append({'name': 'gap', 'type': 'AdaptiveAvgPool2d', 'output_size': 1})
    layers.append({'name': 'flat', 'type': 'Flatten'})
    layers.append(dict(linear(512, classes), name='fc'))
    return layers


def transformer(blocks, d, heads):
    layers, at = [], 'input'

    def add(name, kind, source, **attributes):
        layers.append(dict(attributes, name=name, type=kind, inputs=source if isinstance(source, list) else [source]))
        return name

    for i in range(blocks):
        y = add(f'n1_{i}', 'LayerNorm', at, normalized_shape=d)
        y = add(f'att{i}', 'MultiheadAttention', y, embed_dim=d, num_heads=heads, batch_first=True)
        at = add(f'add1_{i}', 'Add', [at, y])
        y = add(f'n2_{i}', 'LayerNorm', at, normalized_shape=d)
        y = add(f'up{i}', 'Linear', y, in_features=d, out_features=4 * d)
        y = add(f'act{i}', 'GELU', y)
        y = add(f'down{i}', 'Linear', y, in_features=4 * d, out_features=d)
        at = add(f'add2_{i}', 'Add', [at, y])
    return layers


def lstm():
    return [{'name': 'lstm', 'type': 'LSTM', 'input_size': 256, 'hidden_size': 256, 'num_layers': 2}]


CLASSES, VALUES = 'CrossEntropyLoss', 'MSELoss'
CASES = {  # layers, input shape, target shape or classes, encoding of tensors
    'small-arrays': (mlp([64, 64, 64, 64, 10]), (32, 64), 10, 'arrays'),
    'small-base64': (mlp([64, 64, 64, 64, 10]), (32, 64), 10, 'base64'),
    'mid-arrays': (mlp([784, 512, 512, 512, 512, 10]), (128, 784), 10, 'arrays'),
    'mid-base64': (mlp([784, 512, 512, 512, 512, 10]), (128, 784), 10, 'base64'),
    'deep-base64': (mlp([256] * 51), (64, 256), 256, 'base64'),
    'wide-base64': (mlp([2048] * 7), (256, 2048), 2048, 'base64'),
    'resnet18-base64': (resnet18(), (8, 3, 64, 64), 10, 'base64'),
    'lstm-base64': (lstm(), (64, 32, 256), (64, 32, 256), 'base64'),
    'transformer-base64': (transformer(6, 256, 4), (8, 128, 256), (8, 128, 256), 'base64'),
}


# ---- the peer -----------------------------------------------------------------------------------------------------


def decode(value):
    if isinstance(value, dict):
        raw = bytearray(base64.b64decode(value['base64']))
        return torch.frombuffer(raw, dtype=getattr(torch, value['dtype'])).reshape(value['shape'])
    return torch.tensor(value)


def build(layers):
    skip = ('name', 'type', 'inputs')
    return {l['name']: getattr(nn, l['type'])(**{k: v for k, v in l.items() if k not in skip}) for l in layers if l['type'] != 'Add'}


def forward(layers, modules, x):
    values, at, outputs = {'input': x}, 'input', {}
    for l in layers:
        inputs = [values[i] for i in l.get('inputs', [at])]
        if l['type'] == 'Add':
            y = inputs[0] + inputs[1]
        elif l['type'] == 'MultiheadAttention':
            y = modules[l['name']](inputs[0], inputs[0], inputs[0], need_weights=False)[0]
        elif l['type'] == 'LSTM':
            y = modules[l['name']](inputs[0])[0]
        else:
            y = modules[l['name']](inputs[0])
        at = l['name']
        values[at] = outputs[at] = y
    return outputs


def summarise(t):
    t = t.detach()
    return {'mean': t.mean().item(), 'variance': t.var(unbiased=False).item(), 'min': t.min().item(), 'max': t.max().item(),
            'norm': t.norm().item(), 'zero_fraction': (t == 0).float().mean().item(), 'nan_count': int(torch.isnan(t).sum()),
            'inf_count': int(torch.isinf(t).sum())}


def peer(body):
    request = json.loads(body)
    layers = request['model']['layers']
    modules = build(layers)
    for name, module in modules.items():
        state = {k[len(name) + 1:]: decode(v) for k, v in request['weights'].items() if k.startswith(name + '.')}
        module.load_state_dict(state, strict=False)
    x, target = decode(request['data']['input']), decode(request['data']['target'])
    start = time.perf_counter()
    outputs = forward(layers, modules, x)
    for y in outputs.values():
        if y.requires_grad:
            y.retain_grad()
    loss = getattr(nn, request['model']['loss']['type'])()(outputs[layers[-1]['name']], target)
    loss.backward()
    passes = time.perf_counter() - start
    report = {'loss': loss.item(), 'layers': []}
    for name, y in outputs.items():
        parameters = modules[name].named_parameters() if name in modules else []
        report['layers'].append({
            'name': name, 'output': summarise(y), 'output_gradient': summarise(y.grad) if y.grad is not None else None,
            'parameters': {k: {'value': summarise(p), 'gradient': summarise(p.grad)} for k, p in parameters}})
    return json.dumps(report), passes


# ---- requests -----------------------------------------------------------------------------------------------------


def encode(t, encoding):
    if encoding == 'arrays':
        return t.tolist()
    return {'dtype': str(t.dtype).removeprefix('torch.'), 'shape': list(t.shape), 'base64': base64.b64encode(t.contiguous().numpy().tobytes()).decode()}


def request(layers, shape, target, encoding):
    torch.manual_seed(0)
    weights = {f'{n}.{k}': v for n, m in build(layers).items() for k, v in m.state_dict().items() if v.dtype == torch.float32}
    y = torch.randint(0, target, shape[:1]) if isinstance(target, int) else torch.randn(target)
    return json.dumps({
        'model': {'layers': layers, 'loss': {'type': CLASSES if isinstance(target, int) else VALUES}},
        'weights': {k: encode(v, encoding) for k, v in weights.items()},
        'data': {'input': encode(torch.randn(shape), encoding), 'target': encode(y, encoding)},
    }).encode()


# ---- the service ----------------------------------------------------------------------------------------------------


LENGTH = re.compile(rb'(?i)content-length: (\d+)')


def message(body, path='/v1/diagnose'):
    return f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body


class Service:
    """The program, and one kept-alive connection to it. The client is a bare socket: Python's http.client takes longer for
    a small request than the service does."""

    def __init__(self, program, threads=1):
        self.process = subprocess.Popen([program, 'serve', '--port', '0', '--threads', str(threads), '--max-body', str(1 << 30)],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.search(r':(\d+)', self.process.stdout.readline()).group(1))
        self.socket = socket.create_connection(('127.0.0.1', self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray(1 << 22)

    def exchange(self, message):
        """Sends a request; its answer is in `received` then, whose header ends at the offset that is returned first, and itself at
        the second one."""
        self.socket.sendall(message)
        count = self.socket.recv_into(self.received)
        start = self.received.find(b'\r\n\r\n') + 4
        end = start + int(LENGTH.search(self.received, 0, start).group(1))
        while count < end:
            arrived = self.socket.recv_into(memoryview(self.received)[count:])
            if arrived == 0:
                sys.exit('stabilityd closed the connection')
            count += arrived
        return start, end

    def answer(self, start, end):
        """The answer's bytes and, in milliseconds, what Server-Timing says."""
        header, body = bytes(self.received[:start]).decode(), bytes(self.received[start:end])
        if not header.startswith('HTTP/1.1 200 '):
            sys.exit(f'stabilityd: {body.decode()}')
        return body, dict(re.findall(r'(\w+);dur=([\d.]+)', header))

    def post(self, body, path='/v1/diagnose'):
        return self.answer(*self.exchange(message(body, path)))

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()


def turn_of(body):
    """Runs of one before it is the other's turn: each is measured as in use, with what it needs in the caches, which
    for a service that takes a fifth of a millisecond is there after some runs."""
    return 5 if len(body) > 1e6 else 50


def measure(service, body, runs):
    times = {'service': [], 'peer': [], 'compute': [], 'passes': []}
    posted = message(body)
    service.post(body), peer(body)
    while len(times['peer']) < runs:
        for _ in range(turn_of(body)):
            start = time.perf_counter()
            place = service.exchange(posted)
            times['service'].append(time.perf_counter() - start)
            report, timing = service.answer(*place)
            times['compute'].append(float(timing['compute']) / 1e3)
        for _ in range(turn_of(body)):
            start = time.perf_counter()
            answer, passes = peer(body)
            times['peer'].append(time.perf_counter() - start)
            times['passes'].append(passes)
    report = json.loads(report)
    loss, other = report['summary']['loss'], json.loads(answer)['loss']
    if not math.isclose(loss, other, rel_tol=1e-3):
        sys.exit(f'the losses differ: {loss} and PyTorch {other}')
    return {k: statistics.median(v) for k, v in times.items()}, report


HEADER = ['| request | body | PyTorch peer | stabilityd | ratio | PyTorch forward + backward | stabilityd compute | ratio |',
          '|---|---:|---:|---:|---:|---:|---:|---:|']


def compare(service, name, runs=0):
    """A line of the table, and what it was made of: medians, report, bytes of the body."""
    body = request(*CASES[name])
    t, report = measure(service, body, runs or max(5, min(400, int(4e7 / len(body)))))
    line = (f"| {name} | {len(body) / 1e6:.2f} MB | {1e3 * t['peer']:.2f} ms | {1e3 * t['service']:.2f} ms | {t['peer'] / t['service']:.2f} | "
            f"{1e3 * t['passes']:.2f} ms | {1e3 * t['compute']:.2f} ms | {t['passes'] / t['compute']:.2f} |")
    return line, t, report, len(body)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('program')
    parser.add_argument('cases', nargs='*', help=' '.join(CASES))
    parser.add_argument('--runs', type=int, default=0, help='by default as many as take some seconds')
    arguments = parser.parse_args()
    print('\n'.join(HEADER))
    service = Service(arguments.program)
    try:
        for name in arguments.cases or CASES:
            print(compare(service, name, arguments.runs)[0], flush=True)
    finally:
        service.close()


if __name__ == '__main__':
    main()
