"""Models with one planted fault each, and the rules that would name it. Drawn at random; see models.py."""
from models import RECTIFIERS, Network, head, linear, mlp, read_features

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


def normal(std):
    """Weights of that standard deviation."""
    return {'init': 'normal_', 'mean': 0.0, 'std': std}


def deep_sigmoid(draw, seed):
    return chain(draw, seed, 'Sigmoid', draw.randint(8, 24))


def small_tanh(draw, seed):
    return chain(draw, seed, 'Tanh', draw.randint(4, 16), init=normal(10 ** draw.uniform(-3, -1.7)))


def deep_default_relu(draw, seed):
    return chain(draw, seed, 'ReLU', draw.randint(20, 50))


def large_he(draw, seed):
    depth = draw.randint(10, 40)
    width = draw.choice([32, 64, 128])
    return chain(draw, seed, 'ReLU', depth, width, normal(draw.uniform(2, 4) * (2 / width) ** 0.5))


def linear_gain(draw, seed):
    width = draw.choice([32, 64])
    return chain(draw, seed, None, draw.randint(10, 30), width, normal(draw.uniform(2, 4) / width ** 0.5))


def normal_1(draw, seed):
    return chain(draw, seed, draw.choice([*PLAIN, 'Tanh']), draw.randint(2, 10), init=normal(1.0))


def normal_001(draw, seed):
    return chain(draw, seed, draw.choice([*PLAIN, 'Tanh']), draw.randint(3, 10), init=normal(0.01))


def constant(draw, seed):
    return chain(draw, seed, draw.choice([*PLAIN, 'Tanh']), draw.randint(1, 6),
                 init={'init': 'constant_', 'val': draw.choice([0.0, 0.01, 0.1, 0.5])})


def xavier_relu(draw, seed):
    return chain(draw, seed, 'ReLU', draw.randint(20, 50), init={'init': draw.choice(['xavier_uniform_', 'xavier_normal_'])})


def dead_bias(draw, seed):
    net = chain(draw, seed, 'ReLU', draw.randint(2, 6))
    layer = net.layers[2 * draw.randrange(len(net.layers) // 2)]
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
    net.data['input'].update({'random': 'uniform', 'low': 0, 'high': 255})
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
    net = Network(seed, 8)
    hidden = draw.choice([16, 32])
    net.read([draw.choice([100, 200]), 4])
    gain = draw.choice([0.3, 0.5, 4.0])
    net.add('RNN', input_size=4, hidden_size=hidden, batch_first=True, nonlinearity='relu' if gain > 1 else 'tanh',
            init={'weight_hh_l0': normal(gain / hidden ** 0.5)})
    net.add('Select', dim=1, index=-1)
    head(net, draw, hidden)
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
FAULTS = {
    deep_sigmoid: SCALE, small_tanh: SCALE, deep_default_relu: SCALE, large_he: GROWTH, linear_gain: GROWTH,
    normal_1: GROWTH, normal_001: SCALE, constant: {'symmetric-weights'}, xavier_relu: SCALE,
    dead_bias: {'dead-units'}, saturated: {'saturated-units'}, pixels: {'input-scale'}, one_feature: {'input-scale'},
    beyond_float16: {'low-precision-overflow', 'exploding-activation'}, below_float16: {'low-precision-underflow'},
    softmax_twice: {'loss-mismatch'}, raw_nll: {'loss-mismatch'}, sigmoid_twice: {'loss-mismatch'},
    wrong_target: {'loss-mismatch'}, long_rnn: SCALE | GROWTH, pure_attention: {'rank-collapse'},
    large_rate: {'learning-rate', 'update-ratio'}, small_rate: {'learning-rate'},
}
