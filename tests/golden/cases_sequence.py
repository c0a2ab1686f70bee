"""Recurrent layers and attention."""
from golden import Case, uniform


def recurrent(state, *cases):
    """`state`: the names of the final states; `cases` are further (name, attributes)."""
    f = {'input_size': 3, 'hidden_size': 2}
    x = [uniform(4, 2, 3)]
    deep = {**f, 'num_layers': 2, 'bidirectional': True}
    return [Case('default', f, x),
            Case('output_alone', f, x, unused=state),
            Case('final_state_alone', f, x, unused=('-',) + state[1:]),
            Case('unbatched', f, [uniform(5, 3)]),
            Case('one_step', f, [uniform(1, 2, 3)]),
            Case('batch_1', f, [uniform(3, 1, 3)]),
            Case('batch_first', {**f, 'batch_first': True}, [uniform(2, 4, 3)]),
            Case('no_bias', {**f, 'bias': False}, x),
            Case('two_layers', {**f, 'num_layers': 2}, x),
            Case('two_layers_dropout_eval', {**f, 'num_layers': 2, 'dropout': 0.5}, [uniform(3, 1, 3)], mode='eval'),
            Case('bidirectional', {**f, 'bidirectional': True}, x),
            Case('bidirectional_unbatched', {**f, 'bidirectional': True, 'batch_first': True}, [uniform(3, 3)]),
            Case('deep', deep, [uniform(3, 2, 3)]),
            Case('deep_batch_first_no_bias', {**deep, 'batch_first': True, 'bias': False}, [uniform(2, 3, 3)]),
            Case('wide_hidden', {'input_size': 1, 'hidden_size': 5}, [uniform(3, 2, 1)])] + [
        Case(name, {**f, **attributes}, x) for name, attributes in cases]


def attention():
    f = {'embed_dim': 4, 'num_heads': 2}
    first = {**f, 'batch_first': True}
    x = [uniform(3, 2, 4)]
    cross = [uniform(2, 3, 4), uniform(5, 3, 4), uniform(5, 3, 4)]
    sizes = {**f, 'kdim': 3, 'vdim': 5}
    other = [uniform(2, 2, 4), uniform(3, 2, 3), uniform(3, 2, 5)]
    return [Case('self', f, x),
            Case('self_unbatched', f, [uniform(3, 4)]),
            Case('length_1', f, [uniform(1, 2, 4)]),
            Case('self_batch_first', first, [uniform(2, 3, 4)]),
            Case('one_head', {**f, 'num_heads': 1}, x),
            Case('head_each', {**f, 'num_heads': 4}, x),
            Case('no_bias', {**f, 'bias': False}, x),
            Case('causal', {**f, 'is_causal': True}, x),
            Case('causal_batch_first', {**first, 'is_causal': True}, [uniform(2, 5, 4)]),
            Case('causal_unbatched', {**f, 'is_causal': True}, [uniform(3, 4)]),
            Case('cross', f, cross),
            Case('cross_batch_first', first, [uniform(3, 2, 4), uniform(3, 5, 4), uniform(3, 5, 4)]),
            Case('cross_unbatched', f, [uniform(2, 4), uniform(3, 4), uniform(3, 4)]),
            Case('cross_causal', {**f, 'is_causal': True}, [uniform(3, 2, 4), uniform(3, 2, 4), uniform(3, 2, 4)]),
            Case('kdim_vdim', sizes, other),
            Case('kdim_vdim_no_bias', {**sizes, 'bias': False}, other),
            Case('kdim_alone', {**f, 'kdim': 3}, [uniform(2, 2, 4), uniform(3, 2, 3), uniform(3, 2, 4)]),
            Case('kdim_vdim_as_embed_dim', {**f, 'kdim': 4, 'vdim': 4}, x),
            Case('add_bias_kv', {**f, 'add_bias_kv': True}, x),
            Case('add_zero_attn', {**f, 'add_zero_attn': True}, x),
            Case('add_both_causal', {**f, 'add_bias_kv': True, 'add_zero_attn': True, 'is_causal': True}, x),
            Case('dropout_eval', {**f, 'dropout': 0.5}, x, mode='eval')]


def encoder_layer():
    f = {'d_model': 4, 'nhead': 2, 'dim_feedforward': 5, 'dropout': 0.0}
    x = [uniform(3, 2, 4)]
    return [Case('post_norm', f, x),
            Case('pre_norm', {**f, 'norm_first': True}, x),
            Case('gelu', {**f, 'activation': 'gelu'}, x),
            Case('batch_first', {**f, 'batch_first': True}, [uniform(2, 3, 4)]),
            Case('unbatched', {**f, 'norm_first': True}, [uniform(3, 4)]),
            Case('layer_norm_eps', {**f, 'layer_norm_eps': 0.125}, x),
            Case('causal', {**f, 'is_causal': True}, x),
            Case('everything', {**f, 'norm_first': True, 'activation': 'gelu', 'batch_first': True, 'is_causal': True,
                                'layer_norm_eps': 0.001, 'nhead': 4}, [uniform(2, 3, 4)]),
            Case('one_head_length_1', {**f, 'nhead': 1}, [uniform(1, 1, 4)]),
            Case('dropout_eval', {'d_model': 4, 'nhead': 2, 'dim_feedforward': 3}, x, mode='eval')]


LAYERS = {'RNN': recurrent(('h_n',), ('relu', {'nonlinearity': 'relu'}), ('tanh', {'nonlinearity': 'tanh'})),
          'LSTM': recurrent(('h_n', 'c_n')), 'GRU': recurrent(('h_n',)),
          'MultiheadAttention': attention(), 'TransformerEncoderLayer': encoder_layer()}
