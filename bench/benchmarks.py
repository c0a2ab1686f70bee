#!/usr/bin/env python3
"""All benchmarks in one run, and the page of them: docs/benchmarks.md. Needs python3-torch.

    benchmarks.py BUILD_DIRECTORY [--write FILE]
"""
import argparse, json, os, pathlib, platform, re, selectors, socket, statistics, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import peer
import torch
import torch.nn.utils.stateless
from torch import nn

ASKED = {'small-arrays': 10, 'small-base64': 10, 'mid-arrays': 6, 'mid-base64': 2.5, 'deep-base64': 4, 'wide-base64': 2,
         'resnet18-base64': 1.5, 'lstm-base64': 1.2, 'transformer-base64': 1.5}


def say(*lines):
    print(*lines, sep='\n', flush=True)
    return list(lines)


def bench(build, name):
    return subprocess.run([f'{build}/{name}'], capture_output=True, text=True, check=True).stdout


# ---- beside PyTorch ---------------------------------------------------------------------------------------------------


def memory_speed():
    """Bytes a second that one thread copies from memory to memory that is there."""
    source, best = torch.ones(1 << 26, dtype=torch.uint8), 1e9
    target = torch.empty_like(source)
    for _ in range(9):
        start = time.perf_counter()
        target.copy_(source)
        best = min(best, time.perf_counter() - start)
    return len(source) / best


def tensors_of(report):
    """Elements of all tensors that statistics were taken of."""
    def count(value):
        if isinstance(value, dict):
            return value['count'] if 'subnormal_count' in value else sum(map(count, value.values()))
        return sum(map(count, value)) if isinstance(value, list) else 0
    return count(report['layers'])


def share(name, t, report, body, speeds):
    whole = t['service']
    parts = [report['summary']['flops'] / speeds['products'], body / speeds['memory'], 4 * tensors_of(report) / speeds['memory']]
    other = whole - sum(parts)
    return f"| {name} | {1e3 * whole:.2f} ms | " + ' | '.join(f'{100 * part / whole:.0f} %' for part in [*parts, other]) + ' |'


def against_peer(program, speeds):
    lines = say('Medians of runs in turn, five of each (of small requests fifty), over a kept-alive connection, everything on one processor: PyTorch and the service have a thread each, '
                'and what the client takes to send is in the service\'s time. `asked` is the ratio that is aimed at.', '',
                '| request | body | PyTorch peer | stabilityd | ratio | asked | PyTorch forward + backward | stabilityd compute | ratio |',
                '|---|---:|---:|---:|---:|---:|---:|---:|---:|')
    shares = []
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(processors)})
    service = peer.Service(program)
    try:
        for name in peer.CASES:
            line, t, report, body = peer.compare(service, name)
            cells = line.split(' | ')
            lines += say(' | '.join([*cells[:5], str(ASKED[name]), *cells[5:]]))
            shares.append(share(name, t, report, body, speeds))
    finally:
        service.close()
        os.sched_setaffinity(0, processors)
    return lines, shares


def gradient_check(program):
    """All 26,122 parameters of a network, against torch.autograd.gradcheck: one run each."""
    layers, shape = peer.mlp([64, 128, 128, 10]), (32, 64)
    body = peer.request(layers, shape, 10, 'base64')
    service = peer.Service(program)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        answer, _ = service.post(body, '/v1/gradcheck')
        seconds.append(time.perf_counter() - start)
    service.close()
    report = json.loads(answer)
    sequence = nn.Sequential(*peer.build(layers).values()).double()
    x, y = torch.randn(shape).double(), torch.randint(0, 10, shape[:1])
    names = [name for name, _ in sequence.named_parameters()]

    def loss(*parameters):
        return nn.functional.cross_entropy(torch.nn.utils.stateless.functional_call(sequence, dict(zip(names, parameters)), x), y)

    start = time.perf_counter()
    torch.autograd.gradcheck(loss, tuple(p.detach().requires_grad_() for p in sequence.parameters()), raise_exception=False)
    other = time.perf_counter() - start
    count = sum(p['checked'] + p['skipped_at_kink'] for p in report['parameters'])
    own = statistics.median(seconds)
    return say(f'A full gradient check of {count:,} parameters takes {1e3 * own:.0f} ms over HTTP, `torch.autograd.gradcheck` {other:.1f} s: '
               f'{other / own:.0f} times (asked: 100).')


# ---- growth -----------------------------------------------------------------------------------------------------------


def drawn(widths, batch):
    return json.dumps({'model': {'layers': peer.mlp(widths), 'loss': {'type': 'MSELoss'}},
                       'data': {'input': {'random': 'normal', 'shape': [batch, widths[0]]},
                                'target': {'random': 'normal', 'shape': [batch, widths[-1]]}}}).encode()


def cpu_milliseconds(pid):
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f'/proc/{pid}/task').glob('*/schedstat')) / 1e6


def peak_megabytes(pid):
    return int(re.search(r'VmHWM:\s+(\d+)', pathlib.Path(f'/proc/{pid}/status').read_text()).group(1)) / 1024


def growth(program):
    lines = say('Multilayer perceptrons whose weights and data are drawn by the service; processor time of a request. Memory is the most that the process '
                'had, above what it has at rest.', '', '| depth | batch | width | operations | time | a GFLOP | planned | used |',
                '|---:|---:|---:|---:|---:|---:|---:|---:|')
    for depth, batch, width in ((5, 64, 256), (50, 64, 256), (500, 64, 256), (5, 1, 256), (5, 64, 256), (5, 4096, 256),
                                (5, 256, 8), (5, 256, 256), (5, 256, 4096)):
        service = peer.Service(program)
        service.post(drawn([8, 8], 1))
        rest = peak_megabytes(service.process.pid)
        times = []
        for _ in range(5):
            before = cpu_milliseconds(service.process.pid)
            answer, _ = service.post(drawn([width] * (depth + 1), batch))
            times.append(cpu_milliseconds(service.process.pid) - before)
            if sum(times) > 4000:
                break
        used = peak_megabytes(service.process.pid) - rest
        service.close()
        report = json.loads(answer)
        spent, flops = min(times), report['summary']['flops']
        lines += say(f"| {depth} | {batch} | {width} | {flops / 1e6:.3g} MFLOP | {spent:.2f} ms | {1e9 * spent / flops:.3g} ms | "
                     f"{report['summary']['planned_bytes'] / 1e6:.1f} MB | {used * 1.048576:.1f} MB |")
    return lines


# ---- many clients -------------------------------------------------------------------------------------------------------


class Client:
    """One connection that sends the same request again and again."""

    def __init__(self, port, message):
        self.socket, self.message, self.seconds = socket.create_connection(('127.0.0.1', port)), message, []
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send()

    def send(self):
        self.left, self.answer, self.start = None, b'', time.perf_counter()
        self.socket.sendall(self.message)

    def receive(self):
        data = self.socket.recv(1 << 18)
        if self.left is None:
            self.answer += data
            end = self.answer.find(b'\r\n\r\n')
            if end < 0:
                return
            if not self.answer.startswith(b'HTTP/1.1 200'):
                sys.exit(self.answer.decode())
            self.left = int(re.search(rb'Content-Length: (\d+)', self.answer).group(1)) - (len(self.answer) - end - 4)
        else:
            self.left -= len(data)
        if self.left == 0:
            self.seconds.append(time.perf_counter() - self.start)
            self.send()


def load(port, messages, seconds):
    """One connection for each message; gives their clients after the time."""
    selector, clients = selectors.DefaultSelector(), [Client(port, message) for message in messages]
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(0.1):
            key.data.receive()
    for client in clients:
        client.socket.close()
    return clients


def rate(program, threads, body, seconds):
    service = peer.Service(program, threads)
    service.post(body)
    clients = load(service.port, [peer.message(body)] * 2 * threads, seconds)
    service.close()
    return sum(len(client.seconds) for client in clients) / seconds


def milliseconds(values, share):
    return 1e3 * sorted(values)[min(len(values) - 1, int(share * len(values)))]


def many_clients(program):
    heavy, small = drawn([512] * 7, 128), peer.request(*peer.CASES['small-base64'])
    one, two = zip(*((rate(program, 1, heavy, 2), rate(program, 2, heavy, 2)) for _ in range(3)))
    one, two = statistics.median(one), statistics.median(two)
    lines = say(f'- Requests a second, 6 layers of 512, batch 128: {one:.0f} with one thread, {two:.0f} with two: {two / one:.2f} times (asked: 1.9).')
    service = peer.Service(program, 2)
    seconds = [s for client in load(service.port, [peer.message(small)] * 64, 5) for s in client.seconds[1:]]
    lines += say(f'- 64 connections of small requests, two threads: median {milliseconds(seconds, 0.5):.1f} ms, 99 % within '
                 f'{milliseconds(seconds, 0.99):.1f} ms: {milliseconds(seconds, 0.99) / milliseconds(seconds, 0.5):.1f} times (asked: below 5).')
    big = drawn([2048] * 7, 256)
    alone = load(service.port, [peer.message(small)], 3)[0].seconds
    beside = load(service.port, [peer.message(small), peer.message(big)], 6)
    lines += say(f'- A small request takes {milliseconds(alone, 0.5):.2f} ms alone, {milliseconds(beside[0].seconds, 0.5):.2f} ms (99 %: '
                 f'{milliseconds(beside[0].seconds, 0.99):.1f} ms) beside one that takes {milliseconds(beside[1].seconds, 0.5):.0f} ms.')
    service.close()
    return lines


def start_up(program):
    """From starting the process to its first answer, by a request that computes."""
    body, seconds = drawn([8, 8], 1), []
    for _ in range(11):
        start = time.perf_counter()
        service = peer.Service(program)
        service.post(body)
        seconds.append(time.perf_counter() - start)
        service.close()
    return say(f'- From the start of the process to the first report: {1e3 * statistics.median(seconds):.0f} ms (asked: below 50).')


# ---- the page -----------------------------------------------------------------------------------------------------------


def machine():
    text = pathlib.Path('/proc/cpuinfo').read_text()
    model = re.search(r'model name\s*: (.*)', text)
    wide = 'AVX-512' if ' avx512f ' in text else 'AVX2' if ' avx2 ' in text else platform.machine()
    blas = ', '.join(f'{k}={v}' for k, v in sorted(os.environ.items()) if k == 'OPENBLAS_CORETYPE')
    return (f"{model.group(1) if model else platform.processor()}, {os.cpu_count()} processors, {wide}; PyTorch {torch.__version__}, Python "
            f"{platform.python_version()}" + (f'; {blas}' if blas else ''))


PARSER = """## The parser of numbers

A request in arrays is digits for 99 %. `input_bench` has the speeds of `server/input/number_list.c`, `strtod` and jansson. simdjson 3.0.1,
which Debian has, read the same text at 955 MB/s (on demand; 715 as a DOM) where the first version of this parser read 1,090. So the parser
is the project's own: it is faster than a library would be, reads straight into the tensor's memory and keeps the offset of every error,
needs no C++ and no copy of the body with padding behind it. It follows Lemire (2021) and Mushtak and Lemire (2022), and rounds correctly:
`tests/fuzz/fuzz_number.c` compares it with `strtod`, bit by bit, and `tests/fuzz/fuzz_request.c` compares what is JSON and what is not with
jansson. jansson sees what is left of the request."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('build')
    parser.add_argument('--write', help='the page')
    arguments = parser.parse_args()
    busy = os.getloadavg()[0]
    program = f'{arguments.build}/stabilityd'
    products = bench(arguments.build, 'product_bench')
    library, kernels = (float(x) * 1e9 for x in re.findall(r'([\d.]+) GFLOP', products))
    speeds = {'products': max(library, kernels), 'memory': memory_speed()}
    peers, shares = against_peer(program, speeds)
    checked = gradient_check(program)
    growing = growth(program)
    clients = many_clients(program) + start_up(program)
    page = ['# Benchmarks', '', 'Written by `script/bench`: what a user would write instead, in Python with PyTorch, in the same run as the service, and the '
            'service alone.', '', f'Machine: {machine()}. Ratios count, not milliseconds. Before the run, {busy:.1f} other processes were running or waiting for a processor: '
            'with more than a few tenths, the figures for several threads say little.', '', '## Beside PyTorch', '',
            'The peer decodes the JSON, builds the modules, runs forward and backward, takes the statistics of every output, output gradient and',
            'parameter gradient, and writes JSON (`bench/peer.py`). The last three columns are the two passes alone, without statistics for PyTorch,',
            'with them for the service.', '', *peers, '', *checked, '', '## Where the time goes', '',
            f"Of the service's time, what matrix products take at {speeds['products'] / 1e9:.0f} GFLOP/s (OpenBLAS here: {library / 1e9:.0f}, own kernels: "
            f"{kernels / 1e9:.0f}), what copying",
            f"the body takes at {speeds['memory'] / 1e9:.1f} GB/s, one pass over each tensor at the same speed, and all the rest.", '',
            '| request | time | products | body | tensors | rest |', '|---|---:|---:|---:|---:|---:|', *shares, '', '## Growth', '', *growing, '',
            '## Many clients', '', *clients, '', '## Parts', '', *(part for name in ('product_bench', 'statistics_bench', 'input_bench', 'engine_bench')
                                                                   for part in (f'`{name}`:', '', '```', bench(arguments.build, name).rstrip(), '```', '')), PARSER]
    if arguments.write:
        pathlib.Path(arguments.write).write_text('\n'.join(page) + '\n')


if __name__ == '__main__':
    main()
