"""Losses."""
import torch

from golden import Case, integers, positive, probabilities, signs, uniform, values


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def reductions(*cases):
    """Each case with its own reduction, and the first also with every value spelt out."""
    name, attributes, inputs, target = cases[0]
    spelt = [Case(f'{name}_{r}', {**attributes, 'reduction': r}, inputs, target=target) for r in ('mean', 'sum')]
    return [Case(n, a, i, target=t) for n, a, i, t in cases] + spelt


def elementwise(*cases):
    """Losses of two tensors of one shape."""
    return reductions(('matrix', {}, [uniform(3, 5)], uniform(3, 5)),
                      ('vector', {}, [uniform(7)], uniform(7)),
                      ('long', {}, [uniform(41)], uniform(41)),
                      ('one_element', {}, [uniform(1, 1)], uniform(1, 1)),
                      ('image', {}, [uniform(2, 1, 3, 2)], uniform(2, 1, 3, 2)),
                      ('equal', {}, [values([0.5, 1.0, -2.0])], values([0.5, 1.0, -1.0])),
                      *[(n, a, [uniform(3, 5)], uniform(3, 5)) for n, a in cases])


CLASS_WEIGHT = tensor(0.5, 2.0, 0.25, 1.0, 1.5)


def classes(extra=()):
    """CrossEntropyLoss and NLLLoss with class indices."""
    x = [uniform(4, 5, low=-4, high=4)]
    ignoring = values([1, -100, 3, -100])
    return reductions(('classes', {}, x, integers(4, high=5)),
                      ('batch_1', {}, [uniform(1, 5)], integers(1, high=5)),
                      ('unbatched', {}, [uniform(5)], values(3)),
                      ('weight', {'weight': CLASS_WEIGHT}, x, values([0, 4, 1, 2])),
                      ('weight_sum', {'weight': CLASS_WEIGHT, 'reduction': 'sum'}, x, values([0, 4, 1, 2])),
                      ('ignored', {}, x, ignoring),
                      ('ignored_sum', {'reduction': 'sum'}, x, ignoring),
                      ('ignore_index', {'ignore_index': 2}, x, values([0, 2, 1, 2])),
                      ('ignore_index_weight', {'ignore_index': 2, 'weight': CLASS_WEIGHT}, x, values([0, 2, 1, 4])),
                      ('one_dimension', {}, [uniform(2, 5, 3)], integers(2, 3, high=5)),
                      ('two_dimensions', {'weight': CLASS_WEIGHT, 'ignore_index': 0}, [uniform(2, 5, 2, 3)],
                       integers(2, 2, 3, high=5)), *extra) + [
        Case('nothing_but_ignored', {}, x, target=values([-100, -100, -100, -100]), gradients=False)]


def cross_entropy():
    x = [uniform(4, 5, low=-4, high=4)]
    smooth = {'label_smoothing': 0.125}
    index = values([0, 4, 1, 2])
    likely = probabilities(4, 5)
    return classes((
        ('label_smoothing', smooth, x, index),
        ('label_smoothing_sum', {**smooth, 'reduction': 'sum'}, x, index),
        ('label_smoothing_weight', {**smooth, 'weight': CLASS_WEIGHT}, x, index),
        ('label_smoothing_ignored', {**smooth, 'ignore_index': 4, 'weight': CLASS_WEIGHT}, x, index),
        ('label_smoothing_one_dimension', smooth, [uniform(2, 5, 3)], integers(2, 3, high=5)),
        ('label_smoothing_no_weight', {**smooth, 'weight': tensor(1.0, 0.0)}, [uniform(2, 2)], values([1, 1])),
        ('many_classes', {}, [uniform(1, 300, low=-4, high=4)], values([271])),
        ('many_positions', smooth, [uniform(2, 2, 70)], integers(2, 70, high=2)),
        ('probabilities', {}, x, likely),
        ('probabilities_sum', {'reduction': 'sum'}, x, likely),
        ('probabilities_weight', {'weight': CLASS_WEIGHT}, x, likely),
        ('probabilities_label_smoothing', {**smooth, 'weight': CLASS_WEIGHT}, x, likely),
        ('probabilities_one_dimension', {}, [uniform(2, 3, 4)], probabilities(2, 3, 4)),
        ('probabilities_unbatched', {}, [uniform(5)], probabilities(5, dimension=0)),
        ('large_logits', {}, [values([[1000.0, 0.0, -1000.0], [500.0, 501.0, 499.0]])], values([1, 1]))))


def bce_with_logits():
    x, target = [uniform(3, 5, low=-4, high=4)], uniform(3, 5, low=0, high=1)
    pos_weight = tensor(0.5, 2.0, 1.0, 3.0, 0.25)
    return reductions(('matrix', {}, x, target),
                      ('vector', {}, [uniform(7)], values([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0])),
                      ('one_element', {}, [uniform(1, 1)], values([[1.0]])),
                      ('pos_weight', {'pos_weight': pos_weight}, x, target),
                      ('pos_weight_sum', {'pos_weight': pos_weight, 'reduction': 'sum'}, x, target),
                      ('pos_weight_one', {'pos_weight': tensor(2.5)}, [uniform(3, 1)], uniform(3, 1, low=0, high=1)),
                      ('weight', {'weight': pos_weight}, x, target),
                      ('small_loss', {}, [values([12.0, -12.5, 13.0])], values([1.0, 0.0, 1.0])),
                      ('large_logits', {}, [values([1000.0, -1000.0, 90.0, -90.0])], values([1.0, 0.0, 0.0, 1.0])))


def bce():
    x, target = [uniform(3, 5, low=0, high=0.99)], uniform(3, 5, low=0, high=1)
    weight = tensor(0.5, 2.0, 1.0, 3.0, 0.25)
    return reductions(('matrix', {}, x, target),
                      ('vector', {}, [uniform(7, low=0, high=0.99)], values([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0])),
                      ('one_element', {}, [values([[0.25]])], values([[1.0]])),
                      ('weight', {'weight': weight}, x, target),
                      ('certain', {}, [values([0.0, 1.0])], values([0.0, 1.0]))) + [
        Case('wrong_is_100', {}, [values([0.0, 1.0, 0.5])], target=values([1.0, 0.0, 1.0]))]


def divergence():
    x = [uniform(3, 5, low=-4, high=-0.1)]
    return reductions(('matrix', {}, x, probabilities(3, 5)),
                      ('log_target', {'log_target': True}, x, uniform(3, 5, low=-4, high=-0.1)),
                      ('log_target_sum', {'log_target': True, 'reduction': 'sum'}, x, uniform(3, 5, low=-4, high=-0.1)),
                      ('zero_in_target', {}, x, values([[0.0, 0.5, 0.5, 0.0, 0.0]] * 3)),
                      ('image', {}, [uniform(2, 3, 2, low=-4, high=-0.1)], probabilities(2, 3, 2)),
                      ('vector', {}, [uniform(5, low=-4, high=-0.1)], probabilities(5, dimension=0)))


def poisson():
    counts = values([[0.0, 1.0, 2.0, 3.0, 7.0]] * 3)
    x, above = [uniform(3, 5)], [positive(3, 5)]
    return reductions(('matrix', {}, x, counts),
                      ('full', {'full': True}, x, counts),
                      ('not_log_input', {'log_input': False}, above, counts),
                      ('not_log_input_full_sum', {'log_input': False, 'full': True, 'reduction': 'sum'}, above, counts),
                      ('eps', {'log_input': False, 'eps': 0.125}, above, counts),
                      ('one_element', {}, [uniform(1)], values([2.0])))


def hinge():
    return reductions(('matrix', {}, [uniform(3, 5)], signs(3, 5)),
                      ('margin', {'margin': 0.5}, [uniform(3, 5)], signs(3, 5)),
                      ('margin_sum', {'margin': 0.5, 'reduction': 'sum'}, [uniform(7)], signs(7)),
                      ('one_element', {}, [uniform(1)], values([-1.0])),
                      ('at_kinks', {}, [values([1.0, 2.0, 0.0, 1.0])], values([-1.0, -1.0, -1.0, 1.0])))


def cosine():
    pairs = [uniform(4, 5), uniform(4, 5)]
    return reductions(('matrix', {}, pairs, values([1.0, -1.0, 1.0, -1.0])),
                      ('margin', {'margin': -0.5}, pairs, values([1.0, -1.0, -1.0, -1.0])),
                      ('margin_sum', {'margin': 0.25, 'reduction': 'sum'}, pairs, values([-1.0, -1.0, 1.0, -1.0])),
                      ('unbatched', {}, [uniform(5), uniform(5)], values(1.0)),
                      ('batch_1', {}, [uniform(1, 3), uniform(1, 3)], values([1.0])))


def soft_margin():
    return reductions(('matrix', {}, [uniform(3, 5)], signs(3, 5)), ('vector', {}, [uniform(7)], signs(7)),
                      ('one_element', {}, [uniform(1)], signs(1)),
                      ('image', {}, [uniform(2, 1, 3, 2)], signs(2, 1, 3, 2)))


KINKS = Case('at_kinks', {}, [values([1.0, 2.0, -1.0, 0.0])], target=values([0.0, 0.0, 0.0, 0.0]))
LOSSES = {'CrossEntropyLoss': cross_entropy(), 'NLLLoss': classes(), 'MSELoss': elementwise(), 'L1Loss': elementwise(),
          'SmoothL1Loss': elementwise(('beta', {'beta': 0.25}), ('beta_over_1', {'beta': 2.0}),
                                      ('beta_0', {'beta': 0.0})) + [KINKS],
          'HuberLoss': elementwise(('delta', {'delta': 0.25}), ('delta_over_1', {'delta': 2.5})) + [KINKS],
          'BCELoss': bce(), 'BCEWithLogitsLoss': bce_with_logits(), 'KLDivLoss': divergence(),
          'PoissonNLLLoss': poisson(), 'HingeEmbeddingLoss': hinge(), 'CosineEmbeddingLoss': cosine(),
          'SoftMarginLoss': soft_margin()}
