/* The Hessian's greatest eigenvalues and trace, and the largest stable step. */
#include "core/analysis.h"
#include "core/eigen.h"
#include "core/hessian.h"
#include "core/random.h"

#include <math.h>

struct settings {
    int64_t eigenvalues;
    int64_t exact;
    int64_t iterations;
    double tolerance;
    int64_t probes;
    int64_t seed;
};

static const struct stability_attribute rows[] = {
    {"eigenvalues", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, eigenvalues), .minimum = 1,
     .maximum = 64, .number = 5, .documentation = "how many of the greatest eigenvalues"},
    {"exact", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, exact), .minimum = 0, .maximum = 2048,
     .number = 256,
     .documentation =
         "up to so many parameters the whole matrix is computed and decomposed; of more, Lanczos' "
         "method finds the eigenvalues, and Hutchinson's estimates the trace"},
    {"iterations", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, iterations), .minimum = 2,
     .maximum = 2048, .number = 100, .documentation = "the most steps of Lanczos' method"},
    {"tolerance", STABILITY_ATTRIBUTE_REAL, offsetof(struct settings, tolerance), .minimum = 1e-12,
     .maximum = 0.1, .number = 1e-7,
     .documentation = "Lanczos' method ends where its bounds on the errors of these eigenvalues are this, "
                      "relative to the greatest magnitude"},
    {"probes", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, probes), .minimum = 2, .maximum = 4096,
     .number = 32, .documentation = "random vectors of Hutchinson's estimate of the trace"},
    {"seed", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, seed), .minimum = 0,
     .maximum = 9007199254740991,
     .documentation = "of these, and of the vector that Lanczos' method starts with"},
    {0},
};

/* Vectors that Lanczos' method keeps take no more than this. */
static const double basis_budget = 0x1p28;

/* What is found. */
struct curvature {
    bool exact;
    int64_t count;  /* of values and bounds */
    double *values; /* ascending */
    double *bounds; /* of their errors */
    int64_t iterations;
    double trace;
    double trace_error; /* standard error */
    bool converged;
    bool failed; /* not finite */
};

static int64_t iterations_for(const struct settings *settings, int64_t count)
{
    enum { FEWEST = 24 };
    double room = basis_budget / (sizeof(double) * fmax((double)count, 1)) - 1;
    double most = fmin(fmax(room, FEWEST), (double)settings->iterations);
    return most < (double)count ? (int64_t)most : count;
}

static bool out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a Hessian");
}

static bool all_finite(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* ---- the whole matrix ---- */

/* Takes the mean of the matrix and its transpose; gives how far they were apart. */
static double symmetrise(double *matrix, int64_t count)
{
    double apart = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < i; k++) {
            double a = matrix[i * count + k], b = matrix[k * count + i];
            apart += (a - b) * (a - b) / 2;
            matrix[i * count + k] = matrix[k * count + i] = (a + b) / 2;
        }
    return sqrt(apart);
}

static bool decompose(struct hessian *hessian, struct curvature *c, struct arena *arena,
                      struct stability_error *error)
{
    int64_t n = hessian->count;
    double *matrix = arena_array(arena, (size_t)(n * n), sizeof(double));
    double *unit = arena_array(arena, (size_t)n, sizeof(double));
    double *work = arena_array(arena, 3 * (size_t)n, sizeof(double));
    c->values = arena_array(arena, (size_t)n, sizeof(double));
    c->bounds = arena_array(arena, (size_t)n, sizeof(double));
    if (!matrix || !unit || !work || !c->values || !c->bounds)
        return out_of_memory(error);
    for (int64_t i = 0; i < n && !hessian->extrapolation.at_kink; i++) {
        unit[i] = 1;
        if (!hessian_multiply(hessian, unit, matrix + i * n, error))
            return false;
        unit[i] = 0;
        c->trace += matrix[i * n + i];
    }
    c->failed = hessian->extrapolation.at_kink || !all_finite(matrix, n * n);
    if (c->failed)
        return true;
    double apart = symmetrise(matrix, n);
    c->failed = !symmetric_eigenvalues(n, matrix, c->values, work);
    for (int64_t i = 0; i < n; i++)
        c->bounds[i] = apart; /* Weyl: no eigenvalue moves by more than the norm of what is wrong */
    c->count = n;
    c->converged = true;
    return true;
}

/* ---- Lanczos and Hutchinson ---- */

/* Whether the greatest eigenvalues that were asked for are found, and the least. */
static bool has_converged(const struct lanczos *l, const struct settings *settings)
{
    double scale = fmax(fabs(l->values[0]), fabs(l->values[l->count - 1]));
    bool done = l->bounds[0] <= settings->tolerance * scale;
    for (int64_t k = 0; k < settings->eigenvalues && k < l->count; k++)
        done &= l->bounds[l->count - 1 - k] <= settings->tolerance * scale;
    return l->exhausted || (done && l->count >= settings->eigenvalues);
}

static bool iterate(struct hessian *hessian, const struct settings *settings, struct curvature *c,
                    struct arena *arena, struct stability_error *error)
{
    struct lanczos l;
    double *product = arena_array(arena, (size_t)hessian->count, sizeof(double));
    if (!product || !lanczos_open(&l, hessian->count, iterations_for(settings, hessian->count),
                                  random_stream((uint64_t)settings->seed, "curvature"), arena))
        return out_of_memory(error);
    while (l.count < l.limit && !l.exhausted && !c->converged) {
        if (!hessian_multiply(hessian, lanczos_vector(&l), product, error))
            return false;
        c->failed = hessian->extrapolation.at_kink || !all_finite(product, hessian->count);
        if (c->failed)
            return true;
        lanczos_advance(&l, product);
        c->failed = !lanczos_solve(&l);
        c->converged = has_converged(&l, settings);
    }
    c->count = c->iterations = l.count;
    c->values = l.values;
    c->bounds = l.bounds;
    double scale = fmax(fabs(l.values[0]), fabs(l.values[l.count - 1]));
    for (int64_t i = 0; i < l.count; i++)
        c->bounds[i] += hessian->extrapolation.error * scale;
    return true;
}

/* The mean of v^T H v over vectors of +-1 (Hutchinson 1990). */
static bool estimate_trace(struct hessian *hessian, const struct settings *settings, struct curvature *c,
                           struct arena *arena, struct stability_error *error)
{
    double *signs = arena_array(arena, (size_t)hessian->count, sizeof(double));
    double *product = arena_array(arena, (size_t)hessian->count, sizeof(double));
    if (!signs || !product)
        return out_of_memory(error);
    uint64_t stream = random_stream((uint64_t)settings->seed, "trace");
    double sum = 0, squares = 0, probes = (double)settings->probes;
    for (int64_t p = 0; p < settings->probes && !c->failed; p++) {
        double estimate = 0;
        random_uniform(stream, (uint64_t)(p * hessian->count), (size_t)hessian->count, signs);
        for (int64_t i = 0; i < hessian->count; i++)
            signs[i] = signs[i] < 0.5 ? -1 : 1;
        if (!hessian_multiply(hessian, signs, product, error))
            return false;
        for (int64_t i = 0; i < hessian->count; i++)
            estimate += signs[i] * product[i];
        sum += estimate;
        squares += estimate * estimate;
        c->failed = hessian->extrapolation.at_kink || !isfinite(estimate);
    }
    c->trace = sum / probes;
    c->trace_error = sqrt(fmax(squares / probes - c->trace * c->trace, 0) / (probes - 1));
    return true;
}

/* ---- the result ---- */

static void add_eigenvalues(struct analysis_context *context, struct stability_result *result,
                            const struct curvature *c)
{
    const struct settings *settings = context->settings;
    struct stability_result *values = result_list(context, result, "eigenvalues");
    struct stability_result *bounds = result_list(context, result, "uncertainties");
    for (int64_t k = 0; k < settings->eigenvalues && k < c->count; k++) {
        result_number(context, values, "", c->values[c->count - 1 - k]);
        result_number(context, bounds, "", c->bounds[c->count - 1 - k]);
    }
    result_number(context, result, "largest_eigenvalue", c->values[c->count - 1]);
    result_number(context, result, "smallest_eigenvalue", c->values[0]);
    result_number(context, result, "trace", c->trace);
    result_number(context, result, "trace_standard_error", c->trace_error);
}

static void add_rate(struct analysis_context *context, struct stability_result *result, double greatest)
{
    const struct stability_options *options = &context->plan->graph.request->options;
    double stable = greatest > 0 ? 2 / greatest : INFINITY;
    result_number(context, result, "largest_stable_learning_rate", stable);
    if (!options->learning_rate_given)
        return;
    result_number(context, result, "learning_rate", options->learning_rate);
    result_boolean(context, result, "learning_rate_is_stable", options->learning_rate < stable);
}

static void describe(struct analysis_context *context, struct stability_result *result,
                     const struct hessian *hessian, const struct curvature *c)
{
    result_integer(context, result, "parameter_count", hessian->count);
    result_text(context, result, "method", c->exact ? "exact" : "lanczos");
    if (hessian->count == 0 || c->failed || !c->values) {
        result_text(context, result, "reason",
                    hessian->count == 0 ? "the loss depends on no parameter"
                    : hessian->extrapolation.at_kink
                        ? "the gradient jumps here: an activation is exactly at its kink"
                        : "the loss or its gradient is not finite");
        return;
    }
    add_eigenvalues(context, result, c);
    if (!c->exact)
        result_integer(context, result, "iterations", c->iterations);
    result_boolean(context, result, "converged", c->converged);
    result_number(context, result, "product_error", hessian->extrapolation.error);
    add_rate(context, result, c->values[c->count - 1]);
}

static bool measure(struct analysis_context *context, struct stability_result *result,
                    struct hessian *hessian)
{
    const struct settings *settings = context->settings;
    struct curvature c = {.exact = hessian->count <= settings->exact};
    struct arena scratch = {0};
    bool done = true;
    c.failed = !isfinite(hessian->loss) || !all_finite(hessian->gradient, hessian->count);
    if (hessian->count > 0 && !c.failed) {
        done = c.exact ? decompose(hessian, &c, &scratch, context->error)
                       : iterate(hessian, settings, &c, &scratch, context->error);
        if (done && !c.exact && !c.failed)
            done = estimate_trace(hessian, settings, &c, &scratch, context->error);
    }
    if (done)
        describe(context, result, hessian, &c);
    arena_free(&scratch);
    return done && !context->failed;
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    struct trial trial;
    struct hessian hessian = {0};
    bool done = trial_plan(&trial, context->plan->graph.request, &hessian_trial_options, context->error) &&
                trial_open(&trial, context->error);
    if (done) {
        trial.stage = "curvature";
        done = hessian_open(&hessian, &trial, context->error) && measure(context, result, &hessian);
        hessian_close(&hessian);
    }
    trial_close(&trial);
    return done;
}

static double bytes(const struct stability_plan *plan, const void *settings_, struct stability_error *error)
{
    const struct settings *settings = settings_;
    struct trial trial;
    double bytes = -1, count = (double)plan->graph.parameter_count;
    if (trial_plan(&trial, plan->graph.request, &hessian_trial_options, error)) {
        bytes = trial_bytes(&trial) + hessian_bytes(&trial.graph) + 4 * sizeof(double) * count;
        if (plan->graph.parameter_count <= settings->exact)
            bytes += sizeof(double) * count * (count + 6);
        else
            bytes += lanczos_bytes(plan->graph.parameter_count,
                                   iterations_for(settings, plan->graph.parameter_count));
    }
    trial_close(&trial);
    return bytes;
}

ANALYSIS_OPS(curvature) = {
    .type =
        {.name = "curvature",
         .settings = rows,
         .documentation =
             "In float64, with dropout off: the greatest eigenvalues of the Hessian of the loss of this "
             "batch with respect to all parameters, descending, with bounds on their errors, and the "
             "smallest; its trace, with a standard error that is 0 where the whole matrix was computed; and "
             "the step beyond which plain gradient descent on the quadratic model diverges, 2 / "
             "largest_eigenvalue. A product with the Hessian is an extrapolated difference of exact "
             "gradients: product_error says how well two steps agreed.",
         .source =
             "LeCun, Simard, Pearlmutter 1992, Automatic learning rate maximization by on-line estimation of "
             "the Hessian's eigenvectors; Hutchinson 1990, A stochastic estimator of the trace; Yao, "
             "Gholami, Keutzer, Mahoney 2020, PyHessian; Cohen et al. 2021, Gradient descent on neural "
             "networks typically occurs at the edge of stability"},
    .settings_size = sizeof(struct settings),
    .bytes = bytes,
    .run = run,
};
