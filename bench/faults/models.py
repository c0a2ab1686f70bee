"""Models as requests, drawn at random: MLPs, convolutional and residual networks, recurrent ones, transformers, U-Nets, mixers.

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


def residual_mlp(draw, seed):
    """Blocks that normalise, go wide and back, and add what they read."""
    net = Network(seed, draw.choice([8, 32, 128]))
    width, features = draw.choice([16, 32, 64]), draw.choice([4, 16, 64])
    read_features(net, draw, features)
    skip = linear(net, features, width)
    for _ in range(draw.randint(2, 12)):
        net.add('LayerNorm', skip, normalized_shape=[width])
        linear(net, width, 2 * width)
        net.add(draw.choice(['GELU', 'SiLU', 'ReLU']))
        last = linear(net, 2 * width, width)
        skip = net.add('Add', [skip, last])
    net.add('LayerNorm', normalized_shape=[width])
    head(net, draw, width)
    return net


def vit(draw, seed):
    """Patches by a strided convolution, pre-norm encoder layers, the mean over patches."""
    net = Network(seed, draw.choice([2, 4, 8]))
    width, size = draw.choice([16, 32, 64]), draw.choice([8, 16])
    patches = (size // 4) ** 2
    net.read([3, size, size], *(['normal'] if draw.random() < 0.5 else ['uniform']))
    net.add('Conv2d', in_channels=3, out_channels=width, kernel_size=4, stride=4)
    net.add('Flatten', start_dim=2)
    tokens = net.add('Transpose', dim0=1, dim1=2)
    position = net.add('Parameter', [], shape=[1, patches, width], init={'weight': {'init': 'normal_', 'std': 0.02}})
    net.add('Add', [tokens, position])
    for _ in range(draw.randint(2, 6)):
        net.add('TransformerEncoderLayer', d_model=width, nhead=4, dim_feedforward=4 * width, batch_first=True,
                norm_first=True, activation='gelu', dropout=draw.choice([0.0, 0.1]))
    net.add('LayerNorm', normalized_shape=[width])
    net.add('Mean', dim=1)
    head(net, draw, width)
    return net


def unet(draw, seed):
    """Down, up, and what was on the way down joined on the way up; a number for every pixel."""
    net = Network(seed, draw.choice([2, 4]))
    width, normalised = draw.choice([8, 16]), draw.random() < 0.6
    activation = draw.choice(['ReLU', 'SiLU', 'LeakyReLU'])

    def block(inputs, outputs):
        name = conv(net, inputs, outputs)
        if normalised:
            net.add('BatchNorm2d', num_features=outputs)
        name = net.add(activation)
        return name

    net.read([3, 16, 16])
    first = block(3, width)
    net.add('MaxPool2d', kernel_size=2)
    second = block(width, 2 * width)
    net.add('MaxPool2d', kernel_size=2)
    block(2 * width, 4 * width)
    net.add('Upsample', scale_factor=2)
    block(4 * width, 2 * width)
    net.add('Concat', [net.layers[-1]['name'], second], dim=1)
    block(4 * width, 2 * width)
    net.add('ConvTranspose2d', in_channels=2 * width, out_channels=width, kernel_size=2, stride=2)
    net.add('Concat', [net.layers[-1]['name'], first], dim=1)
    block(2 * width, width)
    net.add('Conv2d', in_channels=width, out_channels=1, kernel_size=1)
    net.loss = {'type': draw.choice(['BCEWithLogitsLoss', 'MSELoss'])}
    net.data['target'] = {'random': 'uniform', 'low': 0, 'high': 1, 'shape': [net.batch, 1, 16, 16], 'seed': seed + 2}
    return net


def mixer(draw, seed):
    """An MLP-mixer: over tokens, then over channels."""
    net = Network(seed, draw.choice([2, 8]))
    width, tokens = draw.choice([16, 32]), draw.choice([8, 16])
    net.read([tokens, width])
    skip = 'input'
    for _ in range(draw.randint(1, 6)):
        net.add('LayerNorm', skip, normalized_shape=[width])
        net.add('Transpose', dim0=1, dim1=2)
        linear(net, tokens, 2 * tokens)
        net.add('GELU')
        linear(net, 2 * tokens, tokens)
        back = net.add('Transpose', dim0=1, dim1=2)
        skip = net.add('Add', [skip, back])
        net.add('LayerNorm', normalized_shape=[width])
        linear(net, width, 2 * width)
        net.add('GELU')
        last = linear(net, 2 * width, width)
        skip = net.add('Add', [skip, last])
    net.add('LayerNorm', normalized_shape=[width])
    net.add('Mean', dim=1)
    head(net, draw, width)
    return net


def text(draw, seed):
    """Embedded words, a recurrent network of one or two layers and directions, a class or a number."""
    net = Network(seed, draw.choice([4, 16]))
    words, width, hidden = draw.choice([50, 500]), draw.choice([8, 32]), draw.choice([16, 32])
    both = draw.random() < 0.4
    net.read([draw.choice([5, 20, 40])], 'randint', low=0, high=words)
    net.add('Embedding', num_embeddings=words, embedding_dim=width)
    if draw.random() < 0.3:
        net.add('Dropout', p=0.1)
    net.add(draw.choice(['GRU', 'LSTM']), input_size=width, hidden_size=hidden, num_layers=draw.choice([1, 2]),
            bidirectional=both, batch_first=True)
    net.add(*draw.choice([('Mean', None), ('Max', None)]), dim=1)
    head(net, draw, hidden * (2 if both else 1))
    return net


def long_gated(draw, seed):
    """An LSTM or a GRU over a long sequence; its last step is read."""
    net = Network(seed, draw.choice([1, 4, 16]))
    kind, hidden, features = draw.choice(['LSTM', 'GRU']), draw.choice([8, 16, 32, 64]), draw.choice([1, 4, 16, 64])
    net.read([draw.choice([50, 100, 200]), features])
    net.add(kind, input_size=features, hidden_size=hidden, num_layers=draw.choice([1, 1, 2]), batch_first=True,
            bidirectional=draw.random() < 0.2)
    net.add('Select', dim=1, index=-1)
    head(net, draw, hidden * (2 if net.layers[0]['bidirectional'] else 1))
    return net


def deep_recurrent(draw, seed):
    """Tanh RNNs of several layers over short sequences."""
    net = Network(seed, draw.choice([8, 16]))
    hidden, features = draw.choice([16, 32, 64]), draw.choice([4, 8])
    net.read([draw.choice([5, 10, 20]), features])
    net.add('RNN', input_size=features, hidden_size=hidden, num_layers=draw.randint(2, 4), batch_first=True)
    net.add('Select', dim=1, index=-1)
    head(net, draw, hidden)
    return net


def autoencoder(draw, seed):
    """Narrow in the middle; the target is of the input's shape."""
    net = Network(seed, draw.choice([8, 32]))
    features, activation = draw.choice([16, 64]), draw.choice(['ReLU', 'Tanh', 'ELU', 'GELU'])
    read_features(net, draw, features)
    widths = [features, features // 2, features // 4]
    for inputs, outputs in zip(widths, widths[1:]):
        linear(net, inputs, outputs)
        net.add(activation)
    for inputs, outputs in zip(widths[:0:-1], widths[1::-1]):
        linear(net, inputs, outputs)
        net.add(activation)
    net.layers.pop()
    if draw.random() < 0.5:
        net.add('Sigmoid')
        net.regress(features, draw.choice(['MSELoss', 'BCELoss']), 'uniform', low=0, high=1)
    else:
        net.regress(features, 'MSELoss')
    return net


def signal(draw, seed):
    """Convolutions over a sequence, strided, with or without normalisation."""
    net = Network(seed, draw.choice([4, 16]))
    channels, normalised = draw.choice([1, 4]), draw.random() < 0.5
    net.read([channels, 64])
    for _ in range(draw.randint(2, 4)):
        width = draw.choice([8, 16, 32])
        net.add('Conv1d', in_channels=channels, out_channels=width, kernel_size=5, padding=2, stride=2)
        channels = width
        if normalised:
            net.add('BatchNorm1d', num_features=width)
        net.add(draw.choice(['ReLU', 'LeakyReLU', 'SiLU']))
    net.add('AdaptiveAvgPool1d', output_size=1)
    net.add('Flatten')
    head(net, draw, channels)
    return net


def dense(draw, seed):
    """Convolutions that read all that came before them."""
    net = Network(seed, draw.choice([4, 8]))
    growth, channels = draw.choice([4, 8]), 8
    net.read([3, 8, 8])
    joined = conv(net, 3, channels)
    for _ in range(draw.randint(2, 6)):
        net.add('BatchNorm2d', joined, num_features=channels)
        net.add('ReLU')
        last = conv(net, channels, growth)
        joined = net.add('Concat', [joined, last], dim=1)
        channels += growth
    net.add('BatchNorm2d', num_features=channels)
    net.add('ReLU')
    net.add('AdaptiveAvgPool2d', output_size=1)
    net.add('Flatten')
    head(net, draw, channels)
    return net


def gated(draw, seed):
    """Blocks with gates: a Linear's output times the Sigmoid or SiLU of another's, added to what was read."""
    net = Network(seed, draw.choice([8, 32]))
    width, features = draw.choice([16, 64]), draw.choice([8, 32])
    read_features(net, draw, features)
    skip = linear(net, features, width)
    for _ in range(draw.randint(1, 6)):
        norm = net.add('RMSNorm', skip, normalized_shape=[width])
        value = net.add('Linear', norm, in_features=width, out_features=2 * width)
        net.add('Linear', norm, in_features=width, out_features=2 * width)
        gate = net.add(draw.choice(['SiLU', 'Sigmoid', 'GELU']))
        net.add('Mul', [gate, value])
        last = linear(net, 2 * width, width)
        skip = net.add('Add', [skip, last])
    head(net, draw, width)
    return net


def varied(family):
    """The family, now and then in eval mode or in float64."""
    def plant(draw, seed):
        net = family(draw, seed)
        if draw.random() < 0.15:
            net.options['mode'] = 'eval'
        if draw.random() < 0.15:
            net.options['precision'] = 'float64'
        return net
    plant.__name__ = family.__name__
    return plant


FAMILIES = [varied(family) for family in (mlp, cnn, resnet, recurrent, transformer, residual_mlp, vit, unet, mixer, text,
                                          deep_recurrent, long_gated, autoencoder, signal, dense, gated)]
