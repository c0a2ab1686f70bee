"""Pooling and Upsample."""
from golden import Case, uniform, values

NAN, INF = float('nan'), float('inf')


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
            Case('ceil_mode_window_past_the_end', {'kernel_size': [4, 2], 'stride': 3, 'ceil_mode': True},
                 [uniform(1, 2, 2, 4)]),
            Case('null_stride', {'kernel_size': 2, 'stride': None}, [uniform(1, 1, 4, 4)]),
            Case('one_by_one', {'kernel_size': 1}, [uniform(2, 3, 1, 1)]),
            Case('ties_first_wins', {'kernel_size': 2}, [values([[[[1.0, 1.0, 0.5, 0.5], [1.0, 0.0, 0.5, 0.5]]]])]),
            Case('not_finite', {'kernel_size': 2}, [values([[[[NAN, 1.0, INF, 0.5], [1.0, 0.0, -INF, 2.0]]]])],
                 gradients=False)]


def max_pool1d():
    return [Case('kernel_2', {'kernel_size': 2}, [uniform(2, 2, 5)]),
            Case('unbatched', {'kernel_size': 2}, [uniform(2, 4)]),
            Case('overlapping', {'kernel_size': 3, 'stride': 1, 'padding': 1}, [uniform(1, 2, 5)]),
            Case('dilation', {'kernel_size': [2], 'stride': [1], 'dilation': [3], 'padding': [1]}, [uniform(1, 2, 5)]),
            Case('ceil_mode', {'kernel_size': 3, 'stride': 2, 'ceil_mode': True}, [uniform(1, 2, 6)]),
            Case('length_1', {'kernel_size': 1}, [uniform(1, 3, 1)]),
            Case('ties_first_wins', {'kernel_size': 3}, [values([[[0.5, 2.0, 2.0]]])]),
            Case('not_finite', {'kernel_size': 2}, [values([[[NAN, 1.0, 2.0, NAN, -INF, -INF, INF, 0.0]]])],
                 gradients=False)]


def average_pool1d():
    return [Case('kernel_2', {'kernel_size': 2}, [uniform(2, 2, 5)]),
            Case('unbatched', {'kernel_size': 3}, [uniform(2, 4)]),
            Case('padding', {'kernel_size': 3, 'stride': 2, 'padding': 1}, [uniform(1, 2, 6)]),
            Case('padding_not_counted', {'kernel_size': [3], 'stride': [2], 'padding': [1], 'count_include_pad': False},
                 [uniform(1, 2, 6)]),
            Case('ceil_mode', {'kernel_size': 3, 'stride': 2, 'ceil_mode': True}, [uniform(1, 2, 6)]),
            Case('ceil_mode_padding', {'kernel_size': 4, 'stride': 3, 'padding': 2, 'ceil_mode': True},
                 [uniform(1, 2, 6)]),
            Case('ceil_mode_window_past_the_end', {'kernel_size': 4, 'ceil_mode': True}, [uniform(1, 2, 3)]),
            Case('length_1', {'kernel_size': 1}, [uniform(1, 3, 1)])]


def average_pool2d():
    padded = {'kernel_size': 3, 'stride': 2, 'padding': 1}
    x = [uniform(1, 2, 5, 4)]
    return [Case('kernel_2', {'kernel_size': 2}, [uniform(2, 2, 4, 5)]),
            Case('unbatched', {'kernel_size': 2}, [uniform(2, 3, 4)]),
            Case('overlapping', {'kernel_size': [2, 3], 'stride': [1, 2]}, [uniform(1, 2, 3, 5)]),
            Case('padding', padded, x),
            Case('padding_not_counted', {**padded, 'count_include_pad': False}, x),
            Case('ceil_mode', {**padded, 'padding': 0, 'ceil_mode': True}, [uniform(1, 1, 6, 4)]),
            Case('ceil_mode_padding', {**padded, 'padding': [1, 0], 'ceil_mode': True}, [uniform(1, 1, 6, 4)]),
            Case('ceil_mode_padding_not_counted', {**padded, 'ceil_mode': True, 'count_include_pad': False},
                 [uniform(1, 1, 6, 4)]),
            Case('divisor_override', {**padded, 'divisor_override': 5}, x),
            Case('null_stride', {'kernel_size': 2, 'stride': None}, [uniform(1, 1, 4, 4)]),
            Case('whole_image', {'kernel_size': [3, 5]}, [uniform(2, 2, 3, 5)])]


def adaptive_pool1d():
    return [Case('to_1', {'output_size': 1}, [uniform(2, 3, 5)]),
            Case('uneven', {'output_size': 3}, [uniform(1, 2, 7)]),
            Case('grows', {'output_size': 5}, [uniform(1, 2, 3)]),
            Case('list', {'output_size': [2]}, [uniform(1, 2, 4)]),
            Case('unbatched', {'output_size': 2}, [uniform(2, 5)])]


def adaptive_pool2d():
    return [Case('to_1', {'output_size': 1}, [uniform(2, 3, 3, 2)]),
            Case('uneven', {'output_size': [3, 2]}, [uniform(1, 2, 5, 3)]),
            Case('grows', {'output_size': [3, 5]}, [uniform(1, 2, 2, 3)]),
            Case('same', {'output_size': 2}, [uniform(1, 2, 2, 2)]),
            Case('unbatched', {'output_size': [2, 1]}, [uniform(2, 5, 4)])]


def upsample():
    line, image, volume = uniform(2, 2, 3), uniform(1, 2, 3, 2), uniform(1, 1, 2, 3, 2)
    cases = [Case('default_mode', {'scale_factor': 2}, [image]),
             Case('nearest_size', {'size': [5, 3], 'mode': 'nearest'}, [image]),
             Case('nearest_size_number', {'size': 4}, [image]),
             Case('nearest_fraction', {'scale_factor': 1.5}, [image]),
             Case('nearest_factors', {'scale_factor': [2.0, 1.5]}, [image]),
             Case('nearest_shrinks', {'size': [2, 1]}, [uniform(1, 2, 5, 3)]),
             Case('nearest_line', {'scale_factor': 3}, [line]),
             Case('nearest_volume', {'scale_factor': 2}, [volume])]
    for mode, x, size in (('linear', line, 5), ('bilinear', image, [4, 5]), ('bicubic', image, [4, 5]),
                          ('trilinear', volume, [3, 2, 3])):
        f = {'mode': mode}
        cases += [Case(f'{mode}_size', {**f, 'size': size}, [x]),
                  Case(f'{mode}_size_aligned', {**f, 'size': size, 'align_corners': True}, [x])]
        if mode != 'trilinear':
            cases += [Case(f'{mode}_factor', {**f, 'scale_factor': 2}, [x]),
                      Case(f'{mode}_fraction', {**f, 'scale_factor': 1.75, 'align_corners': False}, [x]),
                      Case(f'{mode}_factor_aligned', {**f, 'scale_factor': 2, 'align_corners': True}, [x])]
    return cases + [
        Case('bilinear_recomputed', {'mode': 'bilinear', 'scale_factor': 1.75, 'recompute_scale_factor': True}, [image]),
        Case('bilinear_shrinks', {'mode': 'bilinear', 'size': [2, 3]}, [uniform(1, 1, 5, 4)]),
        Case('bilinear_to_1_aligned', {'mode': 'bilinear', 'size': 1, 'align_corners': True}, [image]),
        Case('bilinear_from_1', {'mode': 'bilinear', 'scale_factor': 3}, [uniform(2, 2, 1, 1)])]


LAYERS = {'MaxPool1d': max_pool1d(), 'MaxPool2d': max_pool2d(), 'AvgPool1d': average_pool1d(),
          'AvgPool2d': average_pool2d(), 'AdaptiveAvgPool1d': adaptive_pool1d(), 'AdaptiveAvgPool2d': adaptive_pool2d(),
          'AdaptiveMaxPool2d': adaptive_pool2d(), 'Upsample': upsample()}
