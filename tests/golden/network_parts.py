"""Layers of a request, written briefly."""


def layer(name, kind, inputs=None, **attributes):
    wiring = {} if inputs is None else {'inputs': inputs}
    return {'name': name, 'type': kind, **wiring, **attributes}


def linear(name, size, out, inputs=None, **attributes):
    return layer(name, 'Linear', inputs, in_features=size, out_features=out, **attributes)


def conv(name, size, out, inputs=None, kernel_size=3, **attributes):
    return layer(name, 'Conv2d', inputs, in_channels=size, out_channels=out, kernel_size=kernel_size, **attributes)


def norm(name, channels, **attributes):
    return layer(name, 'BatchNorm2d', num_features=channels, **attributes)


BOTH = ('train', 'eval')
