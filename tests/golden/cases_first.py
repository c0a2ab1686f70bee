"""Linear layers, 2d convolution, pooling and normalisation, the common activations, joins."""
from golden import Case, uniform, values

NAN, INF = float('nan'), float('inf')


def activation(*cases, kinks=(-1.0, 0.0, 1.0), dimension=False):
    """The cases that every elementwise activation has; `cases` are further (name, attributes)."""
    shape = (3, 7)
    return [Case('default', {}, [uniform(*shape, low=-4, high=4)]),
            Case('scalar_batch', {}, [uniform(1, 1)]),
            Case('four_dimensions', {}, [uniform(2, 1, 3, 2, low=-8, high=8)]),
            Case('at_kinks', {}, [values([list(kinks) + [-0.0]])]),
            Case('large', {}, [values([-1000.0, -100.0, -40.0, -20.5, 20.5, 40.0, 100.0, 1000.0])]),
            Case('not_finite', {}, [values([NAN, INF, -INF, 0.5])], gradients=False)
            ] + [Case(name, attributes, [uniform(*shape, low=-4, high=4)]) for name, attributes in cases]


def normalised_exponential(name):
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


def arithmetic():
    """Two inputs that broadcast."""
    return [Case('same_shape', {}, [uniform(3, 5), uniform(3, 5)]),
            Case('row', {}, [uniform(3, 5), uniform(5)]),
            Case('column', {}, [uniform(3, 1), uniform(3, 5)]),
            Case('both_expand', {}, [uniform(3, 1, 2), uniform(1, 5, 1)]),
            Case('scalar', {}, [uniform(), uniform(2, 3)]),
            Case('channel_gate', {}, [uniform(2, 3, 2, 2), uniform(2, 3, 1, 1)]),
            Case('one_element', {}, [uniform(1), uniform(1)])]


def concat():
    return [Case('default_dim', {}, [uniform(2, 3), uniform(1, 3)]),
            Case('dim_1', {'dim': 1}, [uniform(2, 3, 2), uniform(2, 1, 2), uniform(2, 2, 2)]),
            Case('last_dim', {'dim': -1}, [uniform(2, 3), uniform(2, 5)]),
            Case('one_input', {'dim': 1}, [uniform(2, 3)])]


def linear():
    f = {'in_features': 5, 'out_features': 3}
    return [Case('matrix', f, [uniform(4, 5)]),
            Case('batch_1', f, [uniform(1, 5)]),
            Case('vector', f, [uniform(5)]),
            Case('sequence', f, [uniform(2, 3, 5)]),
            Case('no_bias', {**f, 'bias': False}, [uniform(2, 5)]),
            Case('one_by_one', {'in_features': 1, 'out_features': 1}, [uniform(1, 1)]),
            Case('wide', {'in_features': 2, 'out_features': 17}, [uniform(3, 2)])]


def conv2d():
    f = {'in_channels': 2, 'out_channels': 3, 'kernel_size': 3}
    x = [uniform(2, 2, 5, 4)]
    grouped = {'in_channels': 4, 'out_channels': 6, 'kernel_size': 2, 'groups': 2}
    return [Case('default', f, x),
            Case('batch_1', f, [uniform(1, 2, 3, 3)]),
            Case('unbatched', f, [uniform(2, 4, 5)]),
            Case('one_by_one', {**f, 'kernel_size': 1}, [uniform(2, 2, 1, 1)]),
            Case('stride', {**f, 'stride': 2, 'padding': 1}, [uniform(1, 2, 7, 5)]),
            Case('lists', {**f, 'kernel_size': [2, 3], 'stride': [2, 1], 'padding': [1, 0], 'dilation': [1, 2]},
                 [uniform(1, 2, 5, 6)]),
            Case('dilation', {**f, 'dilation': 2}, [uniform(1, 2, 6, 5)]),
            Case('groups', grouped, [uniform(1, 4, 3, 4)]),
            Case('depthwise', {**f, 'in_channels': 3, 'groups': 3, 'padding': 1}, [uniform(2, 3, 3, 2)]),
            Case('no_bias', {**f, 'bias': False}, [uniform(1, 2, 4, 3)]),
            Case('same', {**f, 'padding': 'same'}, [uniform(1, 2, 4, 3)]),
            Case('same_even_kernel', {**f, 'kernel_size': [2, 4], 'padding': 'same', 'dilation': [3, 1]},
                 [uniform(1, 2, 5, 4)]),
            Case('valid', {**f, 'padding': 'valid', 'stride': 2}, [uniform(1, 2, 5, 4)]),
            Case('zeros', {**f, 'padding': 1, 'padding_mode': 'zeros'}, [uniform(1, 2, 3, 3)]),
            Case('reflect', {**f, 'padding': [2, 1], 'padding_mode': 'reflect'}, [uniform(1, 2, 4, 3)]),
            Case('replicate', {**f, 'padding': [2, 1], 'padding_mode': 'replicate', 'stride': 2},
                 [uniform(1, 2, 3, 4)]),
            Case('circular', {**f, 'padding': [2, 1], 'padding_mode': 'circular'}, [uniform(1, 2, 3, 2)]),
            Case('same_circular', {**f, 'kernel_size': 2, 'padding': 'same', 'padding_mode': 'circular'},
                 [uniform(1, 2, 3, 3)]),
            Case('stride_leaves_rest', {**f, 'kernel_size': 2, 'stride': 3}, [uniform(1, 2, 7, 6)]),
            Case('kernel_wider_than_input', {**f, 'kernel_size': 5, 'padding': 2}, [uniform(1, 2, 2, 1)])]


def batch_norm(shapes):
    f = {'num_features': 3}
    first = shapes[0]
    cases = []
    for i, shape in enumerate(shapes):
        cases += [Case(f'train_{i}', f, [uniform(*shape)]),
                  Case(f'eval_{i}', f, [uniform(*shape)], mode='eval')]
    return cases + [
        Case('eps_and_momentum', {**f, 'eps': 0.125, 'momentum': 0.25}, [uniform(*first)]),
        Case('eval_eps', {**f, 'eps': 0.125}, [uniform(*first)], mode='eval'),
        Case('null_momentum', {**f, 'momentum': None}, [uniform(*first)]),
        Case('not_affine', {**f, 'affine': False}, [uniform(*first)]),
        Case('not_affine_eval', {**f, 'affine': False}, [uniform(*first)], mode='eval'),
        Case('no_running_statistics', {**f, 'track_running_stats': False}, [uniform(*first)]),
        Case('no_running_statistics_eval', {**f, 'track_running_stats': False}, [uniform(*first)], mode='eval'),
        Case('nothing_but_eps', {**f, 'affine': False, 'track_running_stats': False, 'eps': 0.001},
             [uniform(*first)])]


def layer_norm():
    x = [uniform(3, 5)]
    return [Case('number', {'normalized_shape': 5}, x),
            Case('list', {'normalized_shape': [5]}, [uniform(2, 2, 5)]),
            Case('two_dimensions', {'normalized_shape': [3, 2]}, [uniform(2, 3, 2)]),
            Case('all_dimensions', {'normalized_shape': [3, 2]}, [uniform(3, 2)]),
            Case('eps', {'normalized_shape': 5, 'eps': 0.125}, x),
            Case('not_affine', {'normalized_shape': 5, 'elementwise_affine': False}, x),
            Case('one_element', {'normalized_shape': 1, 'eps': 0.5}, [uniform(3, 1)]),
            Case('batch_1', {'normalized_shape': 7}, [uniform(1, 7)])]


def max_pool2d():
    return [Case('kernel_2', {'kernel_size': 2}, [uniform(2, 2, 4, 5)]),
            Case('unbatched', {'kernel_size': 2}, [uniform(2, 4, 3)]),
            Case('overlapping', {'kernel_size': 3, 'stride': 1}, [uniform(1, 2, 5, 4)]),
            Case('padding', {'kernel_size': 3, 'stride': 2, 'padding': 1}, [uniform(1, 2, 5, 4)]),
            Case('padding_all_negative', {'kernel_size': 2, 'padding': 1}, [uniform(1, 1, 3, 3, low=-2, high=-0.1)]),
            Case('lists', {'kernel_size': [3, 2], 'stride': [2, 1], 'padding': [1, 0], 'dilation': [1, 2]},
                 [uniform(1, 2, 5, 6)]),
            Case('dilation', {'kernel_size': 2, 'stride': 1, 'dilation': 2}, [uniform(1, 2, 4, 5)]),
            Case('ceil_mode', {'kernel_size': 2, 'ceil_mode': True}, [uniform(1, 2, 5, 3)]),
            Case('ceil_mode_drops_window_in_padding', {'kernel_size': 2, 'stride': 3, 'padding': 1, 'ceil_mode': True},
                 [uniform(1, 1, 6, 5)]),
            Case('null_stride', {'kernel_size': 2, 'stride': None}, [uniform(1, 1, 4, 4)]),
            Case('one_by_one', {'kernel_size': 1}, [uniform(2, 3, 1, 1)]),
            Case('ties_first_wins', {'kernel_size': 2}, [values([[[[1.0, 1.0, 0.5, 0.5], [1.0, 0.0, 0.5, 0.5]]]])]),
            Case('not_finite', {'kernel_size': 2}, [values([[[[NAN, 1.0, INF, 0.5], [1.0, 0.0, -INF, 2.0]]]])],
                 gradients=False)]


def dropout():
    return [Case('eval', {'p': 0.5}, [uniform(3, 5)], mode='eval'),
            Case('eval_default', {}, [uniform(3, 5)], mode='eval'),
            Case('train_p_0', {'p': 0.0}, [uniform(3, 5)]),
            Case('train_p_1', {'p': 1.0}, [uniform(3, 5)])]


def flatten():
    return [Case('default', {}, [uniform(2, 3, 2, 2)]),
            Case('matrix', {}, [uniform(2, 3)]),
            Case('vector', {'start_dim': 0}, [uniform(4)]),
            Case('middle', {'start_dim': 1, 'end_dim': 2}, [uniform(2, 3, 2, 2)]),
            Case('negative', {'start_dim': -3, 'end_dim': -2}, [uniform(2, 3, 2, 2)]),
            Case('all', {'start_dim': 0, 'end_dim': -1}, [uniform(2, 3, 2)])]


LAYERS = {
    'Linear': linear(), 'Conv2d': conv2d(), 'MaxPool2d': max_pool2d(), 'LayerNorm': layer_norm(),
    'BatchNorm1d': batch_norm([(5, 3), (2, 3, 4), (1, 3, 5)]),
    'BatchNorm2d': batch_norm([(2, 3, 2, 3), (1, 3, 1, 5)]),
    'Dropout': dropout(), 'Flatten': flatten(), 'Concat': concat(), 'Add': arithmetic(), 'Mul': arithmetic(),
    'Softmax': normalised_exponential('Softmax'), 'LogSoftmax': normalised_exponential('LogSoftmax'),
    'ReLU': activation(), 'Sigmoid': activation(), 'Tanh': activation(), 'SELU': activation(),
    'Identity': activation(),
    'LeakyReLU': activation(('negative_slope', {'negative_slope': 0.25}), ('negative_slope_0', {'negative_slope': 0.0})),
    'ELU': activation(('alpha', {'alpha': 0.5})),
    'GELU': activation(('none', {'approximate': 'none'}), ('tanh', {'approximate': 'tanh'})),
}
