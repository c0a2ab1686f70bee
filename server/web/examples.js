// Requests to start from: weights and data are drawn by the service, so that they can be read.

const chain = (depth, width, activation, more = {}) => Array.from({ length: depth }, (_, i) => [
  { name: `fc${i + 1}`, type: 'Linear', in_features: width, out_features: i + 1 === depth ? 10 : width, ...more },
  ...(i + 1 === depth ? [] : [{ name: `act${i + 1}`, type: activation }]),
]).flat();

const data = (width, batch = 32) => ({
  input: { random: 'normal', shape: [batch, width], seed: 1 },
  target: { random: 'randint', low: 0, high: 10, shape: [batch], seed: 2 },
});

const classifier = (name, layers, width) => ({ model: { name, layers, loss: { type: 'CrossEntropyLoss' } }, data: data(width), options: { seed: 0 } });

const convolution = [
  { name: 'conv1', type: 'Conv2d', in_channels: 3, out_channels: 8, kernel_size: 3, padding: 1 },
  { name: 'norm1', type: 'BatchNorm2d', num_features: 8 },
  { name: 'act1', type: 'ReLU' },
  { name: 'conv2', type: 'Conv2d', in_channels: 8, out_channels: 8, kernel_size: 3, padding: 1 },
  { name: 'norm2', type: 'BatchNorm2d', num_features: 8 },
  { name: 'sum', type: 'Add', inputs: ['norm2', 'act1'] },
  { name: 'act2', type: 'ReLU' },
  { name: 'pool', type: 'AdaptiveAvgPool2d', output_size: 1 },
  { name: 'flat', type: 'Flatten' },
  { name: 'fc', type: 'Linear', in_features: 8, out_features: 10 },
];

export const EXAMPLES = {
  'Healthy: a small residual CNN': {
    ...classifier('residual-cnn', convolution, 3),
    data: { input: { random: 'normal', shape: [16, 3, 16, 16], seed: 1 }, target: { random: 'randint', low: 0, high: 10, shape: [16], seed: 2 } },
  },
  'Vanishing: 20 layers of sigmoids': classifier('deep-sigmoid', chain(20, 64, 'Sigmoid'), 64),
  'Exploding: weights drawn too large': classifier('large-weights', chain(12, 64, 'ReLU', { init: { weight: { init: 'normal_', std: 0.6 } } }), 64),
  'NaN: the logarithm of a softmax': classifier('log-softmax', [
    { name: 'fc1', type: 'Linear', in_features: 16, out_features: 10, init: { weight: { init: 'normal_', std: 60 } } },
    { name: 'softmax', type: 'Softmax', dim: -1 },
    { name: 'log', type: 'Log' },
  ], 16),
  'Fifty layers': classifier('fifty', chain(50, 32, 'Tanh'), 32),
};
