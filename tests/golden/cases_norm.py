"""Normalisation."""
from golden import Case, uniform


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
            Case('batch_1', {'normalized_shape': 7}, [uniform(1, 7)]),
            Case('long', {'normalized_shape': 70}, [uniform(3, 70)])]


def group_norm():
    f = {'num_groups': 2, 'num_channels': 4}
    return [Case('image', f, [uniform(2, 4, 2, 3)]),
            Case('line', f, [uniform(2, 4, 3)]),
            Case('matrix', {'num_groups': 2, 'num_channels': 10}, [uniform(2, 10)]),
            Case('one_group', {'num_groups': 1, 'num_channels': 3}, [uniform(1, 3, 2, 2)]),
            Case('a_group_each', {'num_groups': 3, 'num_channels': 3}, [uniform(2, 3, 5)]),
            Case('eps', {**f, 'eps': 0.125}, [uniform(1, 4, 3)]),
            Case('not_affine', {**f, 'affine': False}, [uniform(1, 4, 3)]),
            Case('long', f, [uniform(2, 4, 37)])]


def instance_norm(shape, unbatched):
    f = {'num_features': 3}
    running = {**f, 'affine': True, 'track_running_stats': True}
    return [Case('default', f, [uniform(*shape)]),
            Case('default_eval', f, [uniform(*shape)], mode='eval'),
            Case('batch_1', f, [uniform(1, *shape[1:])]),
            Case('unbatched', {**f, 'affine': True}, [uniform(*unbatched)]),
            Case('affine', {**f, 'affine': True}, [uniform(*shape)]),
            Case('eps', {**f, 'eps': 0.125}, [uniform(*shape)]),
            Case('running', {**running, 'momentum': 0.25}, [uniform(*shape)]),
            Case('running_eval', running, [uniform(*shape)], mode='eval')]


def rms_norm():
    return [Case('number', {'normalized_shape': 5}, [uniform(3, 5)]),
            Case('list', {'normalized_shape': [5]}, [uniform(2, 2, 5)]),
            Case('two_dimensions', {'normalized_shape': [3, 2]}, [uniform(2, 3, 2)]),
            Case('eps', {'normalized_shape': 5, 'eps': 0.125}, [uniform(1, 5)]),
            Case('null_eps', {'normalized_shape': 5, 'eps': None}, [uniform(2, 5)]),
            Case('not_affine', {'normalized_shape': 5, 'elementwise_affine': False}, [uniform(3, 5)]),
            Case('one_element', {'normalized_shape': 1, 'eps': 0.5}, [uniform(3, 1)]),
            Case('long', {'normalized_shape': 70}, [uniform(3, 70)])]


LAYERS = {'BatchNorm1d': batch_norm([(5, 3), (2, 3, 4), (1, 3, 5), (2, 3, 37)]),
          'BatchNorm2d': batch_norm([(2, 3, 2, 3), (1, 3, 1, 5)]),
          'LayerNorm': layer_norm(), 'GroupNorm': group_norm(), 'RMSNorm': rms_norm(),
          'InstanceNorm1d': instance_norm((2, 3, 5), (3, 4)), 'InstanceNorm2d': instance_norm((2, 3, 3, 2), (3, 2, 4))}
