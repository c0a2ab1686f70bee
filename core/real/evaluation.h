/* What the ways to bound a pass share: a layer's kernels on tensors that are chosen, and hulls of results. */
#ifndef REAL_EVALUATION_H
#define REAL_EVALUATION_H

#include "core/real/interval.h"

static inline real *low_of(const struct interval_tensor *tensor)
{
    return tensor->low.data;
}

static inline real *high_of(const struct interval_tensor *tensor)
{
    return tensor->high.data;
}

enum group { INPUTS, OUTPUTS, PARAMETERS, OUTPUT_GRADIENTS, INPUT_GRADIENTS, PARAMETER_GRADIENTS, GROUPS };

struct evaluation {
    struct interval_pass *p;
    struct layer_pass pass;
    struct tensor *tensors[GROUPS];
};

static inline int group_count(const struct interval_pass *p, enum group group)
{
    if (group == INPUTS || group == INPUT_GRADIENTS)
        return p->pass.input_count;
    return group == OUTPUTS || group == OUTPUT_GRADIENTS ? p->output_count : p->parameter_count;
}

static inline struct interval_tensor *group_of(const struct interval_pass *p, enum group group)
{
    struct interval_tensor *const groups[] = {p->inputs,          p->outputs,
                                              p->parameters,      p->output_gradients,
                                              p->input_gradients, p->parameter_gradients};
    return groups[group];
}

/* All tensors with their shapes; their data are the low ends. */
static inline bool evaluation_open(struct evaluation *e, struct interval_pass *p)
{
    *e = (struct evaluation){.p = p, .pass = p->pass};
    for (int g = 0; g < GROUPS; g++) {
        int count = group_count(p, (enum group)g);
        e->tensors[g] = arena_array(p->scratch, (size_t)count, sizeof(struct tensor));
        if (!e->tensors[g])
            return false;
        for (int k = 0; k < count; k++)
            e->tensors[g][k] = group_of(p, (enum group)g)[k].low;
    }
    e->pass.inputs = e->tensors[INPUTS];
    e->pass.outputs = e->tensors[OUTPUTS];
    e->pass.parameters = e->tensors[PARAMETERS];
    e->pass.output_gradients = e->tensors[OUTPUT_GRADIENTS];
    e->pass.input_gradients = e->tensors[INPUT_GRADIENTS];
    e->pass.parameter_gradients = e->tensors[PARAMETER_GRADIENTS];
    return true;
}

/* Memory of its own for the tensors of a group that have data. */
static inline bool own_group(struct evaluation *e, enum group group)
{
    for (int k = 0; k < group_count(e->p, group); k++) {
        struct tensor *tensor = &e->tensors[group][k];
        if (tensor->data && !(tensor->data = interval_reals(e->p, tensor->count)))
            return false;
    }
    return true;
}

static inline void choose(struct evaluation *e, enum group group, bool high)
{
    for (int k = 0; k < group_count(e->p, group); k++)
        if (e->tensors[group][k].data)
            e->tensors[group][k].data =
                high ? group_of(e->p, group)[k].high.data : group_of(e->p, group)[k].low.data;
}

/* Keeps what is to be said of a result that is not finite: of the first one. */
static inline void note(struct evaluation *e, struct layer_place place)
{
    struct interval_pass *p = e->p;
    if (p->failing)
        return;
    p->failing = true;
    p->place = place;
    p->cause = (struct layer_cause){.operand_count = 0};
    if (!p->ops->explain || !p->ops->explain(&e->pass, &place, &p->cause))
        p->cause = (struct layer_cause){.operand_count = 0};
}

/* Notes the first result of a pass that is not finite. */
static inline void look(struct evaluation *e, bool backward)
{
    for (int g = OUTPUTS; g < GROUPS; g++) {
        if (backward != (g == INPUT_GRADIENTS || g == PARAMETER_GRADIENTS) || (!backward && g != OUTPUTS))
            continue;
        for (int k = 0; !e->p->failing && k < group_count(e->p, (enum group)g); k++) {
            const struct tensor *tensor = &e->tensors[g][k];
            for (int64_t i = 0; tensor->data && i < tensor->count && !e->p->failing; i++)
                if (!isfinite(((const real *)tensor->data)[i]))
                    note(e, (struct layer_place){backward, g == PARAMETER_GRADIENTS, k, i});
        }
    }
}

static inline void forward(struct evaluation *e)
{
    e->p->ops->forward(&e->pass);
    look(e, false);
}

static inline void backward(struct evaluation *e)
{
    e->p->ops->backward(&e->pass);
    look(e, true);
}

/* ---- hulls ---- */

static inline void empty(const struct interval_tensor *to)
{
    for (int64_t i = 0; to->low.data && i < to->low.count; i++) {
        low_of(to)[i] = INFINITY;
        high_of(to)[i] = -INFINITY;
    }
}

/* Takes results into a hull. One that is no number leaves everything possible, but where the type says that
 * its turns enclose all that is finite. */
static inline void take(const struct interval_tensor *to, const real *results, bool keeps_numbers)
{
    for (int64_t i = 0; i < to->low.count; i++) {
        real result = results[i];
        bool nan = isnan(result);
        if (nan && keeps_numbers)
            continue;
        low_of(to)[i] = nan ? (real)-INFINITY : low_of(to)[i] < result ? low_of(to)[i] : result;
        high_of(to)[i] = nan ? (real)INFINITY : high_of(to)[i] > result ? high_of(to)[i] : result;
    }
}

/* Widens an interval by an absolute and a relative error; the latter does not carry it over 0. */
static inline void widen(const struct interval_tensor *to, int64_t i, double absolute, double relative)
{
    double low = (double)low_of(to)[i], high = (double)high_of(to)[i];
    if (low > high) { /* nothing was a number */
        low_of(to)[i] = -INFINITY;
        high_of(to)[i] = INFINITY;
        return;
    }
    const double least = (double)nextafter((real)0, (real)1);
    double below = relative * fabs(low), above = relative * fabs(high);
    if (relative > 0 && fabs(low) < 1e3 * (double)REAL_MIN)
        below += 8 * least;
    if (relative > 0 && fabs(high) < 1e3 * (double)REAL_MIN)
        above += 8 * least;
    double wide_low = low - below, wide_high = high + above;
    if (low >= 0 && wide_low < 0)
        wide_low = 0;
    if (high <= 0 && wide_high > 0)
        wide_high = 0;
    low_of(to)[i] = interval_down(wide_low - absolute);
    high_of(to)[i] = interval_up(wide_high + absolute);
}

static inline double reach(const struct interval_tensor *x, int64_t i)
{
    return fmax(fabs((double)low_of(x)[i]), fabs((double)high_of(x)[i]));
}

#endif
