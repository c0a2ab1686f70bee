/* A normalised element is at most √(size - 1) of its group, and at most the spread of the elements over √eps.
 */
#include "core/layers/norm.h"

/* What bounds a pass whose groups have statistics of their own. */
struct reach {
    double normalized; /* of |x̂| */
    double rstd;
    double x;
    bool known; /* no intermediate result can overflow, no variance is 0 without an eps */
};

static struct reach reach_of(const struct norm *norm, const struct interval_pass *p)
{
    struct span x = span_of(&p->inputs[0]);
    double size = norm_group_size(norm), epsilon = (double)REAL_EPSILON;
    struct reach reach = {.rstd = 1 / sqrt(norm->eps), .x = span_magnitude(x)};
    double spread = norm->centered ? x.high - x.low : reach.x;
    reach.normalized = fmin(sqrt(norm->centered ? fmax(size - 1, 0) : size), spread * reach.rstd);
    reach.normalized = reach.normalized * (1 + 1e-5) + 8 * epsilon * reach.x * reach.rstd;
    reach.known = reach.rstd <= (double)REAL_MAX && 4 * reach.x <= (double)REAL_MAX &&
                  isfinite(size * reach.x * reach.x) && reach.normalized <= (double)REAL_MAX;
    return reach;
}

static struct span weight_span(const struct norm *norm, const struct interval_pass *p, int64_t channel)
{
    return norm->weight ? span_at(&p->parameters[0], channel) : (struct span){1, 1};
}

/* x̂ of a group whose statistics are given. */
static struct span given_span(const struct norm *norm, const struct interval_pass *p, int64_t i,
                              double *error)
{
    int64_t channel = i / norm->inner % norm->channels;
    struct span x = span_at(&p->inputs[0], i);
    double mean = (double)norm->running_mean[channel];
    double rstd = (double)(real)(1 / sqrt((double)norm->running_var[channel] + norm->eps));
    *error = 8 * (double)REAL_EPSILON * rstd * (span_magnitude(x) + fabs(mean));
    return (struct span){(x.low - mean) * rstd, (x.high - mean) * rstd};
}

bool norm_bound_forward(const struct norm *norm, struct interval_pass *p)
{
    struct reach reach = reach_of(norm, p);
    if (!norm->running_mean && !reach.known) {
        interval_give_up(p, false);
        return true;
    }
    for (int64_t i = 0; i < p->outputs[0].low.count; i++) {
        int64_t channel = i / norm->inner % norm->channels;
        double error = 0;
        struct span x = {-reach.normalized, reach.normalized}, weight = weight_span(norm, p, channel);
        if (norm->running_mean)
            x = given_span(norm, p, i, &error);
        struct span y = span_multiply(x, weight);
        struct span bias = norm->bias ? span_at(&p->parameters[1], channel) : (struct span){0, 0};
        error = error * span_magnitude(weight) +
                16 * (double)REAL_EPSILON * (span_magnitude(y) + span_magnitude(bias));
        interval_store(&p->outputs[0], i, span_add(y, bias), error + (double)REAL_MIN);
    }
    return true;
}

/* Of given statistics dx = dy weight rstd. */
static double bound_given_gradient(const struct norm *norm, struct interval_pass *p)
{
    const struct interval_tensor *dx = &p->input_gradients[0], *dy = &p->output_gradients[0];
    double most = 0, error;
    for (int64_t i = 0; i < dy->low.count; i++) {
        int64_t channel = i / norm->inner % norm->channels;
        double rstd = (double)(real)(1 / sqrt((double)norm->running_var[channel] + norm->eps));
        struct span d = span_multiply(span_at(dy, i), weight_span(norm, p, channel));
        most = fmax(most, span_magnitude(given_span(norm, p, i, &error)) + error);
        if (dx->low.data)
            interval_store(dx, i, (struct span){d.low * rstd, d.high * rstd},
                           16 * (double)REAL_EPSILON * span_magnitude(d) * rstd + (double)REAL_MIN);
    }
    return most;
}

bool norm_bound_backward(const struct norm *norm, struct interval_pass *p)
{
    struct reach reach = reach_of(norm, p);
    double size = norm_group_size(norm), dy = interval_magnitude(&p->output_gradients[0]);
    double weight = norm->weight ? interval_magnitude(&p->parameters[0]) : 1;
    double items = (double)p->inputs[0].low.count / fmax((double)norm->channels, 1) * (1 + 1e-4);
    double most = dy * weight * (2 + reach.normalized) * (1 + 1e-4);
    bool known = reach.known && most <= (double)REAL_MAX && isfinite(size * dy * reach.x * (1 + weight));
    if (!norm->running_mean && !known) {
        interval_give_up(p, true);
        return true;
    }
    if (norm->running_mean)
        reach.normalized = bound_given_gradient(norm, p);
    else
        interval_fill(&p->input_gradients[0], -most * reach.rstd, most * reach.rstd);
    double slope = items * dy * reach.normalized;
    if (norm->weight)
        interval_fill(&p->parameter_gradients[0], -slope, slope);
    if (norm->bias)
        interval_fill(&p->parameter_gradients[1], -items * dy, items * dy);
    return true;
}
