/* What became of a training run, told from its losses, norms and changes. */
#include "core/training.h"

#include <math.h>
#include <stdlib.h>

/* A loss this many times its start, or of its start's magnitude where that is negative, has diverged: a spike
 * on the way to a lower loss seldom is as high, and does not stay. */
static const double DIVERGED = 4;
/* Relative to the loss, or to the length of the weights: what moves by less has not moved. */
static const double MOVED = 1e-3;
/* Of a loss that oscillates: its swing in the second half, over its mean there and over the first loss. */
static const double SWING = 0.1, SWING_OF_START = 0.01;
/* What differs by more of its standard deviations than this is not what Dropout drew. */
static const double DEVIATIONS = 6;

const char *training_outcome_name(enum training_outcome outcome)
{
    static const char *const names[] = {
        [TRAINING_DIVERGED] = "diverged",       [TRAINING_NON_FINITE] = "non_finite",
        [TRAINING_OSCILLATION] = "oscillation", [TRAINING_NO_PROGRESS] = "no_progress",
        [TRAINING_PROGRESS] = "progress",
    };
    return names[outcome];
}

static bool add(struct training_result *result, enum training_outcome outcome, int64_t step,
                const char *message)
{
    result->events[result->event_count++] = (struct training_event){outcome, step, message};
    return message != NULL;
}

static double loss_at(const struct training_result *result, int64_t index)
{
    return index < result->step_count ? result->steps[index].loss : result->final_loss;
}

/* ---- diverged, non-finite ---- */

bool training_is_above(double start, double noise, double loss)
{
    return !(loss <= start + fmax((DIVERGED - 1) * fabs(start), DEVIATIONS * noise));
}

static bool is_above(const struct training_result *result, double loss)
{
    return training_is_above(result->initial_loss, result->noise, loss);
}

/* Whether it ended with a number that is not finite, and in which step. The loss after the last step counts
 * to that step. */
static bool ended_non_finite(const struct training_result *result)
{
    const struct training_step *last = &result->steps[result->step_count - 1];
    return !isfinite(last->loss) || !isfinite(last->gradient_norm) || !isfinite(result->final_loss);
}

/* The index of the first loss that is above, as all later ones are; step_count + 1: none is. */
static int64_t find_divergence(const struct training_result *result)
{
    int64_t first = result->step_count + 1;
    while (first > 0 && is_above(result, loss_at(result, first - 1)))
        first--;
    return first;
}

static bool conclude_divergence(struct training_result *result, struct arena *arena)
{
    int64_t first = find_divergence(result);
    if (first == 0 || first > result->step_count || !isfinite(loss_at(result, first)))
        return true;
    bool finite = !ended_non_finite(result);
    const char *message =
        arena_format(arena, "the loss rises from %.4g to %.4g after step %lld and %s", result->initial_loss,
                     loss_at(result, first), (long long)first,
                     finite ? "stays above four times its start" : "then ceases to be finite");
    return add(result, TRAINING_DIVERGED, first, message);
}

static bool conclude_non_finite(struct training_result *result, struct arena *arena)
{
    if (!ended_non_finite(result))
        return true;
    int64_t step = result->step_count;
    const struct training_step *last = &result->steps[step - 1];
    const char *message;
    if (isfinite(last->loss) && isfinite(last->gradient_norm))
        message = arena_format(arena, "after step %lld the loss is %s", (long long)step,
                               isnan(result->final_loss) ? "NaN" : "infinite");
    else
        message = arena_format(arena, "in step %lld %s is NaN or infinite%s", (long long)step,
                               isfinite(last->loss) ? "a gradient" : "the loss",
                               step == 1 ? ": before anything was trained" : "");
    return add(result, TRAINING_NON_FINITE, step, message);
}

/* ---- oscillation ---- */

struct swing {
    double up; /* sums of rises and falls */
    double down;
    double mean;
    double least, greatest;
    int64_t reversals;
    int64_t count;
};

static double significance(const struct training_result *result)
{
    return fmax(MOVED * fabs(result->initial_loss), DEVIATIONS * result->noise);
}

/* The losses from `first` on. */
static struct swing measure_swing(const struct training_result *result, int64_t first)
{
    struct swing swing = {.least = INFINITY, .greatest = -INFINITY};
    double direction = 0, threshold = significance(result);
    for (int64_t i = first; i < result->step_count; i++) {
        double loss = result->steps[i].loss;
        swing.mean += fabs(loss);
        swing.least = fmin(swing.least, loss);
        swing.greatest = fmax(swing.greatest, loss);
        swing.count++;
        if (i == first)
            continue;
        double difference = loss - result->steps[i - 1].loss;
        swing.up += fmax(difference, 0);
        swing.down += fmax(-difference, 0);
        if (fabs(difference) > threshold) {
            swing.reversals += direction * difference < 0;
            direction = difference;
        }
    }
    swing.mean /= (double)swing.count;
    return swing;
}

static int64_t first_rise(const struct training_result *result)
{
    int64_t i = 1;
    while (i + 1 < result->step_count &&
           result->steps[i].loss - result->steps[i - 1].loss <= significance(result))
        i++;
    return i;
}

static bool conclude_oscillation(struct training_result *result, struct arena *arena)
{
    enum { LEAST_STEPS = 6 };
    if (result->step_count < LEAST_STEPS || result->event_count > 0)
        return true;
    struct swing swing = measure_swing(result, result->step_count / 2 - 1);
    double width = swing.greatest - swing.least;
    double needed = fmax(SWING * swing.mean, SWING_OF_START * fabs(result->initial_loss));
    if (swing.reversals < 2 || swing.up < swing.down / 2 || width < fmax(needed, DEVIATIONS * result->noise))
        return true;
    int64_t step = first_rise(result);
    return add(
        result, TRAINING_OSCILLATION, step,
        arena_format(arena,
                     "after step %lld the loss rises again; it ends going up and down between %.4g and "
                     "%.4g",
                     (long long)step, swing.least, swing.greatest));
}

/* ---- progress ---- */

bool training_moved(const struct training_result *result)
{
    return result->change > MOVED;
}

static bool conclude_progress(struct training_result *result, struct arena *arena)
{
    if (result->event_count > 0)
        return true;
    double start = result->initial_loss, fall = start - result->final_loss;
    bool fallen = fall > MOVED * fabs(start);
    long long steps = (long long)result->step_count;
    if (fallen || (training_moved(result) && fall > 0))
        return add(result, TRAINING_PROGRESS, result->step_count,
                   arena_format(arena, "the loss goes from %.6g to %.6g in %lld step%s", start,
                                result->final_loss, steps, steps == 1 ? "" : "s"));
    return add(
        result, TRAINING_NO_PROGRESS, result->step_count,
        arena_format(arena,
                     "after %lld step%s the loss is %.6g, where it began at %.6g, and the weights have "
                     "moved by %.2g of their length",
                     steps, steps == 1 ? "" : "s", result->final_loss, start, result->change));
}

/* ---- clipping ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Steps up to the first thing that went wrong, that one left out. */
static int64_t count_sound_steps(const struct training_result *result)
{
    int64_t count = result->step_count;
    for (int i = 0; i < result->event_count; i++)
        if (result->events[i].outcome < TRAINING_NO_PROGRESS && result->events[i].step - 1 < count)
            count = result->events[i].step - 1;
    bool first_is_sound = isfinite(result->steps[0].loss) && isfinite(result->steps[0].gradient_norm);
    return count < 1 && first_is_sound ? 1 : count;
}

static bool suggest_clip(struct training_result *result, struct arena *arena)
{
    result->median_norm = result->greatest_norm = result->suggested_clip = NAN;
    result->sound_steps = count_sound_steps(result);
    size_t count = (size_t)result->sound_steps;
    if (count == 0)
        return true;
    double *norms = arena_array(arena, count, sizeof(*norms));
    if (!norms)
        return false;
    for (size_t i = 0; i < count; i++)
        norms[i] = result->steps[i].gradient_norm;
    qsort(norms, count, sizeof(*norms), compare_doubles);
    result->median_norm = count % 2 ? norms[count / 2] : (norms[count / 2 - 1] + norms[count / 2]) / 2;
    result->greatest_norm = norms[count - 1];
    if (!(result->median_norm > 0))
        return true;
    result->suggested_clip = norms[3 * count / 4];
    bool all = result->sound_steps == result->step_count;
    result->suggested_how =
        count == 1
            ? "the gradient's norm in the first step"
            : arena_format(arena, "the upper quartile of the gradient's norm over %s %zu steps%s",
                           all ? "all" : "the first", count, all ? "" : ", before anything went wrong");
    return result->suggested_how != NULL;
}

bool training_conclude(struct training_result *result, struct arena *arena)
{
    return conclude_divergence(result, arena) && conclude_non_finite(result, arena) &&
           conclude_oscillation(result, arena) && conclude_progress(result, arena) &&
           suggest_clip(result, arena);
}
