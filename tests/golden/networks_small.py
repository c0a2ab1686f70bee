"""Networks of the first layer types."""
from network_parts import BOTH, conv, layer, linear, norm


def mlp():
    """Every activation, LayerNorm, a residual Add and a Concat."""
    layers, size = [], 11
    for index, (kind, attributes) in enumerate([
            ('ReLU', {}), ('LeakyReLU', {'negative_slope': 0.125}), ('ELU', {'alpha': 0.75}), ('SELU', {}), ('GELU', {}),
            ('GELU', {'approximate': 'tanh'}), ('Sigmoid', {}), ('Tanh', {}), ('Softmax', {'dim': 1}), ('Identity', {})]):
        layers += [linear(f'fc{index}', size, 13), layer(f'act{index}', kind, **attributes)]
        size = 13
    layers += [layer('residual', 'Add', ['act9', 'act7']), layer('norm', 'LayerNorm', normalized_shape=13),
               layer('both', 'Concat', ['norm', 'input'], dim=1), linear('logits', 24, 5)]
    return {'layers': layers, 'loss': {'type': 'CrossEntropyLoss', 'label_smoothing': 0.0625}}


def gated_mlp():
    """BatchNorm1d, a gate that broadcasts, two inputs, a layer that the loss does not read."""
    return {'inputs': ['left', 'right'], 'layers': [
        linear('fc1', 5, 7, ['left']), layer('bn1', 'BatchNorm1d', num_features=7), layer('act1', 'SELU'),
        linear('fc2', 3, 7, ['right'], bias=False),
        layer('bn2', 'BatchNorm1d', num_features=7, affine=False, momentum=0.5), layer('act2', 'ELU'),
        linear('gate', 3, 1, ['right']), layer('open', 'Sigmoid'),
        layer('gated', 'Mul', ['act1', 'open']), layer('sum', 'Add', ['gated', 'act2']),
        linear('unread', 7, 2, ['act1']), linear('out', 7, 4, ['sum'])],
        'loss': {'type': 'BCEWithLogitsLoss', 'pos_weight': [0.5, 1.0, 2.0, 4.0]}}


def cnn():
    """Convolutions with stride, groups and padding, BatchNorm2d, two residual blocks, MaxPool2d."""
    return {'layers': [
        conv('stem', 3, 8, padding=1, bias=False), norm('bn0', 8), layer('act0', 'ReLU'),
        conv('conv1', 8, 8, padding='same'), norm('bn1', 8), layer('act1', 'ReLU'),
        conv('conv2', 8, 8, padding=1, groups=4), norm('bn2', 8), layer('add1', 'Add', ['bn2', 'act0']),
        layer('act2', 'ReLU'), conv('conv3', 8, 6, stride=2, padding=1, padding_mode='circular'), norm('bn3', 6),
        layer('act3', 'LeakyReLU'),
        conv('shortcut', 8, 6, ['act2'], kernel_size=1, stride=2), layer('add2', 'Add', ['act3', 'shortcut']),
        layer('pool', 'MaxPool2d', kernel_size=3, stride=2, padding=1, ceil_mode=True), layer('flat', 'Flatten'),
        linear('logits', 72, 5), layer('log', 'LogSoftmax', dim=1)],
        'loss': {'type': 'NLLLoss', 'weight': [1.0, 0.5, 2.0, 0.25, 1.5]}}


def dropout():
    return {'layers': [linear('fc1', 6, 9), layer('act', 'Tanh'), layer('drop', 'Dropout', p=0.3), linear('fc2', 9, 2)],
            'loss': {'type': 'MSELoss', 'reduction': 'sum'}}


# name: (model, {input: shape, or (shape, classes) for integers}, modes)
NETWORKS = {
    'mlp': (mlp(), {'input': (7, 11), 'target': ((7,), 5)}, BOTH),
    'gated-mlp': (gated_mlp(), {'left': (6, 5), 'right': (6, 3), 'target': ((6, 4), 2)}, BOTH),
    'cnn': (cnn(), {'input': (3, 3, 11, 10), 'target': ((3,), 5)}, BOTH),
    'dropout': (dropout(), {'input': (5, 6), 'target': (5, 2)}, ('eval',)),
}
