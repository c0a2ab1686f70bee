/* Bounds of elementwise passes. */
#include "core/layers/broadcast.h"
#include "core/real/evaluation.h"

#include <string.h>

/* ---- curves ---- */

/* The points that a function is evaluated at: both ends, then each turn and its neighbours. */
struct points {
    int count;
    real at[3 * INTERVAL_TURNS];
};

static struct points points_of(const struct interval_pass *p)
{
    const struct layer_bounds *bounds = p->ops->bounds;
    struct interval_turns turns = bounds->turns_of ? bounds->turns_of(p->pass.attributes) : bounds->turns;
    struct points points = {.count = 0};
    double least, greatest;
    interval_hull(&p->inputs[0], &least, &greatest);
    for (int k = 0; k < turns.count; k++) {
        real at = (real)turns.at[k];
        real around[] = {nextafter(at, (real)-INFINITY), at, nextafter(at, (real)INFINITY)};
        if ((double)around[2] < least || (double)around[0] > greatest)
            continue;
        memcpy(points.at + points.count, around, sizeof(around));
        points.count += 3;
    }
    return points;
}

static void fill_point(const struct interval_tensor *x, const struct points *points, int step, real *at)
{
    const real *low = low_of(x), *high = high_of(x);
    for (int64_t i = 0; i < x->low.count; i++) {
        real point = step == 0 ? low[i] : step == 1 ? high[i] : points->at[step - 2];
        at[i] = point < low[i] ? low[i] : point > high[i] ? high[i] : point;
    }
}

bool interval_curve_forward(struct interval_pass *p)
{
    const struct layer_bounds *bounds = p->ops->bounds;
    const struct interval_tensor *x = &p->inputs[0], *y = &p->outputs[0];
    const double epsilon = (double)REAL_EPSILON;
    struct evaluation e;
    if (!evaluation_open(&e, p) || !own_group(&e, INPUTS) || !own_group(&e, OUTPUTS))
        return false;
    struct points points = points_of(p);
    empty(y);
    for (int step = 0; step < 2 + points.count; step++) {
        fill_point(x, &points, step, e.tensors[INPUTS][0].data);
        for (int end = 0; end < (p->parameter_count > 0 ? 2 : 1); end++) {
            choose(&e, PARAMETERS, end);
            forward(&e);
            take(y, e.tensors[OUTPUTS][0].data, bounds->has_domain);
        }
    }
    for (int64_t i = 0; i < y->low.count; i++) {
        widen(y, i, bounds->of_input * epsilon * reach(x, i), bounds->of_result * epsilon);
        if (bounds->least < bounds->greatest) {
            low_of(y)[i] = (real)fmax((double)low_of(y)[i], bounds->least);
            high_of(y)[i] = (real)fmin((double)high_of(y)[i], bounds->greatest);
        }
    }
    return true;
}

bool interval_curve_backward(struct interval_pass *p)
{
    const struct layer_bounds *bounds = p->ops->bounds;
    const struct interval_tensor *x = &p->inputs[0], *dx = &p->input_gradients[0],
                                 *dy = &p->output_gradients[0];
    const double epsilon = (double)REAL_EPSILON;
    struct evaluation e;
    if (!dx->low.data)
        return true;
    if (!evaluation_open(&e, p) || !own_group(&e, INPUTS) || !own_group(&e, OUTPUTS) ||
        !own_group(&e, INPUT_GRADIENTS))
        return false;
    struct points points = points_of(p);
    empty(dx);
    for (int step = 0; step < 2 + points.count; step++) {
        fill_point(x, &points, step, e.tensors[INPUTS][0].data);
        for (int end = 0; end < (p->parameter_count > 0 ? 4 : 2); end++) {
            choose(&e, OUTPUT_GRADIENTS, end & 1);
            choose(&e, PARAMETERS, end >> 1);
            p->ops->forward(&e.pass);
            backward(&e);
            take(dx, e.tensors[INPUT_GRADIENTS][0].data, bounds->has_domain);
        }
    }
    for (int64_t i = 0; i < dx->low.count; i++)
        widen(dx, i, bounds->of_gradient * epsilon * (1 + reach(x, i)) * reach(dy, i),
              (bounds->of_result + bounds->of_gradient) * epsilon);
    return true;
}

/* ---- pairs ---- */

bool interval_pair_forward(struct interval_pass *p)
{
    const struct interval_tensor *y = &p->outputs[0];
    struct evaluation e;
    if (!evaluation_open(&e, p) || !own_group(&e, INPUTS) || !own_group(&e, OUTPUTS))
        return false;
    struct points zero = {3, {nextafter((real)0, (real)-1), 0, nextafter((real)0, (real)1)}};
    empty(y);
    for (int corner = 0; corner < 10; corner++) {
        static const struct points none = {0};
        fill_point(&p->inputs[0], &none, corner % 2, e.tensors[INPUTS][0].data);
        fill_point(&p->inputs[1], &zero, corner / 2, e.tensors[INPUTS][1].data);
        forward(&e);
        take(y, e.tensors[OUTPUTS][0].data, false);
    }
    for (int64_t i = 0; i < y->low.count; i++)
        widen(y, i, 0, p->ops->bounds->of_result * (double)REAL_EPSILON);
    return true;
}

/* An operand's interval as it is broadcast to the output's shape. */
static bool expand(struct interval_pass *p, const struct interval_tensor *operand,
                   const struct stability_shape *shape, struct interval_tensor *expanded)
{
    int64_t count = stability_shape_count(shape);
    expanded->low = (struct tensor){interval_reals(p, count), *shape, count};
    expanded->high = (struct tensor){interval_reals(p, count), *shape, count};
    if (!expanded->low.data || !expanded->high.data)
        return false;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, shape, &operand->low.shape, &operand->low.shape); more;
         more = broadcast_next(&walk))
        for (int64_t i = 0; i < walk.row; i++) {
            low_of(expanded)[walk.whole + i] = low_of(operand)[walk.operand[0] + i * walk.step[0]];
            high_of(expanded)[walk.whole + i] = high_of(operand)[walk.operand[0] + i * walk.step[0]];
        }
    return true;
}

/* Sums an interval over the dimensions along which `part` is broadcast. */
static bool reduce(struct interval_pass *p, const struct interval_tensor *whole,
                   const struct interval_tensor *part)
{
    double *sums = arena_array(p->scratch, 3 * (size_t)part->low.count, sizeof(*sums));
    if (!sums)
        return false;
    double *low = sums, *high = sums + part->low.count, *size = high + part->low.count;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &whole->low.shape, &part->low.shape, &part->low.shape); more;
         more = broadcast_next(&walk))
        for (int64_t i = 0; i < walk.row; i++) {
            int64_t to = walk.operand[0] + i * walk.step[0];
            low[to] += (double)low_of(whole)[walk.whole + i];
            high[to] += (double)high_of(whole)[walk.whole + i];
            size[to] += reach(whole, walk.whole + i);
        }
    double slack = 4 * (double)REAL_EPSILON + (double)whole->low.count * DBL_EPSILON;
    if (whole->low.count == part->low.count)
        slack = 0;
    for (int64_t i = 0; i < part->low.count; i++) {
        low_of(part)[i] = interval_down(low[i] - slack * size[i]);
        high_of(part)[i] = interval_up(high[i] + slack * size[i]);
    }
    return true;
}

bool interval_pair_backward(struct interval_pass *p)
{
    const struct stability_shape *shape = &p->outputs[0].low.shape;
    struct interval_tensor operands[2], hulls[2];
    struct evaluation e;
    if (!evaluation_open(&e, p))
        return false;
    for (int k = 0; k < 2; k++) {
        if (!expand(p, &p->inputs[k], shape, &operands[k]) || !expand(p, &p->inputs[k], shape, &hulls[k]))
            return false;
        e.tensors[INPUTS][k] =
            (struct tensor){interval_reals(p, hulls[k].low.count), *shape, hulls[k].low.count};
        e.tensors[INPUT_GRADIENTS][k] = e.tensors[INPUTS][k];
        e.tensors[INPUT_GRADIENTS][k].data = interval_reals(p, hulls[k].low.count);
        if (!e.tensors[INPUTS][k].data || !e.tensors[INPUT_GRADIENTS][k].data)
            return false;
        empty(&hulls[k]);
    }
    struct points zero = {3, {nextafter((real)0, (real)-1), 0, nextafter((real)0, (real)1)}};
    for (int corner = 0; corner < 20; corner++) {
        static const struct points none = {0};
        choose(&e, OUTPUT_GRADIENTS, corner & 1);
        fill_point(&operands[0], &none, corner >> 1 & 1, e.tensors[INPUTS][0].data);
        fill_point(&operands[1], &zero, corner >> 2, e.tensors[INPUTS][1].data);
        backward(&e);
        for (int k = 0; k < 2; k++)
            take(&hulls[k], e.tensors[INPUT_GRADIENTS][k].data, false);
    }
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < hulls[k].low.count; i++)
            widen(&hulls[k], i, 0, p->ops->bounds->of_result * (double)REAL_EPSILON);
        if (p->input_gradients[k].low.data && !reduce(p, &hulls[k], &p->input_gradients[k]))
            return false;
    }
    return true;
}
