"""Convolutions and transposed ones."""
from golden import Case, uniform


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
            Case('kernel_wider_than_input', {**f, 'kernel_size': 5, 'padding': 2}, [uniform(1, 2, 2, 1)]),
            Case('many_channels', {'in_channels': 9, 'out_channels': 17, 'kernel_size': 3, 'padding': 1}, [uniform(2, 9, 4, 3)]),
            Case('many_channels_strided', {'in_channels': 8, 'out_channels': 10, 'kernel_size': [3, 2], 'stride': [2, 3],
                                           'padding': [2, 1], 'dilation': [1, 2], 'bias': False}, [uniform(2, 8, 5, 6)]),
            Case('many_channels_dilated', {'in_channels': 8, 'out_channels': 8, 'kernel_size': 2, 'dilation': 3},
                 [uniform(1, 8, 4, 6)]),
            Case('many_channels_circular', {'in_channels': 16, 'out_channels': 18, 'kernel_size': [1, 3], 'padding': [0, 2],
                                            'groups': 2, 'padding_mode': 'circular'}, [uniform(2, 16, 2, 3)]),
            Case('many_channels_pointwise', {'in_channels': 10, 'out_channels': 40, 'kernel_size': 1}, [uniform(3, 10, 3, 3)])]


def conv1d():
    f = {'in_channels': 2, 'out_channels': 3, 'kernel_size': 3}
    cases = [Case('default', f, [uniform(2, 2, 7)]),
             Case('unbatched', f, [uniform(2, 5)]),
             Case('length_1', {**f, 'padding': 1}, [uniform(1, 2, 1)]),
             Case('one_by_one', {**f, 'kernel_size': 1}, [uniform(2, 2, 1)]),
             Case('stride_dilation', {**f, 'stride': 2, 'dilation': 3, 'padding': 4}, [uniform(1, 2, 6)]),
             Case('lists', {**f, 'kernel_size': [2], 'stride': [3], 'padding': [1], 'dilation': [2]}, [uniform(1, 2, 7)]),
             Case('groups', {**f, 'in_channels': 4, 'out_channels': 2, 'groups': 2}, [uniform(1, 4, 5)]),
             Case('depthwise', {**f, 'out_channels': 4, 'groups': 2, 'bias': False}, [uniform(2, 2, 4)]),
             Case('same', {**f, 'padding': 'same', 'dilation': 2}, [uniform(1, 2, 5)]),
             Case('same_even_kernel', {**f, 'kernel_size': 4, 'padding': 'same'}, [uniform(1, 2, 5)]),
             Case('same_even_reflect', {**f, 'kernel_size': 4, 'padding': 'same', 'padding_mode': 'reflect'},
                  [uniform(1, 2, 5)]),
             Case('valid', {**f, 'padding': 'valid'}, [uniform(1, 2, 4)]),
             Case('many_channels', {'in_channels': 8, 'out_channels': 35, 'kernel_size': 4, 'padding': 'same'},
                  [uniform(2, 8, 7)])]
    return cases + [Case(mode, {**f, 'padding': 2, 'stride': 2, 'padding_mode': mode}, [uniform(1, 2, 4)])
                    for mode in ('zeros', 'reflect', 'replicate', 'circular')]


def conv3d():
    f = {'in_channels': 2, 'out_channels': 2, 'kernel_size': 2}
    padded = {'padding': [0, 1, 1], 'kernel_size': [1, 2, 3]}
    return [Case('default', f, [uniform(1, 2, 3, 2, 3)]),
            Case('unbatched', f, [uniform(2, 2, 3, 2)]),
            Case('one_by_one', {**f, 'kernel_size': 1, 'bias': False}, [uniform(2, 2, 1, 1, 1)]),
            Case('lists', {**f, 'kernel_size': [1, 2, 3], 'stride': [2, 1, 1], 'padding': [0, 1, 1],
                           'dilation': [1, 2, 1]}, [uniform(1, 2, 3, 2, 2)]),
            Case('groups', {**f, 'groups': 2, 'stride': 2}, [uniform(1, 2, 2, 3, 4)]),
            Case('same', {**f, 'padding': 'same'}, [uniform(1, 2, 2, 2, 3)]),
            Case('many_channels', {'in_channels': 8, 'out_channels': 8, 'kernel_size': 2, 'stride': [1, 2, 1], 'padding': 1},
                 [uniform(1, 8, 2, 3, 2)])] + [
        Case(mode, {**f, **padded, 'padding_mode': mode}, [uniform(1, 2, 2, 2, 3)])
        for mode in ('reflect', 'replicate', 'circular')]


def conv_transpose1d():
    f = {'in_channels': 2, 'out_channels': 3, 'kernel_size': 3}
    return [Case('default', f, [uniform(2, 2, 3)]),
            Case('unbatched', f, [uniform(2, 3)]),
            Case('length_1', f, [uniform(1, 2, 1)]),
            Case('stride_padding', {**f, 'stride': 2, 'padding': 1}, [uniform(1, 2, 4)]),
            Case('output_padding', {**f, 'stride': 3, 'padding': 1, 'output_padding': 2}, [uniform(1, 2, 3)]),
            Case('dilation', {**f, 'dilation': 2, 'output_padding': 1, 'bias': False}, [uniform(1, 2, 3)]),
            Case('groups', {**f, 'out_channels': 4, 'groups': 2, 'stride': 2}, [uniform(1, 2, 3)]),
            Case('lists', {**f, 'kernel_size': [2], 'stride': [2], 'padding': [1], 'output_padding': [1],
                           'dilation': [3]}, [uniform(1, 2, 3)]),
            Case('many_channels', {'in_channels': 9, 'out_channels': 8, 'kernel_size': 4, 'stride': 2, 'padding': 1,
                                   'output_padding': 1}, [uniform(2, 9, 3)])]


def conv_transpose2d():
    f = {'in_channels': 2, 'out_channels': 3, 'kernel_size': 2}
    return [Case('default', f, [uniform(2, 2, 2, 3)]),
            Case('unbatched', f, [uniform(2, 3, 2)]),
            Case('one_by_one', {**f, 'kernel_size': 1}, [uniform(1, 2, 1, 1)]),
            Case('doubles', {**f, 'stride': 2}, [uniform(1, 2, 3, 2)]),
            Case('kernel_4', {**f, 'out_channels': 1, 'kernel_size': 4, 'stride': 2, 'padding': 1},
                 [uniform(1, 2, 2, 3)]),
            Case('output_padding', {**f, 'kernel_size': 3, 'stride': 2, 'padding': 1, 'output_padding': 1},
                 [uniform(1, 2, 2, 3)]),
            Case('lists', {**f, 'kernel_size': [2, 3], 'stride': [1, 3], 'padding': [1, 0], 'output_padding': [0, 2],
                           'dilation': [2, 1]}, [uniform(1, 2, 3, 2)]),
            Case('groups', {**f, 'in_channels': 4, 'out_channels': 6, 'groups': 2, 'bias': False},
                 [uniform(1, 4, 2, 2)]),
            Case('depthwise', {**f, 'in_channels': 3, 'groups': 3, 'stride': 2}, [uniform(1, 3, 2, 2)])]


LAYERS = {'Conv1d': conv1d(), 'Conv2d': conv2d(), 'Conv3d': conv3d(), 'ConvTranspose1d': conv_transpose1d(),
          'ConvTranspose2d': conv_transpose2d()}
