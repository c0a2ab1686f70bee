#include "core/gradcheck/derivative.h"

#include <float.h>
#include <math.h>

/* Steps are tried from scale / 8 downwards by this factor. */
enum { LEVELS = 12, RATIO = 8, MOST_PROBES = 4 };

/* What is shifted: one element, or all of them along a direction. */
struct line {
    struct evaluator *evaluator;
    int64_t element;
    const double *direction;
};

/* The loss at `count` steps, up to MOST_POINTS. */
static void at(const struct line *line, const double *steps, int count, struct evaluation *results)
{
    if (line->element >= 0)
        evaluator_shift(line->evaluator, line->element, steps, count, results);
    for (int k = 0; line->element < 0 && k < count; k++)
        results[k] = evaluator_shift_along(line->evaluator, line->direction, steps[k]);
}

/* The step that is taken when `step` is added to what is stored: at least to its neighbour, where it would be
 * lost (epsilon may be given). */
static double realised(const struct line *line, double step)
{
    if (line->element < 0)
        return step;
    double base = line->evaluator->base_parameter[line->element];
    volatile double moved = base + step;
    if (moved == base)
        moved = nextafter(base, copysign(INFINITY, step));
    return moved - base;
}

struct difference {
    double value;
    double up; /* steps that were taken */
    double down;
    double loss_up;
    double loss_down;
    bool crossed;
};

static struct difference central(const struct line *line, double step)
{
    struct difference d = {.up = realised(line, step), .down = realised(line, -step)};
    struct evaluation points[2];
    at(line, (const double[]){d.up, d.down}, 2, points);
    d.loss_up = points[0].loss;
    d.loss_down = points[1].loss;
    d.value = (d.loss_up - d.loss_down) / (d.up - d.down);
    d.crossed = points[0].switches != points[1].switches;
    return d;
}

/* ---- noise: ECnoise (More, Wild 2011, Estimating computational noise) ---- */

enum { NOISE_POINTS = MOST_POINTS };

/* Standard deviations from a table of differences of losses at evenly spaced points: those of order j
 * estimate the noise once the function itself has dropped out; it is taken where three orders agree. */
static double noise_from_table(double losses[NOISE_POINTS])
{
    double estimate[NOISE_POINTS] = {0};
    bool changes_sign[NOISE_POINTS] = {false};
    double gamma = 1; /* (j!)^2 / (2 j)! */
    for (int j = 1; j < NOISE_POINTS; j++) {
        double squares = 0;
        for (int i = 0; i < NOISE_POINTS - j; i++) {
            losses[i] = losses[i + 1] - losses[i];
            squares += losses[i] * losses[i];
            changes_sign[j] |= i > 0 && losses[i] * losses[i - 1] < 0;
        }
        gamma *= 0.5 * j / (2 * j - 1);
        estimate[j] = sqrt(gamma * squares / (NOISE_POINTS - j));
    }
    for (int j = 1; j + 2 < NOISE_POINTS; j++) {
        double least = fmin(estimate[j], fmin(estimate[j + 1], estimate[j + 2]));
        double most = fmax(estimate[j], fmax(estimate[j + 1], estimate[j + 2]));
        if (most <= 4 * least && changes_sign[j])
            return estimate[j + 1];
    }
    return 0; /* too smooth or too steep to tell */
}

/* At several spacings: one below the quantum of a rounding that is coarse sees nothing of it. */
static double measure_noise(const struct line *line, double largest)
{
    static const double spacings[] = {0x1p-30, 0x1p-22, 0x1p-14};
    double noise = DBL_MIN;
    for (size_t k = 0; k < sizeof(spacings) / sizeof(spacings[0]); k++) {
        struct evaluation points[NOISE_POINTS];
        double steps[NOISE_POINTS], losses[NOISE_POINTS];
        double size = 0;
        bool crossed = false;
        for (int i = 0; i < NOISE_POINTS; i++)
            steps[i] = (i - NOISE_POINTS / 2) * spacings[k] * largest;
        at(line, steps, NOISE_POINTS, points);
        for (int i = 0; i < NOISE_POINTS; i++) {
            crossed |= points[i].switches != points[0].switches;
            losses[i] = points[i].loss;
            size = fmax(size, fabs(losses[i]));
        }
        noise = fmax(noise, size * DBL_EPSILON / 2);
        if (!crossed)
            noise = fmax(noise, noise_from_table(losses));
    }
    return noise;
}

/* ---- step ---- */

static double scale_of(const struct evaluator *e)
{
    double sum = 0;
    for (int64_t i = 0; i < e->parameter_count; i++)
        sum += e->base_parameter[i] * e->base_parameter[i];
    double rms = e->parameter_count ? sqrt(sum / (double)e->parameter_count) : 0;
    return rms > 0 && isfinite(rms) ? rms : 1;
}

/* A power of two near x: adding it to a number of about its size is exact. */
static double power_of_two(double x)
{
    return exp2(round(log2(x)));
}

/* Error of a difference at each level: what the last refinement changed says how much truncation is left (it
 * falls with the square of the step), and noise grows as the step shrinks. */
static void add_errors(const struct line *line, double largest, double noise, double errors[LEVELS],
                       double curvatures[LEVELS])
{
    double before = NAN;
    double step = largest;
    for (int level = 0; level < LEVELS; level++, step /= RATIO) {
        struct difference d = central(line, step);
        double truncation = fabs(before - d.value) / (RATIO * RATIO - 1);
        if (d.crossed || !isfinite(d.value) || !isfinite(truncation)) {
            errors[level] = INFINITY;
        } else {
            errors[level] = fmax(errors[level], truncation + noise / step);
            curvatures[level] = fmax(curvatures[level], truncation / (step * step));
        }
        before = d.crossed ? NAN : d.value;
    }
}

struct difference_scheme difference_choose(struct evaluator *evaluator, double epsilon, const int64_t *probes,
                                           int probe_count)
{
    double largest = power_of_two(scale_of(evaluator) / 8);
    double errors[LEVELS] = {0}, curvatures[LEVELS] = {0};
    struct difference_scheme scheme = {.step = epsilon, .noise = DBL_MIN, .fixed = epsilon > 0};
    for (int i = 0; i < probe_count && i < MOST_PROBES; i++) {
        struct line line = {evaluator, probes[i], NULL};
        scheme.noise = fmax(scheme.noise, measure_noise(&line, largest));
    }
    if (scheme.fixed)
        return scheme;
    for (int i = 0; i < probe_count && i < MOST_PROBES; i++) {
        struct line line = {evaluator, probes[i], NULL};
        double probe_errors[LEVELS] = {0};
        add_errors(&line, largest, scheme.noise, probe_errors, curvatures);
        for (int level = 0; level < LEVELS; level++)
            if (isfinite(probe_errors[level])) /* a probe beside a kink says nothing */
                errors[level] = fmax(errors[level], probe_errors[level]);
    }
    int best = LEVELS / 2;
    for (int level = 1; level < LEVELS; level++)
        if (errors[level] > 0 && (errors[best] == 0 || errors[level] < errors[best]))
            best = level;
    scheme.step = ldexp(largest, -3 * best); /* RATIO = 2^3 */
    scheme.curvature = 4 * curvatures[best];
    return scheme;
}

/* ---- derivatives ---- */

static double noise_of(const struct difference_scheme *scheme, const struct difference *d)
{
    return 4 * scheme->noise / (d->up - d->down);
}

/* One-sided derivatives from a difference that crosses a kink. */
static struct derivative at_kink(const struct line *line, const struct difference_scheme *scheme,
                                 const struct difference *d)
{
    struct evaluation here;
    at(line, (const double[]){0}, 1, &here);
    struct derivative result = {.at_kink = true};
    result.right = (d->loss_up - here.loss) / d->up;
    result.left = (d->loss_down - here.loss) / d->down;
    result.value = (result.left + result.right) / 2;
    result.uncertainty = 2 * noise_of(scheme, d) + 1e-3 * fmax(fabs(result.left), fabs(result.right));
    return result;
}

static bool agrees(double value, double uncertainty, const double *expected, int count)
{
    for (int i = 0; i < count; i++)
        if (!(fabs(value - expected[i]) <= fmax(uncertainty, 1e-9 * (fabs(value) + fabs(expected[i])))))
            return false;
    return true;
}

/* Richardson's extrapolation from a step and its half; what it changes is the truncation error's size. */
static struct derivative refine(const struct line *line, const struct difference_scheme *scheme,
                                const struct difference *whole)
{
    struct difference half = central(line, whole->up / 2);
    double extrapolated = (4 * half.value - whole->value) / 3;
    double change = fabs(half.value - whole->value);
    if (scheme->fixed) /* the textbook's value, and how far it is off */
        return (struct derivative){.value = whole->value,
                                   .uncertainty = 4.0 / 3 * change + noise_of(scheme, &half)};
    return (struct derivative){.value = extrapolated,
                               .uncertainty = change / 3 + 2 * noise_of(scheme, &half)};
}

struct derivative difference_take(struct evaluator *evaluator, const struct difference_scheme *scheme,
                                  int64_t element, const double *direction, const double *expected,
                                  int expected_count)
{
    struct line line = {evaluator, element, direction};
    struct difference d = central(&line, scheme->step);
    /* A kink nearby is not one that lies at the point itself: the step shrinks until it no longer reaches it,
     * as long as anything is to be seen above the noise. */
    for (double step = scheme->step / 64; d.crossed; step /= 64) {
        struct difference nearer = central(&line, step);
        if (nearer.crossed && !(noise_of(scheme, &nearer) < 1e-4 * fabs(nearer.value)))
            return at_kink(&line, scheme, &d);
        d = nearer;
    }
    double taken = (d.up - d.down) / 2;
    struct derivative result = {
        .value = d.value,
        .uncertainty = scheme->curvature * taken * taken + noise_of(scheme, &d),
    };
    if (scheme->fixed || !agrees(result.value, result.uncertainty, expected, expected_count))
        return refine(&line, scheme, &d);
    return result;
}
