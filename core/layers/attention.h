/* Scaled dot-product attention of several heads with its projections (Vaswani et al. 2017, Attention is all
 * you need, section 3.2), as torch.nn.MultiheadAttention computes it:
 *
 *     q, k, v = x Wᵀ + b of queries, keys, values; each head has embed / heads columns of them
 *     weights = softmax(q kᵀ / √(embed / heads) + mask) of each sample and head
 *     output = (the heads' weights v, side by side) W_outᵀ + b_out
 *
 * Tensors are (length, batch, features) or, where batch_first, (batch, length, features). */
#ifndef LAYERS_ATTENTION_H
#define LAYERS_ATTENTION_H

#include "core/layer.h"
#include "core/real/real.h"

struct attention {
    int64_t embed;
    int64_t heads;
    int64_t key_size;   /* features of the keys' input */
    int64_t value_size; /* features of the values' input */
    bool same; /* one input is queries, keys and values; its three projections lie one after another */
    bool batch_first;
    bool causal;   /* a query sees no key of a later position */
    bool bias_key; /* a learnt key and value are added to every sample's ... */
    bool zero_key; /* ... and one of zeros; every query sees them */
    int64_t batch;
    int64_t queries;
    int64_t keys;
    double dropout;  /* of the weights; 0: none */
    uint64_t stream; /* what it draws from, from element `first` on */
    uint64_t first;
};

/* Parameters, or where their gradients go (NULL: not wanted). */
struct attention_parameters {
    real *query;      /* (embed, embed) */
    real *key;        /* (embed, key_size) */
    real *value;      /* (embed, value_size) */
    real *bias;       /* (3, embed), or NULL: none */
    real *key_bias;   /* (embed), where bias_key */
    real *value_bias; /* (embed), where bias_key */
    real *out;        /* (embed, embed) */
    real *out_bias;   /* (embed), or NULL: none */
};

/* The projections' parts of in_proj_weight (3, embed, embed). */
static inline void attention_unpack(struct attention_parameters *parameters, real *in_proj_weight,
                                    int64_t embed)
{
    parameters->query = in_proj_weight;
    parameters->key = in_proj_weight ? in_proj_weight + embed * embed : NULL;
    parameters->value = in_proj_weight ? in_proj_weight + 2 * embed * embed : NULL;
}

/* (queries, batch, embed), (keys, batch, key_size), (keys, batch, value_size); where `same`, the first alone.
 */
struct attention_inputs {
    real *query;
    real *key;
    real *value;
};

#define attention_saved VARIANT(attention_saved)
#define attention_workspace VARIANT(attention_workspace)
#define attention_flops VARIANT(attention_flops)
#define attention_drawn VARIANT(attention_drawn)
#define attention_forward VARIANT(attention_forward)
#define attention_backward VARIANT(attention_backward)
#define attention_explain VARIANT(attention_explain)

/* Reals to be saved from the forward to the backward pass, and reals that either needs while it runs; at most
 * 2^62 each, where the inputs have less than 2^31 elements and embed is at most 2^20. */
int64_t attention_saved(const struct attention *attention);
int64_t attention_workspace(const struct attention *attention);
double attention_flops(const struct attention *attention);

/* How many elements of the stream its dropout draws; even. */
uint64_t attention_drawn(const struct attention *attention);

void attention_forward(const struct attention *attention, const struct attention_parameters *parameters,
                       const struct attention_inputs *inputs, real *output, real *saved, real *workspace);

/* The inputs' gradients go to `wanted`, the parameters' to `gradients`; NULL: not wanted. */
void attention_backward(const struct attention *attention, const struct attention_parameters *parameters,
                        const struct attention_inputs *inputs, const real *output_gradient, const real *saved,
                        real *workspace, const struct attention_inputs *wanted,
                        const struct attention_parameters *gradients);

/* As layer_ops.explain for the forward pass: tells of scores that are not finite. */
bool attention_explain(const struct attention *attention, const real *saved, int64_t element,
                       struct layer_cause *cause);

#endif
