/* Bounds of monotone and linear passes, and of sums of products. */
#include "core/real/evaluation.h"

#include <string.h>

/* ---- monotone and linear passes ---- */

static void order(const struct interval_tensor *tensor)
{
    for (int64_t i = 0; tensor->low.data && i < tensor->low.count; i++) {
        real a = low_of(tensor)[i], b = high_of(tensor)[i];
        bool nan = isnan(a) || isnan(b);
        low_of(tensor)[i] = nan ? (real)-INFINITY : a < b ? a : b;
        high_of(tensor)[i] = nan ? (real)INFINITY : a < b ? b : a;
    }
}

/* The greatest magnitudes of the tensors of a group. */
static void fill_magnitudes(struct evaluation *e, enum group group)
{
    for (int k = 0; k < group_count(e->p, group); k++) {
        const struct interval_tensor *from = &group_of(e->p, group)[k];
        real *to = e->tensors[group][k].data;
        for (int64_t i = 0; to && i < e->tensors[group][k].count; i++)
            to[i] = (real)reach(from, i);
    }
}

static void widen_sums(const struct interval_tensor *to, const real *sizes, double terms, int64_t summed)
{
    double slack = (terms + 8) * (double)REAL_EPSILON + (double)summed * DBL_EPSILON;
    for (int64_t i = 0; to->low.data && i < to->low.count; i++) {
        double size = fabs((double)sizes[i]);
        bool positive = low_of(to)[i] >= 0, negative = high_of(to)[i] <= 0;
        widen(to, i, slack * size, 0);
        if (positive && low_of(to)[i] < 0) /* sums of numbers of one sign have it too */
            low_of(to)[i] = 0;
        if (negative && high_of(to)[i] > 0)
            high_of(to)[i] = 0;
    }
}

/* Runs a pass at both ends into the intervals of a group, and where something is summed up on magnitudes. */
static bool at_both_ends(struct interval_pass *p, bool is_backward, bool sums, const enum group *from,
                         int from_count, const enum group *to, int to_count)
{
    struct evaluation e;
    if (!evaluation_open(&e, p))
        return false;
    for (int end = 0; end < 2; end++) {
        for (int g = 0; g < from_count; g++)
            choose(&e, from[g], end);
        for (int g = 0; g < to_count; g++)
            choose(&e, to[g], end);
        (is_backward ? backward : forward)(&e);
    }
    for (int g = 0; g < to_count; g++)
        for (int k = 0; k < group_count(p, to[g]); k++)
            order(&group_of(p, to[g])[k]);
    if (!sums)
        return true;
    for (int g = 0; g < from_count; g++) {
        if (!own_group(&e, from[g]))
            return false;
        fill_magnitudes(&e, from[g]);
    }
    int64_t summed = 0;
    for (int k = 0; k < p->pass.input_count; k++)
        summed += p->inputs[k].low.count;
    for (int g = 0; g < to_count; g++)
        if (!own_group(&e, to[g]))
            return false;
    (is_backward ? backward : forward)(&e);
    for (int g = 0; g < to_count; g++)
        for (int k = 0; k < group_count(p, to[g]); k++)
            widen_sums(&group_of(p, to[g])[k], e.tensors[to[g]][k].data, p->ops->bounds->terms(p),
                       summed + p->outputs[0].low.count);
    return true;
}

bool interval_move_forward(struct interval_pass *p)
{
    return at_both_ends(p, false, false, (enum group[]){INPUTS, PARAMETERS}, 2, (enum group[]){OUTPUTS}, 1);
}

bool interval_monotone_forward(struct interval_pass *p)
{
    return at_both_ends(p, false, true, (enum group[]){INPUTS, PARAMETERS}, 2, (enum group[]){OUTPUTS}, 1);
}

bool interval_linear_backward(struct interval_pass *p)
{
    return at_both_ends(p, true, p->ops->bounds->terms != NULL, (enum group[]){OUTPUT_GRADIENTS}, 1,
                        (enum group[]){INPUT_GRADIENTS, PARAMETER_GRADIENTS}, 2);
}

/* ---- sums of products ---- */

enum part { MIDPOINTS, ABSOLUTE_MIDPOINTS, GREATEST, ONES, PARTS };

static void fill_part(struct evaluation *e, enum group group, enum part part)
{
    for (int k = 0; k < group_count(e->p, group); k++) {
        const struct interval_tensor *from = &group_of(e->p, group)[k];
        real *to = e->tensors[group][k].data;
        for (int64_t i = 0; to && i < e->tensors[group][k].count; i++) {
            double low = (double)low_of(from)[i], high = (double)high_of(from)[i];
            real middle = (real)(0.5 * low + 0.5 * high);
            double radius = fmax(high - (double)middle, (double)middle - low);
            real parts[] = {middle, fabs(middle), interval_up(fabs((double)middle) + radius), 1};
            to[i] = parts[part];
        }
    }
}

/* F(m) ± (F(|m| + r) - F(|m|)), and the rounding errors of all three and of the engine. */
static void enclose(const struct interval_tensor *to, const real *const parts[PARTS], bool positive)
{
    for (int64_t i = 0; to->low.data && i < to->low.count; i++) {
        double middle = (double)parts[MIDPOINTS][i], size = (double)parts[GREATEST][i];
        double terms = (double)parts[ONES][i];
        double radius = size - (double)parts[ABSOLUTE_MIDPOINTS][i];
        radius +=
            (2 * terms + 8) * (double)REAL_EPSILON * size + terms * (double)REAL_MIN * (double)REAL_EPSILON;
        double low = middle - radius, high = middle + radius;
        bool known = isfinite(low) && isfinite(high);
        low_of(to)[i] = known ? interval_down(positive ? fmax(low, 0) : low) : (real)-INFINITY;
        high_of(to)[i] = known ? interval_up(high) : (real)INFINITY;
    }
}

static bool is_positive(const struct interval_pass *p, enum group group)
{
    for (int k = 0; k < group_count(p, group); k++) {
        double low, high;
        interval_hull(&group_of(p, group)[k], &low, &high);
        if (low < 0)
            return false;
    }
    return true;
}

static bool enclose_products(struct interval_pass *p, bool is_backward, const enum group *from,
                             int from_count, const enum group *to, int to_count)
{
    struct evaluation e;
    struct tensor *results[PARTS][2];
    bool positive = true;
    if (!evaluation_open(&e, p))
        return false;
    for (int g = 0; g < from_count; g++) {
        positive &= is_positive(p, from[g]);
        if (!own_group(&e, from[g]))
            return false;
    }
    for (int part = 0; part < PARTS; part++) {
        for (int g = 0; g < from_count; g++)
            fill_part(&e, from[g], (enum part)part);
        for (int g = 0; g < to_count; g++) {
            if (!own_group(&e, to[g]))
                return false;
            size_t bytes = (size_t)group_count(p, to[g]) * sizeof(struct tensor);
            results[part][g] = arena_allocate(p->scratch, bytes);
            if (!results[part][g])
                return false;
            if (bytes > 0)
                memcpy(results[part][g], e.tensors[to[g]], bytes);
        }
        (is_backward ? backward : forward)(&e);
    }
    for (int g = 0; g < to_count; g++)
        for (int k = 0; k < group_count(p, to[g]); k++) {
            const real *parts[PARTS];
            for (int part = 0; part < PARTS; part++)
                parts[part] = results[part][g][k].data;
            enclose(&group_of(p, to[g])[k], parts, positive);
        }
    return true;
}

bool interval_product_forward(struct interval_pass *p)
{
    return enclose_products(p, false, (enum group[]){INPUTS, PARAMETERS}, 2, (enum group[]){OUTPUTS}, 1);
}

bool interval_product_backward(struct interval_pass *p)
{
    return enclose_products(p, true, (enum group[]){OUTPUT_GRADIENTS, INPUTS, PARAMETERS}, 3,
                            (enum group[]){INPUT_GRADIENTS, PARAMETER_GRADIENTS}, 2);
}
