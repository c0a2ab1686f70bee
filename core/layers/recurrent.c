#include "core/layers/recurrent.h"

#include "core/layers/dropout.h"
#include "core/layers/recurrent_strand.h"

#include <stdio.h>
#include <string.h>

static bool check_input(struct layer_shapes *shapes, const struct recurrent *r)
{
    const struct stability_shape *x = &shapes->inputs[0];
    char text[STABILITY_SHAPE_TEXT];
    if (x->rank != 2 && x->rank != 3)
        return layer_shape_fail(shapes, "inputs",
                                "the input must have 3 dimensions %s or 2 without the batch, got %s",
                                r->batch_first ? "(batch, steps, features)" : "(steps, batch, features)",
                                stability_shape_text(x, text));
    if (x->sizes[x->rank - 1] != r->input_size)
        return layer_shape_fail(shapes, "input_size",
                                "the input's last dimension must be input_size = %lld, got %s",
                                (long long)r->input_size, stability_shape_text(x, text));
    if (x->sizes[x->rank == 3 && r->batch_first ? 1 : 0] == 0)
        return layer_shape_fail(shapes, "inputs", "the input must have at least one step, got %s",
                                stability_shape_text(x, text));
    if (r->proj_size != 0)
        return layer_shape_fail(shapes, "proj_size", "projections are not supported: must be 0, got %lld",
                                (long long)r->proj_size);
    return true;
}

static double flops_of(const struct recurrent_sizes *s, const struct recurrent_cell *cell)
{
    double units = (double)s->rows * (double)s->width;
    double flops = 0;
    for (int64_t layer = 0; layer < s->layers; layer++) {
        double inputs = (double)(layer == 0 ? s->input : s->width) + (double)s->hidden;
        flops += units * (2.0 * cell->gates * inputs + cell->flops);
    }
    return flops;
}

bool recurrent_shape(struct layer_shapes *shapes, const struct recurrent_cell *cell)
{
    const struct recurrent *r = shapes->attributes;
    const struct stability_shape *x = &shapes->inputs[0];
    if (!check_input(shapes, r))
        return false;
    struct recurrent_sizes s = VARIANT(recurrent_sizes)(r, x);
    shapes->outputs[0] = *x;
    shapes->outputs[0].sizes[x->rank - 1] = s.width;
    shapes->outputs[1] = (struct stability_shape){x->rank, {s.layers * s.directions, s.batch, s.hidden}};
    if (x->rank == 2)
        shapes->outputs[1].sizes[1] = s.hidden;
    shapes->outputs[2] = shapes->outputs[1];
    shapes->feature_dim = x->rank - 1;
    int64_t count = stability_shape_count(&shapes->outputs[0]);
    if (count < 0 || count > INT32_MAX)
        return true; /* refused by the caller */
    struct recurrent_layout l = VARIANT(recurrent_layout)(r, cell, &s);
    layer_add_reals(shapes, &shapes->saved, l.saved);
    layer_add_reals(shapes, &shapes->workspace,
                    l.forward_workspace > l.backward_workspace ? l.forward_workspace : l.backward_workspace);
    shapes->flops = flops_of(&s, cell);
    return true;
}

int64_t recurrent_kept(const struct layer_pass *pass, const struct recurrent_cell *cell)
{
    struct recurrent_sizes s = VARIANT(recurrent_sizes)(pass->attributes, &pass->inputs[0].shape);
    return s.layers * s.directions * s.rows * cell->slots * s.hidden;
}

int recurrent_copies(const void *attributes)
{
    const struct recurrent *r = attributes;
    return (int)r->num_layers * (r->bidirectional ? 2 : 1);
}

void recurrent_copy(const void *attributes, int index, struct layer_copy *copy)
{
    const struct recurrent *r = attributes;
    int directions = r->bidirectional ? 2 : 1;
    int layer = index / directions;
    snprintf(copy->suffix, sizeof(copy->suffix), "_l%d%s", layer, index % directions ? "_reverse" : "");
    copy->variables[0] =
        (struct attribute_variable){"layer_input", layer == 0 ? r->input_size : directions * r->hidden_size};
}

int recurrent_time_dim(const void *attributes, const struct stability_shape *output)
{
    const struct recurrent *r = attributes;
    return r->batch_first && output->rank == 3 ? 1 : 0;
}

/* (outer, inner, size) → (inner, outer, size) */
static void swap_leading(const real *from, int64_t outer, int64_t inner, int64_t size, real *to)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++)
            memcpy(to + (i * outer + o) * size, from + (o * inner + i) * size, (size_t)size * sizeof(real));
}

static real *layer_output(const struct layer_pass *pass, const struct recurrent_sizes *s,
                          const struct recurrent_layout *l, int64_t layer)
{
    if (layer == s->layers - 1 && !s->swapped)
        return pass->outputs[0].data;
    return (real *)pass->saved + l->outputs + layer * s->rows * s->width;
}

static bool drops(const struct layer_pass *pass)
{
    return pass->drops && ((const struct recurrent *)pass->attributes)->dropout > 0;
}

/* Dropout after layer `layer` - 1; `to` may be `from`. */
static void drop(const struct layer_pass *pass, const struct recurrent_sizes *s, int64_t layer,
                 const real *from, real *to)
{
    int64_t count = s->rows * s->width;
    dropout_apply(pass->seed, (uint64_t)((layer - 1) * (count + count % 2)),
                  ((const struct recurrent *)pass->attributes)->dropout, from, to, count);
}

static const real *layer_input(const struct layer_pass *pass, const struct recurrent_sizes *s,
                               const struct recurrent_layout *l, int64_t layer)
{
    if (layer == 0)
        return s->swapped ? (const real *)pass->saved + l->x : pass->inputs[0].data;
    const real *output = layer_output(pass, s, l, layer - 1);
    if (!drops(pass))
        return output;
    real *dropped = (real *)pass->workspace + l->dropped;
    drop(pass, s, layer, output, dropped);
    return dropped;
}

static struct recurrent_strand strand_of(const struct layer_pass *pass, const struct recurrent_cell *cell,
                                         const struct recurrent_sizes *s, const struct recurrent_layout *l,
                                         int64_t layer, int64_t direction)
{
    int64_t index = layer * s->directions + direction;
    real *saved = pass->saved;
    return (struct recurrent_strand){
        .pass = pass,
        .cell = cell,
        .sizes = s,
        .layout = l,
        .index = index,
        .reverse = direction == 1,
        .input = layer == 0 ? s->input : s->width,
        .output = layer_output(pass, s, l, layer) + direction * s->hidden,
        .kept = saved + l->kept + index * s->rows * cell->slots * s->hidden,
        .states = cell->has_state ? saved + l->states + index * s->rows * s->hidden : NULL,
    };
}

void recurrent_forward(const struct layer_pass *pass, const struct recurrent_cell *cell)
{
    struct recurrent_sizes s = VARIANT(recurrent_sizes)(pass->attributes, &pass->inputs[0].shape);
    struct recurrent_layout l = VARIANT(recurrent_layout)(pass->attributes, cell, &s);
    if (s.rows == 0)
        return;
    memset((real *)pass->workspace + l.zeros, 0, (size_t)(s.batch * s.hidden) * sizeof(real));
    if (s.swapped)
        swap_leading(pass->inputs[0].data, s.batch, s.steps, s.input, (real *)pass->saved + l.x);
    for (int64_t layer = 0; layer < s.layers; layer++) {
        const real *x = layer_input(pass, &s, &l, layer);
        for (int64_t direction = 0; direction < s.directions; direction++) {
            struct recurrent_strand strand = strand_of(pass, cell, &s, &l, layer, direction);
            strand.x = x;
            recurrent_strand_forward(&strand);
        }
    }
    if (s.swapped)
        swap_leading(layer_output(pass, &s, &l, s.layers - 1), s.steps, s.batch, s.width,
                     pass->outputs[0].data);
}

/* The gradient of the last layer's output, time first; NULL: zero. */
static const real *top_gradient(const struct layer_pass *pass, const struct recurrent_sizes *s, real *swapped)
{
    const real *gradient = pass->output_gradients[0].data;
    if (!gradient || !s->swapped)
        return gradient;
    swap_leading(gradient, s->batch, s->steps, s->width, swapped);
    return swapped;
}

static void clear_parameter_gradients(const struct layer_pass *pass, const struct recurrent_sizes *s)
{
    for (int64_t i = 0; i < s->layers * s->directions * RECURRENT_PARAMETERS; i++) {
        const struct tensor *gradient = &pass->parameter_gradients[i];
        if (gradient->data)
            memset(gradient->data, 0, (size_t)gradient->count * sizeof(real));
    }
}

void recurrent_backward(const struct layer_pass *pass, const struct recurrent_cell *cell)
{
    struct recurrent_sizes s = VARIANT(recurrent_sizes)(pass->attributes, &pass->inputs[0].shape);
    struct recurrent_layout l = VARIANT(recurrent_layout)(pass->attributes, cell, &s);
    if (s.rows == 0) {
        clear_parameter_gradients(pass, &s);
        return;
    }
    real *buffers[2];
    for (int i = 0; i < 2; i++)
        buffers[i] = (real *)pass->workspace + l.layer_gradients[i];
    real *wanted = pass->input_gradients[0].data;
    memset((real *)pass->workspace + l.zeros, 0, (size_t)(s.batch * s.hidden) * sizeof(real));
    const real *above = top_gradient(pass, &s, buffers[0]);
    for (int64_t layer = s.layers - 1; layer >= 0; layer--) {
        const real *x = layer_input(pass, &s, &l, layer);
        real *below = layer > 0 || (wanted && s.swapped) ? buffers[(s.layers - layer) % 2] : wanted;
        for (int64_t direction = 0; direction < s.directions; direction++) {
            struct recurrent_strand strand = strand_of(pass, cell, &s, &l, layer, direction);
            strand.x = x;
            recurrent_strand_backward(&strand, above ? above + direction * s.hidden : NULL, below,
                                      (real)direction);
        }
        if (layer > 0 && drops(pass))
            drop(pass, &s, layer, below, below);
        above = below;
    }
    if (wanted && s.swapped)
        swap_leading(above, s.steps, s.batch, s.input, wanted);
}
