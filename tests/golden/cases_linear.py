"""Layers that multiply by a matrix or look one up, dropout, and the two that only change the shape."""
from golden import Case, integers, uniform, values


def linear():
    f = {'in_features': 5, 'out_features': 3}
    return [Case('matrix', f, [uniform(4, 5)]),
            Case('batch_1', f, [uniform(1, 5)]),
            Case('vector', f, [uniform(5)]),
            Case('sequence', f, [uniform(2, 3, 5)]),
            Case('no_bias', {**f, 'bias': False}, [uniform(2, 5)]),
            Case('one_by_one', {'in_features': 1, 'out_features': 1}, [uniform(1, 1)]),
            Case('wide', {'in_features': 2, 'out_features': 17}, [uniform(3, 2)]),
            Case('uneven', {'in_features': 35, 'out_features': 39}, [uniform(13, 35)])]


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


def bilinear():
    f = {'in1_features': 3, 'in2_features': 2, 'out_features': 4}
    return [Case('matrix', f, [uniform(3, 3), uniform(3, 2)]),
            Case('sequence', f, [uniform(2, 2, 3), uniform(2, 2, 2)]),
            Case('vector', f, [uniform(3), uniform(2)]),
            Case('no_bias', {**f, 'bias': False}, [uniform(1, 3), uniform(1, 2)])]


def embedding():
    f = {'num_embeddings': 5, 'embedding_dim': 3}
    repeated = values([[0, 2, 2, 4], [2, 0, 1, 0]])
    return [Case('matrix', f, [integers(2, 3, high=5)]),
            Case('vector', f, [integers(4, high=5)]),
            Case('scalar', f, [values(3)]),
            Case('repeated', f, [repeated]),
            Case('padding_idx', {**f, 'padding_idx': 2}, [repeated]),
            Case('negative_padding_idx', {**f, 'padding_idx': -5}, [repeated]),
            Case('scale_grad_by_freq', {**f, 'scale_grad_by_freq': True}, [repeated]),
            Case('scale_grad_by_freq_padding', {**f, 'scale_grad_by_freq': True, 'padding_idx': 0}, [repeated]),
            Case('max_norm', {**f, 'max_norm': 0.75}, [repeated]),
            Case('max_norm_1', {**f, 'max_norm': 1.0, 'norm_type': 1.0}, [repeated]),
            Case('max_norm_3', {**f, 'max_norm': 0.5, 'norm_type': 3.0, 'padding_idx': 1}, [repeated])]


def unflatten():
    return [Case('last', {'dim': 1, 'unflattened_size': [2, 3]}, [uniform(2, 6)]),
            Case('inferred', {'dim': -1, 'unflattened_size': [3, -1]}, [uniform(2, 6)]),
            Case('first', {'dim': 0, 'unflattened_size': [2, 1, 2]}, [uniform(4, 3)])]


LAYERS = {'Linear': linear(), 'Bilinear': bilinear(), 'Embedding': embedding(), 'Dropout': dropout(),
          'Flatten': flatten(), 'Unflatten': unflatten()}
