#include "core/rate_test.h"

#include "core/training.h"

#include <math.h>
#include <stdlib.h>

/* A thousandth in twenty steps: what moves by less a step has not moved. */
static const double MOVED_A_STEP = 5e-5;
/* The range goes by half a decade, as far as these. */
static const double LEAST_RATE = 1e-16, GREATEST_RATE = 1e8;
enum { HALVINGS = 6, SIDE_POINTS = (RATE_POINTS - 1) / 2 };

struct range_test {
    struct trial trial;
    struct optimizer optimizer;
    struct rate_result *result;
    struct stability_error *error;
};

const char *rate_effect_name(enum rate_effect effect)
{
    static const char *const names[] = {
        [RATE_UNMOVED] = "unmoved",
        [RATE_FALLS] = "falls",
        [RATE_RISES] = "rises",
        [RATE_DIVERGES] = "diverges",
    };
    return names[effect];
}

double rate_test_bytes(const struct graph *graph, const struct rate_settings *settings)
{
    return optimizer_bytes(graph, &settings->optimizer) + sizeof(struct rate_result) +
           graph->parameter_slots * (double)sizeof(struct rate_ratio);
}

/* ---- one rate ---- */

static enum rate_effect judge(const struct range_test *t, const struct rate_point *point)
{
    double start = t->result->initial_loss, moved = MOVED_A_STEP * (double)t->result->steps;
    if (training_is_above(start, 0, point->loss))
        return RATE_DIVERGES;
    bool weights_moved = point->change > moved;
    if (!weights_moved && fabs(point->loss - start) <= moved * fabs(start))
        return RATE_UNMOVED;
    return point->loss < start ? RATE_FALLS : RATE_RISES;
}

static void record_ratios(struct range_test *t)
{
    for (int i = 0; i < t->optimizer.count; i++) {
        const struct optimized *p = &t->optimizer.parameters[i];
        double ratio = p->norm > 0 ? p->change / p->norm : NAN;
        t->result->ratios[i] = (struct rate_ratio){p->node, p->parameter, ratio};
    }
    t->result->ratio_count = t->optimizer.count;
}

/* Trains from the beginning; it ends early where something is no longer finite. */
static bool try_rate(struct range_test *t, double rate, bool is_first, struct rate_point *point)
{
    trial_reset(&t->trial);
    optimizer_reset(&t->optimizer);
    t->optimizer.values.learning_rate = rate;
    *point = (struct rate_point){.rate = rate, .loss = NAN, .change = NAN, .effect = RATE_DIVERGES};
    for (int64_t step = 0; step < t->result->steps; step++) {
        struct optimizer_taken taken;
        trial_set_step(&t->trial, step);
        if (!trial_execute(&t->trial, NULL, t->error))
            return false;
        if (is_first && step == 0)
            t->result->initial_loss = t->trial.run.loss;
        optimizer_step(&t->optimizer, &taken);
        if (is_first && step == 0)
            record_ratios(t);
        if (!isfinite(t->trial.run.loss) || !isfinite(taken.change))
            return true;
    }
    trial_set_step(&t->trial, 0);
    if (!trial_forward(&t->trial, NULL, t->error))
        return false;
    point->loss = t->trial.run.loss;
    point->change = trial_change(&t->trial);
    point->effect = judge(t, point);
    return true;
}

/* ---- the range ---- */

static bool add_point(struct range_test *t, double rate)
{
    struct rate_result *result = t->result;
    bool is_first = result->point_count == 0;
    return try_rate(t, rate, is_first, &result->points[result->point_count++]);
}

static int compare_points(const void *a, const void *b)
{
    double x = ((const struct rate_point *)a)->rate, y = ((const struct rate_point *)b)->rate;
    return (x > y) - (x < y);
}

/* From the given rate by half a decade at a time, up or down, to one that has this effect. */
static bool walk(struct range_test *t, int direction, enum rate_effect last)
{
    struct rate_result *result = t->result;
    enum rate_effect effect = result->effect;
    for (int i = 1; effect != last && i <= SIDE_POINTS; i++) {
        double rate = result->given * pow(10, 0.5 * i * direction);
        if (rate < LEAST_RATE || rate > GREATEST_RATE)
            break;
        if (!add_point(t, rate))
            return false;
        effect = result->points[result->point_count - 1].effect;
    }
    return true;
}

static bool walk_range(struct range_test *t)
{
    struct rate_result *result = t->result;
    if (!add_point(t, result->given))
        return false;
    result->effect = result->points[0].effect;
    if (!isfinite(result->initial_loss))
        return true;
    if (!walk(t, 1, RATE_DIVERGES) || !walk(t, -1, RATE_UNMOVED))
        return false;
    qsort(result->points, (size_t)result->point_count, sizeof(result->points[0]), compare_points);
    return true;
}

/* ---- its edges ---- */

/* From point `first` on the least rate whose effect is at least `effect`, NaN where there is none: halves the
 * interval between it and the rate below. */
static bool find_edge(struct range_test *t, int first, enum rate_effect effect, double *edge)
{
    struct rate_result *result = t->result;
    while (first < result->point_count && result->points[first].effect < effect)
        first++;
    *edge = first < result->point_count ? result->points[first].rate : NAN;
    if (first == 0 || first == result->point_count)
        return true;
    double low = result->points[first - 1].rate;
    for (int i = 0; i < HALVINGS; i++) {
        struct rate_point point;
        if (!try_rate(t, sqrt(low * *edge), false, &point))
            return false;
        if (point.effect < effect)
            low = point.rate;
        else
            *edge = point.rate;
    }
    return true;
}

static const struct rate_point *find_best(const struct rate_result *result)
{
    const struct rate_point *best = NULL;
    for (int i = 0; i < result->point_count; i++)
        if (result->points[i].effect == RATE_FALLS && (!best || result->points[i].loss < best->loss))
            best = &result->points[i];
    return best;
}

static bool suggest(struct rate_result *result, struct arena *arena)
{
    const struct rate_point *best = find_best(result);
    double edge = fmin(result->rises_from, result->diverges_from); /* a NaN is left out */
    if (!best) {
        result->suggested_how = isfinite(result->initial_loss)
                                    ? "at no rate did the loss fall"
                                    : "the loss is not finite before anything is trained";
        return true;
    }
    result->suggested = best->rate;
    long long steps = (long long)result->steps;
    if (edge / 3 < best->rate) {
        result->suggested = edge / 3;
        result->suggested_how =
            arena_format(arena, "a third of the rate from which the loss rises in %lld step%s", steps,
                         steps == 1 ? "" : "s");
    } else
        result->suggested_how =
            arena_format(arena, "of the range the rate with the lowest loss after %lld step%s", steps,
                         steps == 1 ? "" : "s");
    return result->suggested_how != NULL;
}

static bool test_rates(struct range_test *t, const struct stability_request *request,
                       const struct rate_settings *settings, struct arena *arena)
{
    struct rate_result *result = t->result;
    struct trial_options options = {.flags = RUN_OWN, .resettable = true};
    if (!trial_plan(&t->trial, request, &options, t->error) ||
        !trial_admit(&t->trial, "a test of learning rates", rate_test_bytes(&t->trial.graph, settings),
                     t->error) ||
        !trial_open(&t->trial, t->error) ||
        !optimizer_open(&t->optimizer, &t->trial, &settings->optimizer, t->error))
        return false;
    t->trial.stage = "learning_rate";
    t->trial.planned = (RATE_POINTS + 3 * HALVINGS) * (settings->steps + 1); /* at most */
    result->ratios = arena_array(arena, (size_t)t->optimizer.count, sizeof(*result->ratios));
    if (!result->ratios)
        return stability_fail(t->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for learning rates");
    result->optimizer = t->optimizer.ops->name;
    result->given = t->optimizer.values.learning_rate;
    result->is_given = settings->optimizer.learning_rate.present || request->options.learning_rate_given;
    result->steps = settings->steps;
    if (!walk_range(t))
        return false;
    if (!isfinite(result->initial_loss))
        return true;
    const struct rate_point *best = find_best(result);
    return find_edge(t, 0, RATE_FALLS, &result->moves_from) &&
           find_edge(t, best ? (int)(best - result->points) : 0, RATE_RISES, &result->rises_from) &&
           find_edge(t, 0, RATE_DIVERGES, &result->diverges_from);
}

bool rate_test_run(const struct stability_request *request, const struct rate_settings *settings,
                   struct arena *arena, struct rate_result *result, struct stability_error *error)
{
    struct range_test t = {.result = result, .error = error};
    *result = (struct rate_result){
        .moves_from = NAN, .rises_from = NAN, .diverges_from = NAN, .suggested = NAN, .initial_loss = NAN};
    bool done = test_rates(&t, request, settings, arena);
    optimizer_close(&t.optimizer);
    trial_close(&t.trial);
    if (done && !suggest(result, arena))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for learning rates");
    return done;
}
