"""Elementwise activations and the softmax family."""
from golden import Case, uniform, values

NAN, INF = float('nan'), float('inf')


def activation(*cases, kinks=(-1.0, 0.0, 1.0)):
    """The cases that every elementwise activation has; `cases` are further (name, attributes)."""
    shape = (3, 7)
    return [Case('default', {}, [uniform(*shape, low=-4, high=4)]),
            Case('scalar_batch', {}, [uniform(1, 1)]),
            Case('four_dimensions', {}, [uniform(2, 1, 3, 2, low=-8, high=8)]),
            Case('at_kinks', {}, [values([list(kinks) + [-0.0]])]),
            Case('large', {}, [values([-1000.0, -100.0, -40.0, -20.5, 20.5, 40.0, 100.0, 1000.0])]),
            Case('not_finite', {}, [values([NAN, INF, -INF, 0.5])], gradients=False)
            ] + [Case(name, attributes, [uniform(*shape, low=-4, high=4)]) for name, attributes in cases]


def normalised_exponential():
    """Softmax, LogSoftmax, Softmin."""
    shapes = {'vector': (5,), 'matrix': (3, 5), 'cube': (2, 3, 4), 'four_dimensions': (2, 3, 1, 2)}
    return [Case(f'implicit_dim_{n}', {}, [uniform(*s)]) for n, s in shapes.items()] + [
        Case('last_dim', {'dim': -1}, [uniform(2, 3, 5, low=-4, high=4)]),
        Case('first_dim', {'dim': 0}, [uniform(5, 3)]),
        Case('inner_dim', {'dim': 1}, [uniform(2, 5, 3)]),
        Case('one_element', {'dim': 1}, [uniform(3, 1)]),
        Case('large', {'dim': 1}, [values([[1000.0, 0.0, -1000.0], [900.0, 900.0, 900.5], [-1e4, -1e4, -1e4]])]),
        Case('null_dim', {'dim': None}, [uniform(2, 3)]),
        Case('not_finite', {'dim': 1}, [values([[NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF, 1.0, 2.0]])],
             gradients=False)]


def gated():
    """GLU halves a dimension."""
    return [Case('default', {}, [uniform(3, 6)]),
            Case('vector', {}, [uniform(2)]),
            Case('dim_1', {'dim': 1}, [uniform(2, 4, 3)]),
            Case('dim_0', {'dim': 0}, [uniform(4, 3)]),
            Case('negative_dim', {'dim': -2}, [uniform(2, 2, 3)]),
            Case('large', {}, [values([[3.0, -2.0, 1000.0, -1000.0]])]),
            Case('not_finite', {}, [values([[NAN, 1.0, 0.5, NAN], [INF, 1.0, 0.5, -INF]])], gradients=False)]


def prelu():
    shared = {'num_parameters': 1}
    return [Case('default', {}, [uniform(3, 7)]),
            Case('shared', shared, [uniform(2, 3, 4)]),
            Case('channels', {'num_parameters': 3}, [uniform(2, 3, 4)]),
            Case('channels_matrix', {'num_parameters': 5}, [uniform(4, 5)]),
            Case('channels_image', {'num_parameters': 2}, [uniform(1, 2, 3, 3)]),
            Case('vector', shared, [uniform(5)]),
            Case('at_kinks', shared, [values([[-1.0, 0.0, 1.0, -0.0]])]),
            Case('not_finite', shared, [values([[NAN, INF, 0.5]])], gradients=False)]


LAYERS = {
    'ReLU': activation(), 'Sigmoid': activation(), 'Tanh': activation(), 'SELU': activation(),
    'Identity': activation(), 'SiLU': activation(), 'Mish': activation(), 'LogSigmoid': activation(),
    'Tanhshrink': activation(), 'Softsign': activation(),
    'LeakyReLU': activation(('negative_slope', {'negative_slope': 0.25}), ('negative_slope_0', {'negative_slope': 0.0})),
    'ELU': activation(('alpha', {'alpha': 0.5})),
    'CELU': activation(('alpha', {'alpha': 0.5}), ('alpha_over_1', {'alpha': 2.0})),
    'GELU': activation(('none', {'approximate': 'none'}), ('tanh', {'approximate': 'tanh'})),
    'ReLU6': activation(kinks=(0.0, 6.0)),
    'Hardsigmoid': activation(kinks=(-3.0, 0.0, 3.0)),
    'Hardswish': activation(kinks=(-3.0, 0.0, 3.0)),
    'Hardtanh': activation(('wide', {'min_val': -0.5, 'max_val': 3.0})),
    'Hardshrink': activation(('lambd', {'lambd': 1.5}), ('lambd_0', {'lambd': 0.0}), kinks=(-0.5, 0.5)),
    'Softshrink': activation(('lambd', {'lambd': 1.5}), ('lambd_0', {'lambd': 0.0}), kinks=(-0.5, 0.5)),
    'Softplus': activation(('beta', {'beta': 2.0}), ('threshold', {'threshold': 1.0}),
                           ('beta_and_threshold', {'beta': 0.5, 'threshold': 1.0}), kinks=(0.0, 20.0)),
    'Threshold': [Case('given', {'threshold': 0.5, 'value': -2.0}, [uniform(3, 7)]),
                  Case('at_kinks', {'threshold': 0.5, 'value': 1.0}, [values([0.5, 0.25, 0.75])]),
                  Case('not_finite', {'threshold': 0.5, 'value': 1.0}, [values([NAN, INF, -INF])], gradients=False)],
    'PReLU': prelu(), 'GLU': gated(), 'Softmax': normalised_exponential(), 'LogSoftmax': normalised_exponential(),
    'Softmin': normalised_exponential(),
}
