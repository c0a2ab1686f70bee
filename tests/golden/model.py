"""A request on the wire, run by PyTorch: statistics of every output, every gradient and every parameter."""
import base64

import torch

from build import build_layer, build_loss

NOT_ATTRIBUTES = ('name', 'type', 'inputs', 'init', 'weights_from')


def encode(tensor, dtype='float32'):
    raw = tensor.detach().to(getattr(torch, dtype)).contiguous().numpy().tobytes()
    return {'dtype': dtype, 'shape': list(tensor.shape), 'base64': base64.b64encode(raw).decode()}


def attributes_of(item):
    return {name: value for name, value in item.items() if name not in NOT_ATTRIBUTES}


def statistics(tensor):
    values = tensor.detach().double().reshape(-1)
    return {'count': values.numel(), 'mean': values.mean().item(), 'variance': values.var(unbiased=False).item(),
            'min': values.min().item(), 'max': values.max().item(), 'norm': values.norm().item(),
            'zero_fraction': (values == 0).double().mean().item()}


class Model:
    """The layers of a request, initialised by PyTorch from `seed`; every number is exact in float32."""

    def __init__(self, request, seed):
        torch.manual_seed(seed)
        self.request = request
        self.runs, self.modules = {}, {}
        for layer in request['layers']:
            self.runs[layer['name']], module = build_layer(layer['type'], attributes_of(layer), torch.float64)
            if module is not None:
                self.modules[layer['name']] = module
                self.round(module)
        for layer in request['layers']:
            if 'weights_from' in layer:
                self.share(layer['name'], layer['weights_from'])

    @staticmethod
    def round(module):
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                if buffer.is_floating_point():
                    buffer.copy_(torch.rand_like(buffer) + 0.5 if name.endswith('var') else torch.randn_like(buffer) / 4)
            for parameter in module.parameters():
                if parameter.dim() == 1:  # a norm's scale of 1 and shift of 0 would hide mistakes
                    parameter.add_(torch.randn_like(parameter) / 4)
            for tensor in list(module.parameters()) + list(module.buffers()):
                tensor.copy_(tensor.float() if tensor.is_floating_point() else tensor)

    def share(self, name, owner):
        for key in [key for key, _ in self.modules[name].named_parameters()]:
            setattr(self.modules[name], key, getattr(self.modules[owner], key))

    def owned(self):
        """(layer, parameter, tensor) of each parameter, under the layer that owns it."""
        shared = {layer['name'] for layer in self.request['layers'] if 'weights_from' in layer}
        return [(layer, name, parameter) for layer, module in self.modules.items() if layer not in shared
                for name, parameter in module.named_parameters()]

    def weights(self):
        buffers = [(layer, name, buffer) for layer, module in self.modules.items()
                   for name, buffer in module.named_buffers() if buffer.is_floating_point()]
        return {f'{layer}.{name}': encode(tensor) for layer, name, tensor in self.owned() + buffers}

    def forward(self, data):
        environment = dict(data)
        previous = self.request.get('inputs', ['input'])[0]
        outputs = {}
        for layer in self.request['layers']:
            name = layer['name']
            inputs = [] if layer['type'] in ('Parameter', 'Constant') else layer.get('inputs', [previous])
            for key, tensor in self.runs[name](*[environment[i] for i in inputs]).items():
                environment[name if key == '-' else f'{name}.{key}'] = tensor
            outputs[name] = environment[name]
            if outputs[name].requires_grad:
                outputs[name].retain_grad()
            previous = name
        loss = dict(self.request['loss'])
        inputs = [environment[i] for i in loss.pop('inputs', [previous])]
        kind = loss.pop('type')
        tensors = {k: torch.tensor(v, dtype=torch.float64) if isinstance(v, list) else v for k, v in loss.items()}
        return outputs, build_loss(kind, tensors, torch.float64)(*inputs, data['target'])

    def expected(self, data, mode):
        saved = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in self.modules.items()}
        for module in self.modules.values():
            module.train(mode == 'train')
            module.zero_grad()
        outputs, loss = self.forward(data)
        loss.backward()
        layers = {name: {'output_shape': list(tensor.shape), 'output': statistics(tensor),
                         'output_gradient': None if tensor.grad is None else statistics(tensor.grad), 'parameters': {}}
                  for name, tensor in outputs.items()}
        for layer, name, parameter in self.owned():
            layers[layer]['parameters'][name] = {
                'value': statistics(parameter),
                'gradient': None if parameter.grad is None else statistics(parameter.grad)}
        gradients = [p.grad.reshape(-1) for _, _, p in self.owned() if p.grad is not None]
        for name, module in self.modules.items():
            module.load_state_dict(saved[name])
        return {'loss': loss.item(), 'gradient_norm': torch.cat(gradients).norm().item(),
                'parameter_count': sum(p.numel() for _, _, p in self.owned()), 'layers': layers}
