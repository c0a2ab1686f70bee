"""Networks as people build them: ResNet, U-Net, transformer, LSTM, mixer, gated MLP and others."""
from network_parts import BOTH, conv, layer, linear, norm


def basic_block(name, size, out, stride, source):
    """Two convolutions and a shortcut, as in ResNet-18."""
    layers = [conv(f'{name}.conv1', size, out, [source], stride=stride, padding=1, bias=False), norm(f'{name}.bn1', out),
              layer(f'{name}.relu1', 'ReLU'), conv(f'{name}.conv2', out, out, padding=1, bias=False),
              norm(f'{name}.bn2', out)]
    shortcut = source
    if stride != 1 or size != out:
        layers += [conv(f'{name}.down', size, out, [source], kernel_size=1, stride=stride, bias=False),
                   norm(f'{name}.down_bn', out)]
        shortcut = f'{name}.down_bn'
    return layers + [layer(f'{name}.add', 'Add', [f'{name}.bn2', shortcut]), layer(f'{name}.relu2', 'ReLU')]


def resnet():
    return {'layers': [
        conv('conv1', 3, 4, kernel_size=7, stride=2, padding=3, bias=False), norm('bn1', 4), layer('relu', 'ReLU'),
        layer('maxpool', 'MaxPool2d', kernel_size=3, stride=2, padding=1),
        *basic_block('layer1', 4, 4, 1, 'maxpool'), *basic_block('layer2', 4, 6, 2, 'layer1.relu2'),
        layer('avgpool', 'AdaptiveAvgPool2d', output_size=1), layer('flat', 'Flatten'), linear('fc', 6, 5)],
        'loss': {'type': 'CrossEntropyLoss'}}


def unet():
    return {'layers': [
        conv('down1', 2, 4, padding=1, padding_mode='reflect'),
        layer('norm1', 'InstanceNorm2d', num_features=4, affine=True), layer('act1', 'LeakyReLU', negative_slope=0.2),
        layer('pool1', 'MaxPool2d', kernel_size=2),
        conv('down2', 4, 6, padding='same'), layer('norm2', 'GroupNorm', num_groups=3, num_channels=6),
        layer('act2', 'SiLU'), layer('pool2', 'AvgPool2d', kernel_size=2),
        conv('middle', 6, 6, padding=2, dilation=2), layer('act3', 'Mish'),
        layer('up2', 'ConvTranspose2d', in_channels=6, out_channels=4, kernel_size=2, stride=2),
        layer('join2', 'Concat', ['up2', 'act2'], dim=1), conv('conv2', 10, 4, padding=1), layer('act4', 'ReLU'),
        layer('up1', 'Upsample', scale_factor=2, mode='bilinear', align_corners=False),
        layer('join1', 'Concat', ['up1', 'act1'], dim=1), conv('conv1', 8, 3, kernel_size=1)],
        'loss': {'type': 'CrossEntropyLoss', 'ignore_index': 0}}


def attention_block(name, source, size):
    return [layer(f'{name}.norm1', 'LayerNorm', [source], normalized_shape=size),
            layer(f'{name}.attention', 'MultiheadAttention', embed_dim=size, num_heads=2, batch_first=True, is_causal=True),
            layer(f'{name}.add1', 'Add', [source, f'{name}.attention']),
            layer(f'{name}.norm2', 'LayerNorm', normalized_shape=size),
            linear(f'{name}.fc1', size, 12), layer(f'{name}.gelu', 'GELU'), linear(f'{name}.fc2', 12, size),
            layer(f'{name}.add2', 'Add', [f'{name}.add1', f'{name}.fc2'])]


def transformer():
    """Pre-norm, causal; the embedding and the last layer share their weight."""
    return {'inputs': ['tokens'], 'layers': [
        layer('emb', 'Embedding', ['tokens'], num_embeddings=11, embedding_dim=8),
        layer('position', 'Parameter', shape=[6, 8]), layer('start', 'Add', ['emb', 'position']),
        *attention_block('block1', 'start', 8),
        layer('block2', 'TransformerEncoderLayer', d_model=8, nhead=4, dim_feedforward=10, dropout=0.0,
              activation='gelu', batch_first=True, norm_first=True, is_causal=True),
        layer('norm', 'LayerNorm', normalized_shape=8),
        linear('logits', 8, 11, bias=False, weights_from='emb'), layer('classes', 'Transpose', dim0=1, dim1=2)],
        'loss': {'type': 'CrossEntropyLoss'}}


def lstm():
    """Bidirectional, two layers; the classes are read from the final states."""
    return {'layers': [
        layer('lstm', 'LSTM', input_size=5, hidden_size=4, num_layers=2, bidirectional=True, batch_first=True),
        layer('pooled', 'Mean', dim=1),
        layer('state', 'Permute', ['lstm.h_n'], dims=[1, 0, 2]), layer('flat', 'Flatten'),
        layer('cell', 'Sum', ['lstm.c_n'], dim=0), layer('both', 'Concat', ['flat', 'pooled', 'cell'], dim=-1),
        linear('logits', 28, 3)], 'loss': {'type': 'CrossEntropyLoss'}}


def recurrent():
    """GRU over RNN over time-first input, every step classified."""
    return {'layers': [
        layer('rnn', 'RNN', input_size=3, hidden_size=5, nonlinearity='relu'),
        layer('gru', 'GRU', input_size=5, hidden_size=4, bidirectional=True), layer('act', 'Tanhshrink'),
        linear('logits', 8, 4), layer('classes', 'Permute', dims=[0, 2, 1])],
        'loss': {'type': 'CrossEntropyLoss', 'reduction': 'sum'}}


def mixer():
    layers = [conv('patches', 3, 6, kernel_size=2, stride=2), layer('flat', 'Flatten', start_dim=2),
              layer('tokens', 'Transpose', dim0=1, dim1=2)]
    source = 'tokens'
    for name in ('mix1', 'mix2'):
        layers += [layer(f'{name}.norm1', 'LayerNorm', [source], normalized_shape=6),
                   layer(f'{name}.across', 'Transpose', dim0=1, dim1=2), linear(f'{name}.token1', 9, 7),
                   layer(f'{name}.gelu1', 'GELU', approximate='tanh'), linear(f'{name}.token2', 7, 9),
                   layer(f'{name}.back', 'Transpose', dim0=-1, dim1=-2),
                   layer(f'{name}.add1', 'Add', [f'{name}.back', source]),
                   layer(f'{name}.norm2', 'LayerNorm', normalized_shape=6), linear(f'{name}.channel1', 6, 10),
                   layer(f'{name}.gelu2', 'GELU'), linear(f'{name}.channel2', 10, 6),
                   layer(f'{name}.add2', 'Add', [f'{name}.channel2', f'{name}.add1'])]
        source = f'{name}.add2'
    return {'layers': layers + [layer('mean', 'Mean', dim=1), linear('logits', 6, 4)],
            'loss': {'type': 'CrossEntropyLoss', 'label_smoothing': 0.125}}


def gated():
    """GLU, then the gate of SwiGLU, with RMSNorm."""
    return {'layers': [
        linear('fc1', 7, 12), layer('glu', 'GLU'), layer('norm1', 'RMSNorm', normalized_shape=6),
        linear('gate', 6, 9, ['norm1'], bias=False), layer('silu', 'SiLU'), linear('up', 6, 9, ['norm1'], bias=False),
        layer('product', 'Mul', ['silu', 'up']), linear('down', 9, 6, bias=False), layer('add', 'Add', ['down', 'glu']),
        layer('norm2', 'RMSNorm', normalized_shape=6, eps=1e-05), linear('out', 6, 3)],
        'loss': {'type': 'HuberLoss', 'delta': 0.5}}


def autoencoder():
    """One-dimensional convolutions down and up again."""
    return {'layers': [
        layer('conv1', 'Conv1d', in_channels=2, out_channels=4, kernel_size=4, stride=2, padding=1),
        layer('norm1', 'BatchNorm1d', num_features=4), layer('act1', 'PReLU', num_parameters=4),
        layer('pool', 'MaxPool1d', kernel_size=2), layer('conv2', 'Conv1d', in_channels=4, out_channels=3, kernel_size=3,
                                                         padding='same', padding_mode='circular'),
        layer('norm2', 'InstanceNorm1d', num_features=3), layer('act2', 'Softplus', beta=2.0),
        layer('up1', 'ConvTranspose1d', in_channels=3, out_channels=4, kernel_size=3, stride=2, padding=1,
              output_padding=1), layer('act3', 'CELU', alpha=0.5),
        layer('up2', 'Upsample', scale_factor=2, mode='linear'),
        layer('out', 'Conv1d', in_channels=4, out_channels=2, kernel_size=1)],
        'loss': {'type': 'SmoothL1Loss', 'beta': 0.5}}


def twins():
    """Two towers with one set of weights, compared by angle."""
    def tower(name, source, **shared):
        return [linear(f'{name}.fc1', 6, 8, [source], **{k: f'{v}.fc1' for k, v in shared.items()}),
                layer(f'{name}.act', 'Hardswish'),
                linear(f'{name}.fc2', 8, 5, **{k: f'{v}.fc2' for k, v in shared.items()})]
    return {'inputs': ['left', 'right'], 'layers': [*tower('a', 'left'), *tower('b', 'right', weights_from='a')],
            'loss': {'type': 'CosineEmbeddingLoss', 'margin': 0.25, 'inputs': ['a.fc2', 'b.fc2']}}


def by_hand():
    """Attention and a norm out of single operations."""
    return {'layers': [
        linear('qkv', 6, 18), layer('split', 'Reshape', shape=[2, 5, 3, 2, 3]),
        layer('heads', 'Permute', dims=[2, 0, 3, 1, 4]),
        layer('q', 'Select', ['heads'], dim=0, index=0), layer('k', 'Select', ['heads'], dim=0, index=1),
        layer('v', 'Select', ['heads'], dim=0, index=-1),
        layer('kt', 'Transpose', ['k'], dim0=-2, dim1=-1), layer('scores', 'MatMul', ['q', 'kt']),
        layer('scaled', 'Scale', factor=0.5773502691896258), layer('top', 'Max', dim=-1, keepdim=True),
        layer('shifted', 'Sub', ['scaled', 'top']), layer('exp', 'Exp'), layer('total', 'Sum', dim=-1, keepdim=True),
        layer('weights', 'Div', ['exp', 'total']), layer('read', 'MatMul', ['weights', 'v']),
        layer('time', 'Permute', dims=[0, 2, 1, 3]), layer('joined', 'Flatten', start_dim=2),
        layer('residual', 'Add', ['joined', 'input']), layer('mean', 'Mean', dim=-1, keepdim=True),
        layer('centred', 'Sub', ['residual', 'mean']), layer('square', 'Square'),
        layer('variance', 'Mean', dim=-1, keepdim=True), layer('safe', 'Scale', shift=1e-05),
        layer('rsqrt', 'Rsqrt'), layer('normed', 'Mul', ['centred', 'rsqrt']), layer('gain', 'Parameter', shape=[6]),
        layer('gained', 'Mul', ['normed', 'gain']), layer('tail', 'Slice', dim=1, start=1),
        layer('padded', 'Pad', pad=[0, 0, 1, 0]), layer('ends', 'Stack', ['padded', 'gained'], dim=1),
        layer('spread', 'Var', dim=[1, 2]), layer('clamped', 'Clamp', min=0.5), linear('logits', 6, 3)],
        'loss': {'type': 'CrossEntropyLoss'}}


NETWORKS = {
    'resnet': (resnet(), {'input': (3, 3, 19, 18), 'target': ((3,), 5)}, BOTH),
    'unet': (unet(), {'input': (2, 2, 8, 12), 'target': ((2, 8, 12), 3)}, BOTH),
    'transformer': (transformer(), {'tokens': ((3, 6), 11), 'target': ((3, 6), 11)}, BOTH),
    'lstm': (lstm(), {'input': (3, 7, 5), 'target': ((3,), 3)}, BOTH),
    'recurrent': (recurrent(), {'input': (7, 2, 3), 'target': ((7, 2), 4)}, BOTH),
    'mixer': (mixer(), {'input': (2, 3, 6, 6), 'target': ((2,), 4)}, BOTH),
    'gated': (gated(), {'input': (5, 7), 'target': (5, 3)}, BOTH),
    'autoencoder': (autoencoder(), {'input': (3, 2, 16), 'target': (3, 2, 16)}, BOTH),
    'twins': (twins(), {'left': (4, 6), 'right': (4, 6), 'target': ((4,), 2)}, BOTH),
    'by-hand': (by_hand(), {'input': (2, 5, 6), 'target': ((2,), 3)}, BOTH),
}
