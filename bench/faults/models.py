"""Models as requests, drawn at random: MLPs, convolutional and residual networks, recurrent ones and transformers.

A model is a list of layers that is built up by Network; weights that a request leaves out are drawn by the engine as
PyTorch draws them.
"""
RECTIFIERS = ['ReLU', 'LeakyReLU', 'ELU', 'SELU', 'GELU', 'SiLU', 'Mish', 'CELU', 'Hardswish']


class Network:
    """A request that grows layer by layer."""

    def __init__(self, seed, batch):
        self.layers, self.init, self.batch, self.seed = [], {}, batch, seed
        self.data, self.weights, self.options = {}, {}, {'seed': seed}
        self.loss = None

    def add(self, kind, inputs=None, **attributes):
        """Adds a layer and returns its name."""
        name = f'{kind.lower()}{len(self.layers)}'
        layer = {'name': name, 'type': kind, **attributes}
        if inputs is not None:
            layer['inputs'] = [inputs] if isinstance(inputs, str) else list(inputs)
        self.layers.append(layer)
        return name

    def read(self, shape, kind='normal', **arguments):
        """Sets the model's input."""
        self.data['input'] = {'random': kind, 'shape': [self.batch, *shape], 'seed': self.seed + 1, **arguments}

    def classify(self, classes, loss='CrossEntropyLoss'):
        """A loss over classes that are drawn at random."""
        self.loss = {'type': loss}
        self.data['target'] = {'random': 'randint', 'low': 0, 'high': classes, 'shape': [self.batch],
                               'seed': self.seed + 2}

    def regress(self, features, loss='MSELoss', kind='normal', **arguments):
        """A loss over targets of the output's shape."""
        self.loss = {'type': loss}
        self.data['target'] = {'random': kind, 'shape': [self.batch, features], 'seed': self.seed + 2, **arguments}

    def request(self):
        """The request as a value that json can write."""
        options = dict(self.options)
        if self.init:
            options['init'] = self.init
        return {'model': {'name': f'seed-{self.seed}', 'layers': self.layers, 'loss': self.loss},
                'weights': self.weights, 'data': self.data, 'options': options}


def linear(net, inputs, outputs, **more):
    """A Linear layer."""
    return net.add('Linear', in_features=inputs, out_features=outputs, **more)


def head(net, draw, features):
    """The last layer and a loss."""
    kind = draw.choice(['classes', 'classes', 'regression', 'labels'])
    outputs = draw.choice([2, 10, 100]) if kind == 'classes' else draw.choice([1, 3, 10])
    linear(net, features, outputs)
    if kind == 'classes':
        if draw.random() < 0.2:
            net.add('LogSoftmax', dim=1)
            net.classify(outputs, 'NLLLoss')
        else:
            net.classify(outputs)
    elif kind == 'regression':
        net.regress(outputs, draw.choice(['MSELoss', 'L1Loss', 'SmoothL1Loss', 'HuberLoss']))
    else:
        net.regress(outputs, 'BCEWithLogitsLoss', 'uniform', low=0, high=1)


def read_features(net, draw, features):
    """Data as it is usually prepared."""
    if draw.random() < 0.6:
        net.read([features])
    else:
        net.read([features], 'uniform', low=0, high=1)


def mlp(draw, seed):
    """Linear layers and activations, plain or normalised."""
    net = Network(seed, draw.choice([1, 2, 8, 32, 64, 128, 256]))
    width, features = draw.choice([16, 32, 64, 128, 256]), draw.choice([2, 8, 32, 64, 256])
    activation = draw.choice([*RECTIFIERS, 'Tanh', 'Softsign', 'Softplus', 'Sigmoid'])
    deepest = {'Sigmoid': 3, 'Softplus': 5}.get(activation, 8)
    norm = draw.choice([None, None, None, 'LayerNorm', 'BatchNorm1d', 'RMSNorm'])
    if norm == 'BatchNorm1d' and net.batch < 8:
        norm = None
    if draw.random() < 0.4:
        scheme = {'Tanh': 'xavier_uniform_', 'Softsign': 'xavier_normal_', 'Sigmoid': 'xavier_normal_'}
        net.init = {'weight': {'init': scheme.get(activation, draw.choice(['kaiming_uniform_', 'kaiming_normal_',
                                                                          'orthogonal_']))}}
        if 'kaiming' in net.init['weight']['init']:
            net.init['weight']['nonlinearity'] = 'relu'
        if norm:
            net.init = {}
    read_features(net, draw, features)
    for _ in range(draw.randint(1, deepest)):
        linear(net, features, width)
        features = width
        if norm == 'BatchNorm1d':
            net.add(norm, num_features=width)
        elif norm:
            net.add(norm, normalized_shape=[width])
        net.add(activation)
        if draw.random() < 0.1:
            net.add('Dropout', p=draw.choice([0.1, 0.5]))
    head(net, draw, features)
    return net


def conv(net, inputs, outputs, **more):
    """A 3 by 3 convolution that keeps the size."""
    return net.add('Conv2d', in_channels=inputs, out_channels=outputs, kernel_size=3, padding=1, **more)


def cnn(draw, seed):
    """Convolutions, pooling, one or two Linear layers."""
    net = Network(seed, draw.choice([1, 4, 16, 32]))
    channels, size = draw.choice([1, 3]), draw.choice([8, 16])
    normalised, activation = draw.random() < 0.5, draw.choice(['ReLU', 'GELU', 'SiLU', 'LeakyReLU', 'Tanh'])
    net.read([channels, size, size], *(['normal'] if draw.random() < 0.5 else ['uniform']))
    for _ in range(draw.randint(1, 4)):
        width = draw.choice([8, 16, 32])
        conv(net, channels, width)
        channels = width
        if normalised:
            net.add('BatchNorm2d', num_features=width)
        net.add(activation)
        if size > 4 and draw.random() < 0.5:
            net.add(draw.choice(['MaxPool2d', 'AvgPool2d']), kernel_size=2)
            size //= 2
    if draw.random() < 0.5:
        net.add('AdaptiveAvgPool2d', output_size=1)
        size = 1
    net.add('Flatten')
    head(net, draw, channels * size * size)
    return net


def resnet(draw, seed):
    """Residual blocks with batch normalisation, the last one of each at zero or not."""
    net = Network(seed, draw.choice([4, 8, 16]))
    width, zero = draw.choice([8, 16, 32]), draw.random() < 0.4
    net.read([3, 8, 8])
    conv(net, 3, width, bias=False)
    net.add('BatchNorm2d', num_features=width)
    skip = net.add('ReLU')
    for _ in range(draw.randint(2, 8)):
        conv(net, width, width, bias=False)
        net.add('BatchNorm2d', num_features=width)
        net.add('ReLU')
        conv(net, width, width, bias=False)
        last = net.add('BatchNorm2d', num_features=width, **({'init': {'weight': {'init': 'zeros_'}}} if zero else {}))
        net.add('Add', [last, skip])
        skip = net.add('ReLU')
    net.add('AdaptiveAvgPool2d', output_size=1)
    net.add('Flatten')
    head(net, draw, width)
    return net


def recurrent(draw, seed):
    """RNN, LSTM or GRU over a sequence; its last step is read."""
    net = Network(seed, draw.choice([1, 8, 32]))
    kind, hidden, features = draw.choice(['RNN', 'LSTM', 'GRU']), draw.choice([16, 32, 64]), draw.choice([4, 16])
    length = draw.choice([1, 5, 20] if kind == 'RNN' else [1, 5, 20, 50])
    net.read([length, features])
    net.add(kind, input_size=features, hidden_size=hidden, num_layers=draw.choice([1, 2]), batch_first=True)
    net.add('Select', dim=1, index=-1)
    head(net, draw, hidden)
    return net


def transformer(draw, seed):
    """Embedded tokens, encoder layers, the mean over tokens."""
    net = Network(seed, draw.choice([1, 4, 16]))
    width, length, words = draw.choice([16, 32, 64]), draw.choice([4, 16, 32]), 100
    net.read([length], 'randint', low=0, high=words)
    net.add('Embedding', num_embeddings=words, embedding_dim=width)
    for _ in range(draw.randint(1, 6)):
        net.add('TransformerEncoderLayer', d_model=width, nhead=4, dim_feedforward=2 * width, batch_first=True,
                norm_first=draw.random() < 0.5, activation=draw.choice(['relu', 'gelu']), dropout=0.1)
    if draw.random() < 0.5:
        net.add('LayerNorm', normalized_shape=[width])
    net.add('Mean', dim=1)
    head(net, draw, width)
    return net


FAMILIES = [mlp, mlp, cnn, resnet, recurrent, transformer]
