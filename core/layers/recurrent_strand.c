#include "core/layers/recurrent_strand.h"

#include "core/layers/affine.h"

#include <string.h>

static const real *parameter(const struct recurrent_strand *strand, int row)
{
    return strand->pass->parameters[strand->index * RECURRENT_PARAMETERS + row].data;
}

static real *workspace(const struct recurrent_strand *strand, int64_t offset)
{
    return (real *)strand->pass->workspace + offset;
}

/* The step that is taken as number `order`. */
static int64_t time_of(const struct recurrent_strand *strand, int64_t order)
{
    return strand->reverse ? strand->sizes->steps - 1 - order : order;
}

/* What a step sees of the one before it: rows and the distance between them. */
struct before {
    const real *hidden;
    int64_t leading;
    const real *state;
};

static struct before before(const struct recurrent_strand *strand, int64_t order)
{
    const struct recurrent_sizes *s = strand->sizes;
    if (order == 0) {
        const real *zeros = workspace(strand, strand->layout->zeros);
        return (struct before){zeros, s->hidden, zeros};
    }
    int64_t row = time_of(strand, order - 1) * s->batch;
    return (struct before){strand->output + row * s->width, s->width,
                           strand->states ? strand->states + row * s->hidden : NULL};
}

/* x W_ihᵀ with all biases that are added to it, for all steps. */
static void project_input(const struct recurrent_strand *strand)
{
    const struct recurrent_sizes *s = strand->sizes;
    const struct recurrent_cell *cell = strand->cell;
    const real *bias_ih = parameter(strand, BIAS_IH), *bias_hh = parameter(strand, BIAS_HH);
    real *bias = bias_ih ? workspace(strand, strand->layout->bias) : NULL;
    int64_t gates = cell->gates * s->hidden;
    for (int64_t i = 0; bias && i < gates; i++)
        bias[i] = cell->apart ? bias_ih[i] : bias_ih[i] + bias_hh[i];
    struct affine affine = {s->rows, strand->input, gates, strand->input, cell->slots * s->hidden};
    affine_forward(&affine, strand->x, parameter(strand, WEIGHT_IH), bias, strand->kept);
}

static void step_forward(const struct recurrent_strand *strand, int64_t order)
{
    const struct recurrent_sizes *s = strand->sizes;
    const struct recurrent_cell *cell = strand->cell;
    int64_t gates = cell->gates * s->hidden, slots = cell->slots * s->hidden;
    int64_t row = time_of(strand, order) * s->batch;
    struct before last = before(strand, order);
    real *kept = strand->kept + row * slots;
    real *recurring = cell->apart ? workspace(strand, strand->layout->recurring) : NULL;
    if (recurring) {
        struct affine affine = {s->batch, s->hidden, gates, last.leading, gates};
        affine_forward(&affine, last.hidden, parameter(strand, WEIGHT_HH), parameter(strand, BIAS_HH),
                       recurring);
    } else {
        gemm_strided(PLAIN, TRANSPOSED, s->batch, gates, s->hidden, 1, last.hidden, last.leading,
                     parameter(strand, WEIGHT_HH), s->hidden, 1, kept, slots);
    }
    for (int64_t n = 0; n < s->batch; n++) {
        struct recurrent_step step = {
            .size = s->hidden,
            .kept = kept + n * slots,
            .recurring = recurring ? recurring + n * gates : NULL,
            .previous = last.hidden + n * last.leading,
            .hidden = strand->output + (row + n) * s->width,
            .previous_state = last.state ? last.state + n * s->hidden : NULL,
            .state = strand->states ? strand->states + (row + n) * s->hidden : NULL,
        };
        cell->forward(&step);
    }
}

/* h or c after the last step: from rows of length hidden with `leading` from row to row. */
static void copy_final(const struct recurrent_strand *strand, const real *rows, int64_t leading,
                       const struct tensor *output)
{
    const struct recurrent_sizes *s = strand->sizes;
    if (s->steps == 0 || !output->data)
        return;
    const real *from = rows + time_of(strand, s->steps - 1) * s->batch * leading;
    real *to = (real *)output->data + strand->index * s->batch * s->hidden;
    for (int64_t n = 0; n < s->batch; n++)
        memcpy(to + n * s->hidden, from + n * leading, (size_t)s->hidden * sizeof(real));
}

void recurrent_strand_forward(const struct recurrent_strand *strand)
{
    const struct recurrent_sizes *s = strand->sizes;
    project_input(strand);
    for (int64_t order = 0; order < s->steps; order++)
        step_forward(strand, order);
    copy_final(strand, strand->output, s->width, &strand->pass->outputs[1]);
    if (strand->states)
        copy_final(strand, strand->states, s->hidden, &strand->pass->outputs[2]);
}

/* Adds the square of the norm of dL/dh(t): what comes from the output and what was carried back from the next
 * step. */
static void measure_step(const struct recurrent_strand *strand, const real *output_gradient, int64_t time)
{
    const struct recurrent_sizes *s = strand->sizes;
    const real *carried = workspace(strand, strand->layout->carried);
    double sum = 0;
    for (int64_t n = 0; n < s->batch; n++)
        for (int64_t i = 0; i < s->hidden; i++) {
            double outside =
                output_gradient ? (double)output_gradient[(time * s->batch + n) * s->width + i] : 0;
            double total = outside + (double)carried[n * s->hidden + i];
            sum += total * total;
        }
    strand->pass->steps[time] += sum;
}

static void step_backward(const struct recurrent_strand *strand, const real *output_gradient, int64_t order)
{
    const struct recurrent_sizes *s = strand->sizes;
    const struct recurrent_cell *cell = strand->cell;
    const struct recurrent_layout *l = strand->layout;
    int64_t gates = cell->gates * s->hidden, slots = cell->slots * s->hidden;
    int64_t row = time_of(strand, order) * s->batch;
    struct before last = before(strand, order);
    const real *zeros = workspace(strand, l->zeros);
    real *carried = workspace(strand, l->carried);
    real *recurring = workspace(strand, l->recurring_gradient) + row * gates;
    for (int64_t n = 0; n < s->batch; n++) {
        struct recurrent_gradient gradient = {
            .size = s->hidden,
            .kept = strand->kept + (row + n) * slots,
            .previous = last.hidden + n * last.leading,
            .previous_state = last.state ? last.state + n * s->hidden : NULL,
            .state = strand->states ? strand->states + (row + n) * s->hidden : NULL,
            .hidden = output_gradient ? output_gradient + (row + n) * s->width : zeros,
            .carried = carried + n * s->hidden,
            .carried_state = cell->has_state ? workspace(strand, l->carried_state) + n * s->hidden : NULL,
            .gates = workspace(strand, l->gates_gradient) + (row + n) * gates,
            .recurring = recurring + n * gates,
        };
        cell->backward(&gradient);
    }
    if (order > 0)
        gemm(PLAIN, PLAIN, s->batch, s->hidden, gates, recurring, parameter(strand, WEIGHT_HH),
             cell->passes ? 1 : 0, carried);
}

/* The gradient of the last step's h or c, from h_n or c_n. */
static void start_carrying(const struct recurrent_strand *strand, const struct tensor *final_gradient,
                           real *carried)
{
    size_t count = (size_t)(strand->sizes->batch * strand->sizes->hidden);
    if (final_gradient->data)
        memcpy(carried, (const real *)final_gradient->data + strand->index * (int64_t)count,
               count * sizeof(real));
    else
        memset(carried, 0, count * sizeof(real));
}

/* The first step's h is zero; it is multiplied all the same, so that NaN and infinities spread as in PyTorch.
 */
static void recurring_weight_gradient(const struct recurrent_strand *strand, real *weight_gradient)
{
    const struct recurrent_sizes *s = strand->sizes;
    int64_t gates = strand->cell->gates * s->hidden;
    const real *gradient = workspace(strand, strand->layout->recurring_gradient);
    struct affine first = {s->batch, s->hidden, gates, s->hidden, gates};
    struct affine rest = {s->rows - s->batch, s->hidden, gates, s->width, gates};
    int64_t later = s->batch; /* the row where step 1 starts, whose h is that of step 0 */
    affine_weight_gradient(&first, workspace(strand, strand->layout->zeros),
                           gradient + (strand->reverse ? (s->rows - s->batch) * gates : 0), 0,
                           weight_gradient);
    if (s->steps > 1)
        affine_weight_gradient(&rest, strand->output + (strand->reverse ? later * s->width : 0),
                               gradient + (strand->reverse ? 0 : later * gates), 1, weight_gradient);
}

static void parameter_gradients(const struct recurrent_strand *strand)
{
    const struct recurrent_sizes *s = strand->sizes;
    const struct tensor *gradients = strand->pass->parameter_gradients + strand->index * RECURRENT_PARAMETERS;
    int64_t gates = strand->cell->gates * s->hidden;
    struct affine affine = affine_dense(s->rows, strand->input, gates);
    const real *gradient = workspace(strand, strand->layout->gates_gradient);
    if (gradients[WEIGHT_IH].data)
        affine_weight_gradient(&affine, strand->x, gradient, 0, gradients[WEIGHT_IH].data);
    if (gradients[WEIGHT_HH].data)
        recurring_weight_gradient(strand, gradients[WEIGHT_HH].data);
    if (gradients[BIAS_IH].data)
        affine_bias_gradient(&affine, gradient, gradients[BIAS_IH].data);
    if (gradients[BIAS_HH].data)
        affine_bias_gradient(&affine, workspace(strand, strand->layout->recurring_gradient),
                             gradients[BIAS_HH].data);
}

void recurrent_strand_backward(const struct recurrent_strand *strand, const real *output_gradient,
                               real *input_gradient, real beta)
{
    const struct recurrent_sizes *s = strand->sizes;
    const struct tensor *final_gradients = strand->pass->output_gradients;
    start_carrying(strand, &final_gradients[1], workspace(strand, strand->layout->carried));
    if (strand->states)
        start_carrying(strand, &final_gradients[2], workspace(strand, strand->layout->carried_state));
    bool is_top = strand->index >= (s->layers - 1) * s->directions;
    for (int64_t order = s->steps - 1; order >= 0; order--) {
        if (strand->pass->steps && is_top)
            measure_step(strand, output_gradient, time_of(strand, order));
        step_backward(strand, output_gradient, order);
    }
    parameter_gradients(strand);
    struct affine affine = affine_dense(s->rows, strand->input, strand->cell->gates * s->hidden);
    if (input_gradient)
        affine_input_gradient(&affine, workspace(strand, strand->layout->gates_gradient),
                              parameter(strand, WEIGHT_IH), beta, input_gradient);
}
