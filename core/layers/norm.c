#include "core/layers/norm.h"

#include "core/layers/broadcast.h"
#include "core/layers/explain.h"

/* What lies side by side in memory: the elements of one channel, the channels of one group, or channels that
 * are groups of their own. */
enum direction { RUNS, ROWS, COLUMNS };

static enum direction direction_of(const struct norm *norm)
{
    if (norm->inner != 1)
        return RUNS;
    return norm->groups ? ROWS : COLUMNS;
}

/* A pass over one tensor: what it reads and writes. */
struct work {
    const struct norm *norm;
    const real *x;
    real *y;
    const real *dy;
    real *dx;            /* or NULL */
    const real *mean;    /* (group_count) */
    const real *rstd;    /* (group_count): 1 / √(variance + eps) */
    double *weight_sums; /* (channels): Σ dy x̂ */
    double *bias_sums;   /* (channels): Σ dy */
};

static int64_t group_count(const struct norm *norm)
{
    return norm_saved(norm) / 2;
}

static bool is_empty(const struct norm *norm)
{
    return norm->outer == 0 || norm->channels == 0 || norm->inner == 0;
}

/* The elements of one group: `runs` of them, `inner` elements each. */
struct group {
    int64_t offset;
    int64_t runs;
    int64_t stride;       /* between runs */
    int64_t channel;      /* of the first run ... */
    int64_t channel_step; /* ... and from run to run */
};

static struct group group_at(const struct norm *norm, int64_t index)
{
    if (norm->groups == 0)
        return (struct group){index * norm->inner, norm->outer, norm->channels * norm->inner, index, 0};
    int64_t channels = norm->channels / norm->groups;
    return (struct group){index * channels * norm->inner, channels, norm->inner,
                          index % norm->groups * channels, 1};
}

static real weight_at(const struct norm *norm, int64_t channel)
{
    return norm->weight ? norm->weight[channel] : 1;
}

static real bias_at(const struct norm *norm, int64_t channel)
{
    return norm->bias ? norm->bias[channel] : 0;
}

static void keep_statistics(const struct norm *norm, int64_t group, double mean, double variance, real *saved)
{
    saved[group] = (real)mean;
    saved[group_count(norm) + group] = (real)(1 / sqrt(variance + norm->eps));
}

/* ---- statistics ---- */

static void group_statistics(const struct norm *norm, const real *x, int64_t index, real *saved)
{
    struct group group = group_at(norm, index);
    int64_t length = norm->inner;
    if (group.stride == length) { /* without gaps: a single run */
        length *= group.runs;
        group.runs = 1;
    }
    x += group.offset;
    double mean = 0, squares = 0;
    for (int64_t r = 0; norm->centered && r < group.runs; r++)
        mean += sum_of(x + r * group.stride, length);
    mean /= norm_group_size(norm);
    for (int64_t r = 0; r < group.runs; r++)
        squares += sum_of_squares(x + r * group.stride, length, mean);
    keep_statistics(norm, index, mean, squares / norm_group_size(norm), saved);
}

static void column_statistics(const struct norm *norm, const real *x, real *saved, double *workspace)
{
    double *means = workspace, *squares = workspace + norm->channels;
    for (int64_t c = 0; c < norm->channels; c++)
        means[c] = squares[c] = 0;
    for (int64_t o = 0; o < norm->outer; o++)
        for (int64_t c = 0; c < norm->channels; c++)
            means[c] += (double)x[o * norm->channels + c];
    for (int64_t c = 0; c < norm->channels; c++)
        means[c] /= (double)norm->outer;
    for (int64_t o = 0; o < norm->outer; o++)
        for (int64_t c = 0; c < norm->channels; c++) {
            double deviation = (double)x[o * norm->channels + c] - means[c];
            squares[c] += deviation * deviation;
        }
    for (int64_t c = 0; c < norm->channels; c++)
        keep_statistics(norm, c, means[c], squares[c] / (double)norm->outer, saved);
}

static void statistics(const struct norm *norm, const real *x, real *saved, double *workspace)
{
    if (norm->running_mean)
        for (int64_t c = 0; c < norm->channels; c++)
            keep_statistics(norm, c, (double)norm->running_mean[c], (double)norm->running_var[c], saved);
    else if (direction_of(norm) == COLUMNS)
        column_statistics(norm, x, saved, workspace);
    else
        for (int64_t g = 0; g < group_count(norm); g++)
            group_statistics(norm, x, g, saved);
}

/* ---- forward ---- */

static void normalize_runs(const struct work *w, int64_t index)
{
    struct group group = group_at(w->norm, index);
    real mean = w->mean[index];
    for (int64_t r = 0; r < group.runs; r++) {
        int64_t channel = group.channel + r * group.channel_step;
        const real *x = w->x + group.offset + r * group.stride;
        real *y = w->y + group.offset + r * group.stride;
        real scale = w->rstd[index] * weight_at(w->norm, channel), shift = bias_at(w->norm, channel);
        for (int64_t i = 0; i < w->norm->inner; i++)
            y[i] = (x[i] - mean) * scale + shift;
    }
}

static void normalize_row(const struct work *w, int64_t index)
{
    struct group group = group_at(w->norm, index);
    const real *weight = w->norm->weight ? w->norm->weight + group.channel : NULL;
    const real *bias = w->norm->bias ? w->norm->bias + group.channel : NULL;
    const real *x = w->x + group.offset;
    real *y = w->y + group.offset;
    real mean = w->mean[index], rstd = w->rstd[index];
    for (int64_t i = 0; i < group.runs; i++)
        y[i] = (x[i] - mean) * rstd;
    for (int64_t i = 0; weight && i < group.runs; i++)
        y[i] *= weight[i];
    for (int64_t i = 0; bias && i < group.runs; i++)
        y[i] += bias[i];
}

static void normalize_columns(const struct work *w)
{
    const struct norm *norm = w->norm;
    for (int64_t o = 0; o < norm->outer; o++) {
        const real *x = w->x + o * norm->channels;
        real *y = w->y + o * norm->channels;
        for (int64_t c = 0; c < norm->channels; c++)
            y[c] = (x[c] - w->mean[c]) * w->rstd[c];
        for (int64_t c = 0; norm->weight && c < norm->channels; c++)
            y[c] *= norm->weight[c];
        for (int64_t c = 0; norm->bias && c < norm->channels; c++)
            y[c] += norm->bias[c];
    }
}

void norm_forward(const struct norm *norm, const real *x, real *y, real *saved, double *workspace)
{
    if (is_empty(norm))
        return;
    statistics(norm, x, saved, workspace);
    struct work w = {.norm = norm, .x = x, .y = y, .mean = saved, .rstd = saved + group_count(norm)};
    enum direction direction = direction_of(norm);
    if (direction == COLUMNS)
        normalize_columns(&w);
    for (int64_t g = 0; direction == RUNS && g < group_count(norm); g++)
        normalize_runs(&w, g);
    for (int64_t g = 0; direction == ROWS && g < group_count(norm); g++)
        normalize_row(&w, g);
}

/* ---- backward --------------------------------------------------------------------------------------- *
 * With g = dy * weight and x̂ = (x - mean) rstd: dx = rstd (g - mean of g - x̂ * mean of g x̂), the means over
 * the group; without the first of them where the group is not centred, without both where its statistics
 * are given. */

/* Σ d (x - mean) */
static double sum_of_deviations(const real *d, const real *x, int64_t count, double mean)
{
    double lanes[SUM_LANES] = {0};
    int64_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++)
            lanes[lane] += (double)d[i + lane] * ((double)x[i + lane] - mean);
    for (int lane = 0; i < count; i++, lane++)
        lanes[lane] += (double)d[i] * ((double)x[i] - mean);
    return sum_lanes(lanes);
}

/* The two means that are taken off, from sums of g and of g x̂. */
struct means {
    real plain;
    real slope;
};

static struct means means_of(const struct norm *norm, double sum, double sum_normalized)
{
    if (norm->running_mean)
        return (struct means){0, 0};
    return (struct means){norm->centered ? (real)(sum / norm_group_size(norm)) : 0,
                          (real)(sum_normalized / norm_group_size(norm))};
}

static void derive_runs(const struct work *w, int64_t index)
{
    struct group group = group_at(w->norm, index);
    int64_t length = w->norm->inner;
    real mean = w->mean[index], rstd = w->rstd[index];
    double sum = 0, sum_normalized = 0;
    for (int64_t r = 0; r < group.runs; r++) {
        int64_t channel = group.channel + r * group.channel_step, offset = group.offset + r * group.stride;
        double plain = sum_of(w->dy + offset, length);
        double normalized =
            sum_of_deviations(w->dy + offset, w->x + offset, length, (double)mean) * (double)rstd;
        w->bias_sums[channel] += plain;
        w->weight_sums[channel] += normalized;
        sum += plain * (double)weight_at(w->norm, channel);
        sum_normalized += normalized * (double)weight_at(w->norm, channel);
    }
    struct means means = means_of(w->norm, sum, sum_normalized);
    for (int64_t r = 0; w->dx && r < group.runs; r++) {
        int64_t offset = group.offset + r * group.stride;
        const real *x = w->x + offset, *dy = w->dy + offset;
        real *dx = w->dx + offset;
        real weight = weight_at(w->norm, group.channel + r * group.channel_step);
        for (int64_t i = 0; i < length; i++)
            dx[i] = rstd * (weight * dy[i] - means.plain - (x[i] - mean) * rstd * means.slope);
    }
}

static void derive_row(const struct work *w, int64_t index)
{
    struct group group = group_at(w->norm, index);
    const real *weight = w->norm->weight ? w->norm->weight + group.channel : NULL;
    const real *x = w->x + group.offset, *dy = w->dy + group.offset;
    real mean = w->mean[index], rstd = w->rstd[index];
    for (int64_t i = 0; i < group.runs; i++) {
        w->bias_sums[group.channel + i] += (double)dy[i];
        w->weight_sums[group.channel + i] += (double)(dy[i] * (x[i] - mean) * rstd);
    }
    if (!w->dx)
        return;
    real *dx = w->dx + group.offset;
    for (int64_t i = 0; i < group.runs; i++)
        dx[i] = weight ? dy[i] * weight[i] : dy[i];
    struct means means = means_of(w->norm, sum_of(dx, group.runs),
                                  sum_of_deviations(dx, x, group.runs, (double)mean) * (double)rstd);
    for (int64_t i = 0; i < group.runs; i++)
        dx[i] = rstd * (dx[i] - means.plain - (x[i] - mean) * rstd * means.slope);
}

static void sum_columns(const struct work *w)
{
    int64_t channels = w->norm->channels;
    for (int64_t o = 0; o < w->norm->outer; o++) {
        const real *x = w->x + o * channels, *dy = w->dy + o * channels;
        for (int64_t c = 0; c < channels; c++) {
            w->bias_sums[c] += (double)dy[c];
            w->weight_sums[c] += (double)(dy[c] * (x[c] - w->mean[c]) * w->rstd[c]);
        }
    }
}

/* From the sums, which it overwrites with the means that are taken off. */
static void derive_columns(const struct work *w)
{
    const struct norm *norm = w->norm;
    int64_t channels = norm->channels;
    for (int64_t c = 0; c < channels; c++) {
        struct means means = means_of(norm, w->bias_sums[c], w->weight_sums[c]);
        w->bias_sums[c] = (double)means.plain;
        w->weight_sums[c] = (double)means.slope;
    }
    for (int64_t o = 0; o < norm->outer; o++) {
        const real *x = w->x + o * channels, *dy = w->dy + o * channels;
        real *dx = w->dx + o * channels;
        for (int64_t c = 0; c < channels; c++)
            dx[c] = w->rstd[c] * (dy[c] - (real)w->bias_sums[c] -
                                  (x[c] - w->mean[c]) * w->rstd[c] * (real)w->weight_sums[c]);
        for (int64_t c = 0; norm->weight && c < channels; c++)
            dx[c] *= norm->weight[c];
    }
}

static void keep_sums(const double *sums, int64_t count, real *gradient)
{
    for (int64_t c = 0; gradient && c < count; c++)
        gradient[c] = (real)sums[c];
}

void norm_backward(const struct norm *norm, const real *x, const real *dy, const real *saved,
                   double *workspace, const struct norm_gradients *gradients)
{
    struct work w = {
        .norm = norm,
        .x = x,
        .dy = dy,
        .dx = gradients->dx,
        .mean = saved,
        .rstd = saved + group_count(norm),
        .weight_sums = workspace,
        .bias_sums = workspace + norm->channels,
    };
    enum direction direction = direction_of(norm);
    int64_t groups = is_empty(norm) ? 0 : group_count(norm);
    for (int64_t c = 0; c < 2 * norm->channels; c++)
        workspace[c] = 0;
    if (direction == COLUMNS)
        sum_columns(&w);
    for (int64_t g = 0; direction == RUNS && g < groups; g++)
        derive_runs(&w, g);
    for (int64_t g = 0; direction == ROWS && g < groups; g++)
        derive_row(&w, g);
    keep_sums(w.weight_sums, norm->channels, gradients->weight);
    keep_sums(w.bias_sums, norm->channels, gradients->bias);
    if (direction == COLUMNS && w.dx)
        derive_columns(&w);
}

/* ---- planning and telling ---- */

void norm_plan(const struct norm *norm, struct layer_shapes *shapes)
{
    shapes->outputs[0] = shapes->inputs[0];
    shapes->flops = 8 * (double)stability_shape_count(&shapes->inputs[0]);
    layer_add_reals(shapes, &shapes->saved, norm_saved(norm));
    broadcast_add_sums(shapes, &shapes->workspace, norm_workspace(norm));
}

static int64_t group_of_element(const struct norm *norm, int64_t element)
{
    int64_t channel = element / norm->inner;
    return norm->groups ? channel / (norm->channels / norm->groups) : channel % norm->channels;
}

/* The factor 1 / √(variance + eps) is finite, but what it is multiplied with is not. */
static bool explain_factor(const struct norm *norm, const struct layer_pass *pass,
                           const struct layer_place *place, double rstd, struct layer_cause *cause)
{
    if (place->parameter)
        return explain_say(cause,
                           "overflow: a sum of gradients that arrive%s is beyond the largest " REAL_NAME,
                           place->tensor == 0 ? ", times the normalised elements," : "");
    double x = explain_operand(cause, "input", &pass->inputs[0], place->element);
    if (place->backward)
        explain_operand(cause, OUTPUT_GRADIENT, &pass->output_gradients[0], place->element);
    return explain_say(
        cause, "overflow: %s %.6g, multiplied by 1 / √(%s + %.3g) = %.6g, is beyond the largest " REAL_NAME,
        place->backward ? "the gradient at" : "the distance from the mean of", x,
        norm->centered ? "variance" : "mean square", norm->eps, rstd);
}

bool norm_explain(const struct norm *norm, const struct layer_pass *pass, const struct layer_place *place,
                  struct layer_cause *cause)
{
    const real *saved = pass->saved;
    int64_t group = place->parameter ? -1 : group_of_element(norm, place->element);
    real rstd = group < 0 ? 1 : saved[group_count(norm) + group];
    if (isfinite(rstd))
        return explain_factor(norm, pass, place, (double)rstd, cause);
    explain_operand(cause, "input", &pass->inputs[0], place->element);
    if (norm->running_mean)
        return explain_say(cause,
                           "division by √(running_var + eps), with a running_var of %.3g and an eps of %.3g",
                           (double)norm->running_var[group], norm->eps);
    if (isnan(rstd))
        return explain_say(cause, "inf - inf: the mean of elements that are not all finite is taken off");
    return explain_say(cause, "0 / √(0 + eps): the elements that it normalises are all %s, and eps is %.3g",
                       norm->centered ? "equal" : "0", norm->eps);
}
