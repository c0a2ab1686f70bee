"""Recurrent functions, a step after another: cells, and sequences that start from a given state or are packed. (Sequences that
start from zeros are layers of the service.)"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import torch
from torch.nn import functional

from .call import Call, Handler, composed

State = tuple[torch.Tensor, ...]
Weights = Sequence[Optional[torch.Tensor]]  # w_ih, w_hh, b_ih, b_hh and, of an LSTM with projections, w_hr


def _gates(x: torch.Tensor, h: torch.Tensor, w: Weights) -> tuple[torch.Tensor, torch.Tensor]:
    return functional.linear(x, w[0], w[2]), functional.linear(h, w[1], w[3])  # type: ignore[arg-type]


def _rnn_step(x: torch.Tensor, state: State, w: Weights, activation: Callable[[torch.Tensor], torch.Tensor]) -> State:
    of_x, of_h = _gates(x, state[0], w)
    return (activation(of_x + of_h),)


def _lstm_step(x: torch.Tensor, state: State, w: Weights, *_: Any) -> State:
    of_x, of_h = _gates(x, state[0], w)
    i, f, g, o = (of_x + of_h).chunk(4, -1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return (h if len(w) < 5 else functional.linear(h, w[4]), c)  # type: ignore[arg-type]


def _gru_step(x: torch.Tensor, state: State, w: Weights, *_: Any) -> State:
    of_x, of_h = _gates(x, state[0], w)
    (xr, xz, xn), (hr, hz, hn) = of_x.chunk(3, -1), of_h.chunk(3, -1)
    z = torch.sigmoid(xz + hz)
    n = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
    return (n + z * (state[0] - n),)


_STEPS: dict[str, tuple[Callable[..., State], Any]] = {
    "lstm": (_lstm_step, None), "gru": (_gru_step, None), "rnn_tanh": (_rnn_step, torch.tanh), "rnn_relu": (_rnn_step, torch.relu),
}  # fmt: skip


def _cell(kind: str) -> Handler:
    step, activation = _STEPS[kind]

    def cell(input: torch.Tensor, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        state = step(input, tuple(hx) if kind == "lstm" else (hx,), (w_ih, w_hh, b_ih, b_hh), activation)
        return state if kind == "lstm" else state[0]

    return composed(cell)


def _direction(steps: Sequence[torch.Tensor], state: State, w: Weights, kind: str, reverse: bool) -> tuple[list[torch.Tensor], State]:
    """The outputs of all steps, each of its own batch size: longer sequences first, as packed ones are. Returns the last state
    of each sequence too."""
    step, activation = _STEPS[kind]
    outputs: dict[int, torch.Tensor] = {}
    first, size = state, steps[-1].shape[0] if reverse else steps[0].shape[0]
    ended: list[State] = []
    state = tuple(s[:size] if s.shape[0] != size else s for s in state)
    for index in reversed(range(len(steps))) if reverse else range(len(steps)):
        x, size = steps[index], state[0].shape[0]
        if x.shape[0] > size:  # sequences that begin here
            state = tuple(torch.cat([s, f[size : x.shape[0]]]) for s, f in zip(state, first))
        elif x.shape[0] < size:  # sequences that have ended
            ended.insert(0, tuple(s[x.shape[0] :] for s in state))
            state = tuple(s[: x.shape[0]] for s in state)
        state = step(x, state, w, activation)
        outputs[index] = state[0]
    last = [state, *ended]
    whole = state if len(last) == 1 else tuple(torch.cat([part[i] for part in last]) for i in range(len(state)))
    return [outputs[i] for i in range(len(steps))], whole


def _run(
    steps: Sequence[torch.Tensor], state: State, flat: Sequence[torch.Tensor], kind: str, biases: bool, layers: int, dropout: float,
    training: bool, bidirectional: bool,
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:  # fmt: skip
    """Outputs of the steps; last states, stacked by layer and direction."""
    directions = 2 if bidirectional else 1
    count = len(flat) // (layers * directions)
    lasts: list[State] = []
    for layer in range(layers):
        made = []
        for direction in range(directions):
            at = layer * directions + direction
            given: list[Optional[torch.Tensor]] = list(flat[at * count : (at + 1) * count])
            weights = given if biases else [*given[:2], None, None, *given[2:]]
            outputs, last = _direction(steps, tuple(s[at] for s in state), weights, kind, direction == 1)
            made.append(outputs)
            lasts.append(last)
        steps = [torch.cat(parts, -1) if directions == 2 else parts[0] for parts in zip(*made)]
        if dropout and training and layer + 1 < layers:
            steps = [functional.dropout(step, dropout) for step in steps]
    return list(steps), [torch.stack([last[i] for last in lasts]) for i in range(len(lasts[0]))]


def _sequence(kind: str) -> Handler:
    def padded(
        input: torch.Tensor, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool,
        batch_first: bool,
    ) -> Any:  # fmt: skip
        dim = 1 if batch_first else 0
        state = tuple(hx) if kind == "lstm" else (hx,)
        steps, lasts = _run(input.unbind(dim), state, params, kind, has_biases, num_layers, dropout, train, bidirectional)
        return (torch.stack(steps, dim), *lasts)

    def packed(
        data: torch.Tensor, batch_sizes: torch.Tensor, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float,
        train: bool, bidirectional: bool,
    ) -> Any:  # fmt: skip
        state = tuple(hx) if kind == "lstm" else (hx,)
        steps = data.split_with_sizes(batch_sizes.tolist(), 0)
        outputs, lasts = _run(steps, state, params, kind, has_biases, num_layers, dropout, train, bidirectional)
        return (torch.cat(outputs, 0), *lasts)

    def handle(call: Call) -> None:
        call.replay(packed if len(call.args) > 3 and isinstance(call.args[3], (list, tuple)) else padded)

    return handle


def _pack(input: torch.Tensor, lengths: torch.Tensor, batch_first: bool) -> Any:
    steps = input.unbind(1 if batch_first else 0)
    sizes = [int((lengths > t).sum()) for t in range(int(lengths.max()))]
    return torch.cat([steps[t][:size] for t, size in enumerate(sizes)], 0), torch.tensor(sizes)


def _unpack(data: torch.Tensor, batch_sizes: torch.Tensor, batch_first: bool, padding_value: float, total_length: int) -> Any:
    sizes = batch_sizes.tolist()
    steps = [functional.pad(step, [0, 0] * (step.dim() - 1) + [0, sizes[0] - step.shape[0]], value=padding_value) for step in data.split_with_sizes(sizes, 0)]
    steps += [torch.full_like(steps[0], padding_value).detach()] * (total_length - len(steps))
    return torch.stack(steps, 1 if batch_first else 0), torch.tensor([sum(size > i for size in sizes) for i in range(sizes[0])])


HANDLERS: dict[str, Handler] = {
    "lstm_cell": _cell("lstm"), "gru_cell": _cell("gru"), "rnn_tanh_cell": _cell("rnn_tanh"), "rnn_relu_cell": _cell("rnn_relu"),
    "lstm": _sequence("lstm"), "gru": _sequence("gru"), "rnn_tanh": _sequence("rnn_tanh"), "rnn_relu": _sequence("rnn_relu"),
    "pack_padded_sequence": composed(_pack), "pad_packed_sequence": composed(_unpack),
}  # fmt: skip
