/* How large the numbers of a recurrent layer can be, by magnitudes: a step's hidden state is at most 1 where
 * the cell ends in tanh or a mean of such, an LSTM's cell state grows by at most 1 in a step; the gradient
 * that is carried back is multiplied by at most the greatest column sum of |W_hh| in a step. */
#include "core/layers/recurrent_layout.h"
#include "core/real/interval.h"

struct magnitudes {
    struct recurrent_sizes sizes;
    double margin; /* for rounding: a factor above 1 */
    double keep;   /* what dropout multiplies a layer's output by */
};

static struct magnitudes magnitudes_of(const struct interval_pass *p)
{
    const struct recurrent *recurrent = p->pass.attributes;
    struct magnitudes m = {.sizes = VARIANT(recurrent_sizes)(recurrent, &p->inputs[0].low.shape)};
    double terms = (double)(m.sizes.rows + m.sizes.input + m.sizes.hidden * 8);
    m.margin = 1 + 16 * terms * (double)REAL_EPSILON;
    m.keep = p->pass.drops && recurrent->dropout < 1 ? 1 / (1 - recurrent->dropout) * m.margin : 1;
    return m;
}

/* One layer in one direction. */
struct strand {
    double gates;     /* of the sums that the gates are functions of */
    double hidden;    /* of h(t) */
    double recurring; /* of h W_hhᵀ + b_hh */
};

static struct strand strand_at(const struct interval_pass *p, const struct recurrent_cell *cell,
                               const struct magnitudes *m, int64_t index, double x)
{
    const struct interval_tensor *own = p->parameters + index * RECURRENT_PARAMETERS;
    int64_t rows = cell->gates * m->sizes.hidden;
    double given = interval_row_sum(&own[WEIGHT_IH], rows, false) * x + interval_magnitude(&own[BIAS_IH]);
    double slope = interval_row_sum(&own[WEIGHT_HH], rows, false), bias = interval_magnitude(&own[BIAS_HH]);
    struct strand strand = {.hidden = cell->unbounded ? 0 : m->margin};
    for (int64_t t = 0; cell->unbounded && t < m->sizes.steps; t++)
        strand.hidden = (given + slope * strand.hidden + bias) * m->margin;
    strand.recurring = (slope * strand.hidden + bias) * m->margin;
    strand.gates = (given + strand.recurring) * m->margin;
    return strand;
}

/* The strands of all layers; the magnitude of the last layer's output is returned, of each layer's input goes
 * to `inputs` (layers + 1). Infinite where a sum may overflow. */
static double all_strands(const struct interval_pass *p, const struct recurrent_cell *cell,
                          const struct magnitudes *m, struct strand *strands, double *inputs)
{
    inputs[0] = interval_magnitude(&p->inputs[0]);
    for (int64_t layer = 0; layer < m->sizes.layers; layer++) {
        double output = 0;
        for (int64_t d = 0; d < m->sizes.directions; d++) {
            struct strand *strand = &strands[layer * m->sizes.directions + d];
            *strand = strand_at(p, cell, m, layer * m->sizes.directions + d, inputs[layer]);
            output = fmax(output, 2 * strand->gates > (double)REAL_MAX ? INFINITY : strand->hidden);
        }
        inputs[layer + 1] = output * (layer + 1 < m->sizes.layers ? m->keep : 1);
    }
    return inputs[m->sizes.layers];
}

static bool open_strands(struct interval_pass *p, const struct magnitudes *m, struct strand **strands,
                         double **inputs)
{
    size_t count = (size_t)(m->sizes.layers * m->sizes.directions);
    *strands = arena_array(p->scratch, count, sizeof(**strands));
    *inputs = arena_array(p->scratch, (size_t)m->sizes.layers + 1, sizeof(**inputs));
    return *strands && *inputs;
}

bool recurrent_bound_forward(struct interval_pass *p, const struct recurrent_cell *cell)
{
    struct magnitudes m = magnitudes_of(p);
    struct strand *strands;
    double *inputs, hidden = 0;
    if (!open_strands(p, &m, &strands, &inputs))
        return false;
    double output = all_strands(p, cell, &m, strands, inputs);
    for (int64_t layer = 0; layer < m.sizes.layers; layer++)
        hidden = fmax(hidden, inputs[layer + 1]);
    interval_fill(&p->outputs[0], cell->unbounded ? 0 : -output, output);
    interval_fill(&p->outputs[1], -hidden, hidden);
    double state = isfinite(hidden) ? (double)m.sizes.steps * m.margin : INFINITY;
    if (cell->has_state)
        interval_fill(&p->outputs[2], -state, state);
    return true;
}

/* ---- backward ---- */

/* What arrives at a step from the output and from the step behind it. */
struct carried {
    double hidden;
    double state;
    double gates; /* out: the greatest gradient of a gate's sum */
};

/* A gate's σ' is at most 1/4, tanh' 1. */
static void pass_step(const struct recurrent_cell *cell, const struct strand *strand, double states,
                      double arriving, double slope, double margin, struct carried *c)
{
    double dh = (arriving + c->hidden) * margin;
    if (cell->has_state) {
        c->state = (c->state + dh) * margin;
        c->gates = c->state * fmax(1, states / 4) * margin;
        c->hidden = slope * c->gates * margin;
    } else if (cell->apart) {
        c->gates = dh * fmax(1, strand->recurring / 4) * margin;
        c->hidden = (dh + slope * c->gates) * margin;
    } else {
        c->gates = dh * margin;
        c->hidden = slope * c->gates * margin;
    }
}

static double gates_gradient(const struct interval_pass *p, const struct recurrent_cell *cell,
                             const struct magnitudes *m, int64_t index, const struct strand *strand,
                             double arriving)
{
    const struct interval_tensor *own = p->parameters + index * RECURRENT_PARAMETERS;
    double slope = interval_row_sum(&own[WEIGHT_HH], cell->gates * m->sizes.hidden, true), most = 0;
    struct carried carried = {.hidden = interval_magnitude(&p->output_gradients[1])};
    if (cell->has_state)
        carried.state = interval_magnitude(&p->output_gradients[2]);
    for (int64_t t = 0; t < m->sizes.steps; t++) {
        pass_step(cell, strand, (double)m->sizes.steps, arriving, slope, m->margin, &carried);
        most = fmax(most, carried.gates);
    }
    return most * 4 > (double)REAL_MAX || carried.hidden > (double)REAL_MAX ? INFINITY : most;
}

static void fill_parameters(struct interval_pass *p, const struct magnitudes *m, int64_t index, double gates,
                            double x, double hidden)
{
    const struct interval_tensor *own = p->parameter_gradients + index * RECURRENT_PARAMETERS;
    double sum = gates * (double)m->sizes.rows * m->margin;
    double most[] = {[WEIGHT_IH] = sum * x, [WEIGHT_HH] = sum * hidden, [BIAS_IH] = sum, [BIAS_HH] = sum};
    for (int k = 0; k < RECURRENT_PARAMETERS; k++)
        interval_fill(&own[k], isfinite(sum) ? -most[k] : -INFINITY, isfinite(sum) ? most[k] : INFINITY);
}

bool recurrent_bound_backward(struct interval_pass *p, const struct recurrent_cell *cell)
{
    struct magnitudes m = magnitudes_of(p);
    struct strand *strands;
    double *inputs, arriving = interval_magnitude(&p->output_gradients[0]);
    if (!open_strands(p, &m, &strands, &inputs))
        return false;
    all_strands(p, cell, &m, strands, inputs);
    for (int64_t layer = m.sizes.layers - 1; layer >= 0; layer--) {
        double passed = 0;
        for (int64_t d = 0; d < m.sizes.directions; d++) {
            int64_t index = layer * m.sizes.directions + d;
            const struct interval_tensor *own = p->parameters + index * RECURRENT_PARAMETERS;
            double gates = gates_gradient(p, cell, &m, index, &strands[index], arriving);
            fill_parameters(p, &m, index, gates, inputs[layer], strands[index].hidden);
            passed +=
                gates * interval_row_sum(&own[WEIGHT_IH], cell->gates * m.sizes.hidden, true) * m.margin;
        }
        arriving = isnan(passed) ? INFINITY : passed * (layer > 0 ? m.keep : 1);
    }
    interval_fill(&p->input_gradients[0], -arriving, arriving);
    return true;
}
