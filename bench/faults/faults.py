"""Models with one planted fault each, and the rules that would name it. Drawn at random; see models.py."""
from models import RECTIFIERS, Network, conv, head, linear, mlp, read_features

PLAIN = ['ReLU', 'GELU', 'SiLU', 'LeakyReLU']


def chain(draw, seed, activation, depth, width=None, init=None):
    """A plain MLP of that depth over ordinary data."""
    net = Network(seed, draw.choice([8, 32, 128]))
    width = width or draw.choice([32, 64, 128])
    features = draw.choice([8, 32, 64])
    read_features(net, draw, features)
    for _ in range(depth):
        linear(net, features, width)
        features = width
        if activation:
            net.add(activation)
    head(net, draw, width)
    if init:
        net.init = {'weight': init}
    return net


def conv_chain(draw, seed, activation, depth, init=None):
    """Plain convolutions without normalisation over small images; returns the model and their fan_in."""
    net = Network(seed, draw.choice([4, 8, 16]))
    width = draw.choice([8, 16])
    net.read([3, 8, 8])
    channels = 3
    for _ in range(depth):
        conv(net, channels, width)
        channels = width
        net.add(activation)
    net.add('AdaptiveAvgPool2d', output_size=1)
    net.add('Flatten')
    head(net, draw, width)
    if init:
        net.init = {'weight': init}
    return net


def either(draw, seed, activation, depth, init=None):
    """An MLP, or in a third of the cases convolutions."""
    if draw.random() < 1 / 3:
        return conv_chain(draw, seed, activation, depth, init)
    return chain(draw, seed, activation, depth, init=init)


def normal(std):
    """Weights of that standard deviation."""
    return {'init': 'normal_', 'mean': 0.0, 'std': std}


def deep_sigmoid(draw, seed):
    return either(draw, seed, 'Sigmoid', draw.randint(7, 24))


def small_tanh(draw, seed):
    return either(draw, seed, 'Tanh', draw.randint(4, 16), init=normal(10 ** draw.uniform(-3, -1.9)))


def deep_default_relu(draw, seed):
    return either(draw, seed, 'ReLU', draw.randint(20, 50))


def large_he(draw, seed):
    depth = draw.randint(10, 40)
    width = draw.choice([32, 64, 128])
    return chain(draw, seed, 'ReLU', depth, width, normal(draw.uniform(2, 4) * (2 / width) ** 0.5))


def linear_gain(draw, seed):
    width = draw.choice([32, 64])
    return chain(draw, seed, None, draw.randint(10, 30), width, normal(draw.uniform(2, 4) / width ** 0.5))


def normal_1(draw, seed):
    return either(draw, seed, draw.choice([*PLAIN, 'Tanh']), draw.randint(2, 10), init=normal(1.0))


def normal_001(draw, seed):
    return either(draw, seed, draw.choice([*PLAIN, 'Tanh']), draw.randint(4, 10), init=normal(0.01))


def constant(draw, seed):
    return either(draw, seed, draw.choice([*PLAIN, 'Tanh']), draw.randint(1, 6),
                  init={'init': 'constant_', 'val': draw.choice([0.0, 0.01, 0.1, 0.5])})


def xavier_relu(draw, seed):
    return chain(draw, seed, 'ReLU', draw.randint(20, 50), init={'init': draw.choice(['xavier_uniform_', 'xavier_normal_'])})


def dead_bias(draw, seed):
    net = either(draw, seed, 'ReLU', draw.randint(2, 6))
    hidden = [layer for layer, after in zip(net.layers, net.layers[1:]) if after['type'] == 'ReLU']
    layer = draw.choice(hidden)
    layer['init'] = {'bias': {'init': 'constant_', 'val': -draw.uniform(10, 100)}}
    return net


def saturated(draw, seed):
    net = chain(draw, seed, draw.choice(['Tanh', 'Sigmoid']), draw.randint(1, 3))
    for layer in net.layers[:-1]:
        if layer['type'] == 'Linear':
            layer['init'] = {'weight': normal(draw.uniform(20, 60) / layer['in_features'] ** 0.5)}
    return net


def pixels(draw, seed):
    net = mlp_or(draw, seed)
    net.data['input'].update(draw.choice([{'random': 'uniform', 'low': 0, 'high': 255},
                                          {'random': 'randint', 'low': 0, 'high': 256}]))
    net.data['input'].pop('mean', None)
    return net


def mlp_or(draw, seed):
    """A plain MLP without normalisation."""
    return chain(draw, seed, draw.choice(RECTIFIERS), draw.randint(1, 4))


def one_feature(draw, seed):
    net = mlp_or(draw, seed)
    _, features = net.data['input']['shape']
    numbers = [[draw.gauss(0, 1) for _ in range(features)] for _ in range(net.batch)]
    which = draw.randrange(features)
    for row in numbers:
        row[which] *= 1e4
    net.data['input'] = numbers
    return net


def beyond_float16(draw, seed):
    net = chain(draw, seed, None, 2)
    for layer in net.layers[:2]:
        layer['init'] = {'weight': normal(draw.uniform(500, 2000) / layer['in_features'] ** 0.5)}
    [layer for layer in net.layers if layer['type'] == 'Linear'][-1]['init'] = {'weight': normal(1e-5)}
    return net


def below_float16(draw, seed):
    net = chain(draw, seed, draw.choice(PLAIN), draw.randint(2, 5))
    at = draw.choice([i for i, layer in enumerate(net.layers) if layer['type'] == 'Linear'][1:])
    scale = {'name': 'shrink', 'type': 'Scale', 'factor': 10 ** -draw.uniform(6, 8)}
    net.layers.insert(at + 1 if at + 1 < len(net.layers) else at, scale)
    return net


def classifier(draw, seed, last, loss):
    net = Network(seed, draw.choice([8, 32, 128]))
    features, classes = draw.choice([8, 32]), draw.choice([2, 5, 10])
    read_features(net, draw, features)
    linear(net, features, 32)
    net.add(draw.choice(PLAIN))
    linear(net, 32, classes)
    if last:
        net.add(last, **({'dim': 1} if 'oft' in last else {}))
    net.classify(classes, loss)
    return net


def softmax_twice(draw, seed):
    return classifier(draw, seed, 'Softmax', 'CrossEntropyLoss')


def raw_nll(draw, seed):
    return classifier(draw, seed, draw.choice([None, 'Softmax']), 'NLLLoss')


def sigmoid_twice(draw, seed):
    net = classifier(draw, seed, 'Sigmoid', 'BCEWithLogitsLoss')
    net.regress(net.layers[-2]['out_features'], 'BCEWithLogitsLoss', 'uniform', low=0, high=1)
    return net


def wrong_target(draw, seed):
    last, loss, arguments = draw.choice([
        (None, 'BCEWithLogitsLoss', {'low': 0, 'high': 10}), ('Sigmoid', 'MSELoss', {'low': 5, 'high': 9}),
        ('Tanh', 'MSELoss', {'low': 2, 'high': 30}), ('ReLU', 'L1Loss', {'low': -5, 'high': 0}),
        (None, 'SoftMarginLoss', {'low': 0, 'high': 1}), (None, 'PoissonNLLLoss', {'low': -4, 'high': 4})])
    net = classifier(draw, seed, last, loss)
    outputs = [layer for layer in net.layers if layer['type'] == 'Linear'][-1]['out_features']
    net.regress(outputs, loss, 'uniform', **arguments)
    return net


def long_rnn(draw, seed):
    """A vanilla RNN over a long sequence: its gradient vanishes through time."""
    return recurrent(draw, seed, draw.choice([0.3, 0.5]), 'tanh')


def closed_gates(draw, seed):
    """An LSTM or a GRU that forgets: the biases of its forget or update gate are far below 0."""
    kind, hidden = draw.choice(['LSTM', 'GRU']), draw.choice([16, 32, 64])
    net = Network(seed, draw.choice([8, 32]))
    net.read([draw.choice([30, 60, 100]), 4])
    name = net.add(kind, input_size=4, hidden_size=hidden, batch_first=True)
    net.add('Select', dim=1, index=-1)
    head(net, draw, hidden)
    gates, closed = 4 if kind == 'LSTM' else 3, -draw.uniform(3, 8)
    shares = {'ih': draw.choice([0.5, 1.0])}
    shares['hh'] = 1 - shares['ih']
    for side, share in shares.items():
        bias = [draw.uniform(-hidden ** -0.5, hidden ** -0.5) for _ in range(gates * hidden)]
        bias[hidden:2 * hidden] = [closed * share] * hidden
        net.weights[f'{name}.bias_{side}_l0'] = bias
    return net


def pure_attention(draw, seed):
    net = Network(seed, draw.choice([2, 8]))
    width = draw.choice([16, 32])
    net.read([draw.choice([8, 16, 32]), width])
    for _ in range(draw.randint(4, 12)):
        net.add('MultiheadAttention', embed_dim=width, num_heads=4, batch_first=True)
    net.add('Mean', dim=1)
    head(net, draw, width)
    return net


def long_relu_rnn(draw, seed):
    """The same with ReLU: it grows."""
    return recurrent(draw, seed, draw.choice([2.5, 4.0]), 'relu')


def recurrent(draw, seed, gain, nonlinearity):
    net = Network(seed, 8)
    hidden = draw.choice([16, 32])
    net.read([draw.choice([60, 100, 200]), 4])
    net.add('RNN', input_size=4, hidden_size=hidden, batch_first=True, nonlinearity=nonlinearity,
            init={'weight_hh_l0': normal(gain / hidden ** 0.5)})
    net.add('Select', dim=1, index=-1)
    head(net, draw, hidden)
    return net


def scores(draw, seed, scale):
    """A classifier's scores, multiplied; the model and the number of classes."""
    net = Network(seed, draw.choice([8, 32]))
    features, classes = draw.choice([8, 32]), draw.choice([5, 10])
    read_features(net, draw, features)
    linear(net, features, 32)
    net.add(draw.choice(PLAIN))
    linear(net, 32, classes)
    net.add('Scale', factor=scale)
    return net, classes


def log_softmax_of_large(draw, seed):
    net, classes = scores(draw, seed, 10 ** draw.uniform(3.5, 5))
    net.add('Softmax', dim=1)
    net.add('Log')
    net.classify(classes, 'NLLLoss')
    return net


def exp_overflow(draw, seed):
    net, classes = scores(draw, seed, 10 ** draw.uniform(3.5, 5))
    powers = net.add('Exp')
    total = net.add('Sum', dim=1, keepdim=True)
    net.add('Div', [powers, total])
    if draw.random() < 0.5:
        net.add('Log')
        net.classify(classes, 'NLLLoss')
    else:
        net.regress(classes, 'MSELoss', 'uniform', low=0, high=1)
    return net


def zero_variance(draw, seed):
    """Standardised by hand without an epsilon, where one feature is constant."""
    net = Network(seed, draw.choice([8, 32]))
    features = draw.choice([4, 8, 16])
    numbers = [[draw.gauss(0, 1) for _ in range(features)] for _ in range(net.batch)]
    which, constant_value = draw.randrange(features), draw.choice([0.0, 1.0])
    for row in numbers:
        row[which] = constant_value
    net.data['input'] = numbers
    mean = net.add('Mean', 'input', dim=0, keepdim=True)
    centred = net.add('Sub', ['input', mean])
    variance = net.add('Var', 'input', dim=0, keepdim=True)
    root = net.add('Sqrt', variance)
    net.add('Div', [centred, root])
    linear(net, features, 16)
    net.add(draw.choice(PLAIN))
    head(net, draw, 16)
    return net


def sqrt_at_zero(draw, seed):
    """A norm, of a row that is 0 for one sample: its derivative is infinite."""
    net = Network(seed, draw.choice([8, 32]))
    features = draw.choice([4, 8])
    numbers = [[draw.gauss(0, 1) for _ in range(features)] for _ in range(net.batch)]
    numbers[draw.randrange(net.batch)] = [0.0] * features
    net.data['input'] = numbers
    linear(net, features, 16, bias=False)
    net.add('Square')
    net.add('Sum', dim=1, keepdim=True)
    net.add('Sqrt')
    linear(net, 1, 16)
    net.add('Tanh')
    head(net, draw, 16)
    return net


def post_norm_rate(draw, seed):
    """A deep transformer that normalises after its sums, at a rate that asks for a warm-up."""
    net = Network(seed, draw.choice([2, 4]))
    width = draw.choice([16, 32])
    net.read([draw.choice([4, 8]), width])
    for _ in range(draw.randint(4, 10)):
        net.add('TransformerEncoderLayer', d_model=width, nhead=4, dim_feedforward=2 * width, batch_first=True,
                dropout=0.0)
    net.add('Mean', dim=1)
    head(net, draw, width)
    net.options['learning_rate'] = 10 ** draw.uniform(2, 3)
    return net


def batch_of_one(draw, seed):
    net = Network(seed, 1)
    features, width = draw.choice([4, 16]), draw.choice([8, 32])
    net.read([features])
    for _ in range(draw.randint(1, 3)):
        linear(net, features, width)
        net.add('BatchNorm1d', num_features=width)
        net.add('ReLU')
        features = width
    head(net, draw, width)
    return net


def large_rate(draw, seed):
    net = mlp(draw, seed)
    net.options['learning_rate'] = 10 ** draw.uniform(1.5, 3)
    return net


def small_rate(draw, seed):
    net = mlp(draw, seed)
    net.options['learning_rate'] = 10 ** -draw.uniform(8, 12)
    return net


SCALE = {'poor-initialization', 'vanishing-gradient', 'vanishing-activation', 'rank-collapse'}
GROWTH = {'poor-initialization', 'exploding-gradient', 'exploding-activation', 'non-finite', 'saturated-units'}
RATE = {'learning-rate', 'update-ratio'}
FAULTS = {
    deep_sigmoid: SCALE, small_tanh: SCALE, deep_default_relu: SCALE, large_he: GROWTH, linear_gain: GROWTH,
    normal_1: GROWTH, normal_001: SCALE, constant: {'symmetric-weights'}, xavier_relu: SCALE,
    dead_bias: {'dead-units'}, saturated: {'saturated-units', 'poor-initialization'}, pixels: {'input-scale'}, one_feature: {'input-scale'},
    log_softmax_of_large: {'non-finite'}, exp_overflow: {'non-finite'}, zero_variance: {'non-finite'},
    sqrt_at_zero: {'non-finite'},
    beyond_float16: GROWTH | {'low-precision-overflow'}, below_float16: SCALE | {'low-precision-underflow'},
    softmax_twice: {'loss-mismatch'}, raw_nll: {'loss-mismatch'}, sigmoid_twice: {'loss-mismatch'},
    wrong_target: {'loss-mismatch'}, long_rnn: SCALE | {'vanishing-gradient'}, long_relu_rnn: GROWTH,
    closed_gates: {'vanishing-gradient'},
    pure_attention: {'rank-collapse'}, post_norm_rate: RATE, large_rate: RATE, small_rate: {'learning-rate'},
    batch_of_one: {'vanishing-gradient'},
}
