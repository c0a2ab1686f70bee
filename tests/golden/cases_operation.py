"""Operations."""
import torch

from golden import Case, positive, uniform, values

NAN, INF = float('nan'), float('inf')


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


def division():
    return [Case('same_shape', {}, [uniform(3, 5), positive(3, 5)]),
            Case('row', {}, [uniform(3, 5), positive(5)]),
            Case('column', {}, [uniform(3, 1), positive(3, 5)]),
            Case('both_expand', {}, [uniform(3, 1, 2), positive(1, 5, 1)]),
            Case('scalar', {}, [uniform(2, 3), positive()]),
            Case('negative', {}, [uniform(2, 3), uniform(2, 3, low=-3, high=-0.5)]),
            Case('not_finite', {}, [values([1.0, -1.0, 0.0, INF, NAN]), values([0.0, 0.0, 0.0, INF, 1.0])],
                 gradients=False)]


def extreme():
    """Maximum and Minimum: at a tie each input has half of the gradient."""
    return arithmetic() + [
        Case('ties', {}, [values([1.0, 2.0, -3.0, 0.0]), values([1.0, 1.0, -3.0, -0.0])]),
        Case('not_finite', {}, [values([NAN, 1.0, INF, -INF]), values([1.0, NAN, 1.0, 1.0])], gradients=False)]


def matmul():
    shapes = {'dot': ((5,), (5,)), 'matrix_vector': ((3, 5), (5,)), 'vector_matrix': ((3,), (3, 5)),
              'matrices': ((2, 3), (3, 5)), 'batch': ((2, 2, 3), (2, 3, 4)), 'batch_matrix': ((2, 2, 3), (3, 4)),
              'matrix_batch': ((4, 3), (2, 3, 2)), 'batch_vector': ((2, 2, 3), (3,)), 'vector_batch': ((3,), (2, 3, 2)),
              'broadcast': ((2, 1, 2, 3), (3, 3, 2)), 'broadcast_both': ((2, 1, 1, 3), (1, 3, 3, 1)),
              'one': ((1, 1), (1, 1)), 'outer': ((3, 1), (1, 5))}
    return [Case(name, {}, [uniform(*a), uniform(*b)]) for name, (a, b) in shapes.items()]


def stack():
    return [Case('default_dim', {}, [uniform(2, 3), uniform(2, 3)]),
            Case('dim_1', {'dim': 1}, [uniform(2, 3), uniform(2, 3), uniform(2, 3)]),
            Case('last_dim', {'dim': -1}, [uniform(2, 3), uniform(2, 3)]),
            Case('scalars', {}, [uniform(), uniform()]),
            Case('one_input', {'dim': 1}, [uniform(3)])]


def unary(draw, *special, gradients_at=None):
    """`special`: elements whose results are compared without gradients."""
    cases = [Case('matrix', {}, [draw(3, 5)]), Case('cube', {}, [draw(2, 1, 3)]), Case('scalar', {}, [draw()])]
    if gradients_at:
        cases.append(Case('at_kinks', {}, [values(list(gradients_at))]))
    return cases + [Case('not_finite', {}, [values([NAN, INF, -INF, *special])], gradients=False)]


def scale():
    x = [uniform(3, 5)]
    return [Case('default', {}, x), Case('factor', {'factor': -0.5}, x), Case('shift', {'shift': 1.5}, x),
            Case('both', {'factor': 3, 'shift': -0.25}, [uniform(2, 1, 3)]),
            Case('factor_0', {'factor': 0.0, 'shift': 1.0}, x)]


def power():
    x, above = [uniform(3, 5)], [positive(3, 5)]
    return [Case('square', {'exponent': 2}, x), Case('cube', {'exponent': 3.0}, x),
            Case('root', {'exponent': 0.5}, above), Case('fraction', {'exponent': 1.75}, above),
            Case('inverse', {'exponent': -1}, above), Case('inverse_root', {'exponent': -0.5}, above),
            Case('zero', {'exponent': 0.0}, x), Case('one', {'exponent': 1.0}, x),
            Case('at_zero', {'exponent': 2.0}, [values([0.0, -0.0, 1.0])]),
            Case('zero_at_zero', {'exponent': 0}, [values([0.0, 1.0])]),
            Case('not_finite', {'exponent': 0.5}, [values([NAN, INF, -1.0, 0.0])], gradients=False)]


def clamp():
    x = [uniform(3, 5)]
    return [Case('both', {'min': -0.75, 'max': 0.5}, x), Case('min', {'min': 0.25}, x), Case('max', {'max': 0.25}, x),
            Case('null_min', {'min': None, 'max': 1.0}, x),
            Case('at_kinks', {'min': -1.0, 'max': 1.0}, [values([-1.0, 1.0, 0.0, 2.0, -2.0])]),
            Case('not_finite', {'min': -1.0, 'max': 1.0}, [values([NAN, INF, -INF])], gradients=False)]


def reduction(*cases, everything=True):
    """Over one dimension, several and all; `cases` are further ones."""
    x = [uniform(2, 3, 4)]
    whole = [Case('all', {}, x), Case('vector', {}, [uniform(5)])] if everything else []
    return whole + [Case('first', {'dim': 0}, x), Case('last', {'dim': -1}, x), Case('inner', {'dim': 1}, x),
                    Case('keepdim', {'dim': 1, 'keepdim': True}, x), Case('list', {'dim': [0, 2]}, x),
                    Case('negative_list_keepdim', {'dim': [-1, -3], 'keepdim': True}, x),
                    Case('all_listed', {'dim': [0, 1]}, [uniform(3, 5)]), Case('to_scalar', {'dim': 0}, [uniform(5)]),
                    *cases]


def reductions():
    not_finite = [values([[NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF, 1.0, 2.0], [INF, -INF, 1.0]])]
    broken = Case('not_finite', {'dim': 1}, not_finite, gradients=False)
    one = Case('one_element', {'dim': 1}, [uniform(3, 1)])
    x = [uniform(2, 3, 4)]
    return {
        'Sum': reduction(broken, one), 'Mean': reduction(broken, one),
        'Max': reduction(broken, one,
                         Case('ties', {'dim': 1}, [values([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [0.0, -1.0, -1.0]])]),
                         Case('ties_of_two_dims', {'dim': [0, 1]}, [values([[1.0, 0.0], [1.0, 1.0]])])),
        'Var': reduction(Case('one_element', {'dim': 1}, [uniform(2, 1)], gradients=False),
                         Case('biased', {'dim': 1, 'unbiased': False}, x),
                         Case('biased_all', {'unbiased': False}, x)),
        'LogSumExp': reduction(broken, one, Case('large', {'dim': 1}, [values([[100.0, 99.0], [-200.0, -201.0]])]),
                               Case('nothing_but_zeros', {'dim': 1}, [values([[-INF, -INF]])], gradients=False),
                               everything=False),
        'CumSum': [Case('first', {'dim': 0}, x), Case('last', {'dim': -1}, x), Case('inner', {'dim': 1}, x),
                   Case('vector', {'dim': 0}, [uniform(5)]), Case('one_element', {'dim': 1}, [uniform(3, 1)])],
    }


def shapes():
    x = [uniform(2, 3, 4)]
    one = [uniform(2, 1, 3, 1)]
    return {
        'Reshape': [Case('given', {'shape': [4, 6]}, x), Case('inferred', {'shape': [2, -1]}, x),
                    Case('flat', {'shape': [-1]}, x), Case('scalar', {'shape': []}, [uniform(1, 1)])],
        'Permute': [Case('given', {'dims': [2, 0, 1]}, x), Case('negative', {'dims': [0, -1, -2]}, x),
                    Case('four', {'dims': [0, 2, 3, 1]}, [uniform(2, 3, 2, 2)]),
                    Case('unchanged', {'dims': [0, 1]}, [uniform(2, 3)])],
        'Transpose': [Case('given', {'dim0': 0, 'dim1': 1}, x), Case('negative', {'dim0': -1, 'dim1': -3}, x),
                      Case('itself', {'dim0': 1, 'dim1': 1}, x)],
        'Squeeze': [Case('default', {}, one), Case('given', {'dim': 1}, one), Case('negative', {'dim': -1}, one),
                    Case('larger_than_1', {'dim': 0}, one)],
        'Unsqueeze': [Case('first', {'dim': 0}, [uniform(2, 3)]), Case('inner', {'dim': 1}, [uniform(2, 3)]),
                      Case('last', {'dim': -1}, [uniform(2, 3)]), Case('scalar', {'dim': 0}, [uniform()])],
        'Select': [Case('first', {'dim': 0, 'index': 1}, x), Case('inner', {'dim': 1, 'index': 0}, x),
                   Case('negative', {'dim': -1, 'index': -2}, x), Case('vector', {'dim': 0, 'index': 3}, [uniform(5)])],
        'Slice': [Case('given', {'dim': 1, 'start': 1, 'end': 3}, x), Case('step', {'dim': 2, 'step': 2}, x),
                  Case('start_step', {'dim': 0, 'start': 1, 'step': 3}, [uniform(7)]),
                  Case('negative', {'dim': -1, 'start': -3, 'end': -1}, x),
                  Case('past_the_end', {'dim': 1, 'start': -100, 'end': 100}, x),
                  Case('end_alone', {'dim': 0, 'end': 1}, x),
                  Case('reversed', {'dim': 1, 'step': -1}, x),
                  Case('reversed_part', {'dim': 0, 'start': 5, 'end': 1, 'step': -2}, [uniform(7, 2)]),
                  Case('nulls', {'dim': 1, 'start': None, 'end': None, 'step': 1}, x)],
        'Pad': [Case('last', {'pad': [1, 2]}, [uniform(2, 3)]), Case('two', {'pad': [1, 0, 0, 2]}, [uniform(1, 2, 3)]),
                Case('value', {'pad': [0, 1, 2, 1], 'value': -1.5}, [uniform(2, 3)]),
                Case('crops', {'pad': [-1, 0, 1, -2]}, [uniform(2, 4, 3)]),
                Case('three', {'pad': [1, 1, 0, 1, 1, 0], 'value': 2}, [uniform(1, 2, 2)])],
        'Expand': [Case('given', {'shape': [3, 5]}, [uniform(3, 1)]), Case('leading', {'shape': [2, 3, 4]}, [uniform(4)]),
                   Case('kept', {'shape': [-1, 3]}, [uniform(2, 1)]),
                   Case('kept_and_leading', {'shape': [2, -1, 3]}, [uniform(2, 1)]),
                   Case('scalar', {'shape': [2, 2]}, [uniform()]), Case('same', {'shape': [2, 3]}, [uniform(2, 3)])],
        'Parameter': [Case('matrix', {'shape': [2, 3]}, []), Case('vector', {'shape': [5]}, []),
                      Case('one', {'shape': [1, 1, 1]}, [])],
        'Constant': [Case('number', {'value': 1.5}, [], gradients=False),
                     Case('tensor', {'value': torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, 4.0]], dtype=torch.float64)}, [],
                          gradients=False)],
    }


LAYERS = {
    'Add': arithmetic(), 'Sub': arithmetic(), 'Mul': arithmetic(), 'Div': division(), 'MatMul': matmul(),
    'Maximum': extreme(), 'Minimum': extreme(), 'Concat': concat(), 'Stack': stack(), 'Scale': scale(),
    'Neg': unary(uniform, 0.0), 'Abs': unary(uniform, gradients_at=(0.0, -0.0, 1.0)), 'Exp': unary(uniform, 800.0, -800.0),
    'Log': unary(positive, 0.0, -1.0), 'Log1p': unary(positive, -1.0, -2.0, 1e-20),
    'Sqrt': unary(positive, -1.0, 0.0, gradients_at=(0.0, 1.0)),
    'Rsqrt': unary(positive, -1.0, 0.0), 'Reciprocal': unary(positive, 0.0, -0.0), 'Square': unary(uniform, 0.0),
    'Sin': unary(uniform, 0.0, 100.0), 'Cos': unary(uniform, 0.0, 100.0), 'Erf': unary(uniform, 0.0, 1e-6, 9.0),
    'Pow': power(), 'Clamp': clamp(),
    **reductions(), **shapes(),
}
