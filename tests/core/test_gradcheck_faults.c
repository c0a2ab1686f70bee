/* Every kind of fault on every kind of parameter, the modes of a gradient check, and what it refuses. */
#include "support.h"

#include "gradcheck_claims.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { BATCH = 5, IN = 4, HIDDEN = 4, OUT = 3 };

/* Numbers between -1 and 1 without a pattern of their own. */
static double scattered(int i)
{
    double x = sin(12.9898 * (i + 1)) * 43758.5453;
    return 2 * (x - floor(x)) - 1;
}

struct mlp {
    struct builder b;
    double input[BATCH * IN], target[BATCH * OUT], first[HIDDEN * IN], bias[HIDDEN], second[OUT * HIDDEN];
    double first_gradient[HIDDEN * IN], bias_gradient[HIDDEN], second_gradient[OUT * HIDDEN];
};

/* tanh MLP with a mean squared error; gradients by the formulas of backpropagation. */
static void build_mlp(struct mlp *m)
{
    *m = (struct mlp){0};
    double hidden[BATCH * HIDDEN], apart[BATCH * OUT];
    for (int i = 0; i < BATCH * IN; i++)
        m->input[i] = scattered(i);
    for (int i = 0; i < BATCH * OUT; i++)
        m->target[i] = scattered(100 + i);
    for (int i = 0; i < HIDDEN * IN; i++)
        m->first[i] = scattered(200 + i);
    for (int i = 0; i < HIDDEN; i++)
        m->bias[i] = scattered(300 + i);
    for (int i = 0; i < OUT * HIDDEN; i++)
        m->second[i] = scattered(400 + i);
    for (int n = 0; n < BATCH; n++) {
        for (int h = 0; h < HIDDEN; h++) {
            double z = m->bias[h];
            for (int i = 0; i < IN; i++)
                z += m->first[h * IN + i] * m->input[n * IN + i];
            hidden[n * HIDDEN + h] = tanh(z);
        }
        for (int o = 0; o < OUT; o++) {
            double y = 0;
            for (int h = 0; h < HIDDEN; h++)
                y += m->second[o * HIDDEN + h] * hidden[n * HIDDEN + h];
            apart[n * OUT + o] = 2 * (y - m->target[n * OUT + o]) / (BATCH * OUT);
        }
        for (int h = 0; h < HIDDEN; h++) {
            double back = 0, y = hidden[n * HIDDEN + h];
            for (int o = 0; o < OUT; o++) {
                back += apart[n * OUT + o] * m->second[o * HIDDEN + h];
                m->second_gradient[o * HIDDEN + h] += apart[n * OUT + o] * y;
            }
            back *= 1 - y * y;
            m->bias_gradient[h] += back;
            for (int i = 0; i < IN; i++)
                m->first_gradient[h * IN + i] += back * m->input[n * IN + i];
        }
    }
    builder_data(&m->b, "input", SHAPE(BATCH, IN), m->input);
    builder_data(&m->b, "target", SHAPE(BATCH, OUT), m->target);
    builder_layer(&m->b, "fc1", "Linear", NULL);
    builder_integer(&m->b, "in_features", IN);
    builder_integer(&m->b, "out_features", HIDDEN);
    builder_weight(&m->b, "fc1.weight", SHAPE(HIDDEN, IN), m->first);
    builder_weight(&m->b, "fc1.bias", SHAPE(HIDDEN), m->bias);
    builder_layer(&m->b, "act", "Tanh", NULL);
    builder_linear(&m->b, "fc2", NULL, HIDDEN, OUT);
    builder_weight(&m->b, "fc2.weight", SHAPE(OUT, HIDDEN), m->second);
    builder_loss(&m->b, "MSELoss", NULL);
}

static struct claims claims_of(const struct mlp *m)
{
    struct claims claims = {0};
    claim(&claims, "fc1.weight", SHAPE(HIDDEN, IN), m->first_gradient);
    claim(&claims, "fc1.bias", SHAPE(HIDDEN), m->bias_gradient);
    claim(&claims, "fc2.weight", SHAPE(OUT, HIDDEN), m->second_gradient);
    return claims;
}

/* Each fault is a function of the right gradient. */
typedef void fault(const double *right, int rows, int columns, double *wrong);

static void flip(const double *right, int rows, int columns, double *wrong)
{
    for (int i = 0; i < rows * columns; i++)
        wrong[i] = -right[i];
}

static void sum_in_place_of_mean(const double *right, int rows, int columns, double *wrong)
{
    for (int i = 0; i < rows * columns; i++)
        wrong[i] = BATCH * right[i];
}

static void forget(const double *right, int rows, int columns, double *wrong)
{
    (void)right;
    memset(wrong, 0, (size_t)(rows * columns) * sizeof(*wrong));
}

static void transpose(const double *right, int rows, int columns, double *wrong)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            wrong[j * rows + i] = right[i * columns + j];
}

static void reverse_rows(const double *right, int rows, int columns, double *wrong)
{
    for (int i = 0; i < rows; i++)
        memcpy(wrong + i * columns, right + (rows - 1 - i) * columns, (size_t)columns * sizeof(*wrong));
}

static void roll_columns(const double *right, int rows, int columns, double *wrong)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            wrong[i * columns + (j + 1) % columns] = right[i * columns + j];
}

static void spoil_one(const double *right, int rows, int columns, double *wrong)
{
    memcpy(wrong, right, (size_t)(rows * columns) * sizeof(*wrong));
    wrong[rows * columns / 2] += 0.1;
}

static void spoil_with_nan(const double *right, int rows, int columns, double *wrong)
{
    memcpy(wrong, right, (size_t)(rows * columns) * sizeof(*wrong));
    wrong[1] = NAN;
}

static void faults_are_recognised_where_they_are(void **state)
{
    static const struct {
        fault *fault;
        const char *pattern;
        double factor;
    } cases[] = {
        {flip, "sign-flipped", -1},      {sum_in_place_of_mean, "scaled", BATCH},
        {forget, "zero", NAN},           {transpose, "transposed", NAN},
        {reverse_rows, "permuted", NAN}, {roll_columns, "permuted", NAN},
        {spoil_one, "one-element", NAN}, {spoil_with_nan, "non-finite", NAN},
    };
    static const int shapes[][2] = {{HIDDEN, IN}, {HIDDEN, 1}, {OUT, HIDDEN}};
    (void)state;
    struct mlp m;
    build_mlp(&m);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t which = 0; which < 3; which++) {
            double wrong[16];
            struct claims claims = claims_of(&m);
            bool is_vector = shapes[which][1] == 1;
            if (is_vector && (cases[i].fault == transpose || cases[i].fault == roll_columns))
                continue; /* a vector has neither */
            cases[i].fault(claims.items[which].tensor.data, shapes[which][0], shapes[which][1], wrong);
            claims.items[which].tensor.data = wrong;
            struct stability_gradcheck_report *report =
                check(&m.b, &claims, &stability_default_gradcheck_options);
            for (size_t k = 0; k < 3; k++) {
                const struct stability_gradcheck_parameter *parameter = find(report, claims.items[k].name);
                assert_int_equal(parameter->level,
                                 k == which ? STABILITY_GRADCHECK_WRONG : STABILITY_GRADCHECK_CORRECT);
                if (k != which)
                    assert_null(parameter->pattern);
            }
            const struct stability_gradcheck_parameter *accused = find(report, claims.items[which].name);
            assert_non_null(accused->pattern);
            assert_string_equal(accused->pattern, cases[i].pattern);
            if (!isnan(cases[i].factor))
                assert_close(accused->pattern_factor, cases[i].factor, 1e-6);
            assert_int_equal(report->suspect_count, 1);
            assert_string_equal(report->suspect_layers[0], which == 2 ? "fc2" : "fc1");
            stability_gradcheck_report_free(report);
        }
    }
    builder_free(&m.b);
}

static void a_gradient_of_another_parameter_is_recognised(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){1, -2});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){0, 1});
    builder_linear(&b, "a", NULL, 2, 2);
    builder_weight(&b, "a.weight", SHAPE(2, 2), (double[]){0.3, -0.2, 0.7, 0.4});
    builder_linear(&b, "b", NULL, 2, 2);
    builder_weight(&b, "b.weight", SHAPE(2, 2), (double[]){0.9, 0.1, -0.6, 0.5});
    builder_sum_of_squares(&b);
    /* a = (0.7, -0.1), b = (0.62, -0.47), db = 2 (0.62, -1.47) a^T, da = b^T (1.24, -2.94) x^T = (2.88,
     * -1.346) x^T */
    claim(&claims, "a.weight", SHAPE(2, 2), (double[]){2.88, -5.76, -1.346, 2.692});
    claim(&claims, "b.weight", SHAPE(2, 2), (double[]){2.88, -5.76, -1.346, 2.692});
    struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
    assert_int_equal(find(report, "a.weight")->level, STABILITY_GRADCHECK_CORRECT);
    assert_string_equal(find(report, "b.weight")->pattern, "stale");
    assert_non_null(strstr(find(report, "b.weight")->pattern_text, "a.weight"));
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

/* The layer whose backward pass runs first is the first suspect. */
static void suspects_come_in_backward_order(void **state)
{
    (void)state;
    struct mlp m;
    build_mlp(&m);
    double first[HIDDEN * IN], second[OUT * HIDDEN];
    struct claims claims = claims_of(&m);
    flip(m.first_gradient, HIDDEN, IN, first);
    flip(m.second_gradient, OUT, HIDDEN, second);
    claims.items[0].tensor.data = first;
    claims.items[2].tensor.data = second;
    struct stability_gradcheck_report *report = check(&m.b, &claims, &stability_default_gradcheck_options);
    assert_int_equal(report->suspect_count, 2);
    assert_string_equal(report->suspect_layers[0], "fc2");
    assert_string_equal(report->suspect_layers[1], "fc1");
    stability_gradcheck_report_free(report);
    builder_free(&m.b);
}

/* ---- modes ---- */

static void samples_and_directions_find_a_fault(void **state)
{
    static const enum stability_gradcheck_mode modes[] = {STABILITY_GRADCHECK_SAMPLED,
                                                          STABILITY_GRADCHECK_DIRECTIONAL};
    (void)state;
    struct mlp m;
    build_mlp(&m);
    for (size_t i = 0; i < 2; i++) {
        struct stability_gradcheck_options options = stability_default_gradcheck_options;
        struct claims claims = claims_of(&m);
        double wrong[OUT * HIDDEN];
        options.mode = modes[i];
        options.samples = 6;
        struct stability_gradcheck_report *report = check(&m.b, &claims, &options);
        assert_int_equal(report->level, STABILITY_GRADCHECK_CORRECT);
        assert_int_equal(find(report, "fc1.weight")->checked, 6);
        stability_gradcheck_report_free(report);
        flip(m.second_gradient, OUT, HIDDEN, wrong);
        claims.items[2].tensor.data = wrong;
        report = check(&m.b, &claims, &options);
        assert_int_equal(find(report, "fc2.weight")->level, STABILITY_GRADCHECK_WRONG);
        assert_int_equal(find(report, "fc1.weight")->level, STABILITY_GRADCHECK_CORRECT);
        double missed = find(report, "fc2.weight")->miss_probability;
        if (modes[i] == STABILITY_GRADCHECK_DIRECTIONAL)
            assert_within(missed, pow(2.0 / 3, 6),
                          1e-6); /* each of six directions shows it with probability 1/3 or more */
        else
            assert_true(isnan(missed));
        stability_gradcheck_report_free(report);
    }
    builder_free(&m.b);
}

enum { WIDE = 24 }; /* a layer with more elements than one thread takes at a time */

static void build_wide(struct builder *b, double *input)
{
    *b = (struct builder){0};
    for (int i = 0; i < BATCH * WIDE; i++)
        input[i] = scattered(i);
    builder_data(b, "input", SHAPE(BATCH, WIDE), input);
    builder_data(b, "target", SHAPE(BATCH, WIDE), input);
    builder_linear(b, "fc", NULL, WIDE, WIDE);
    builder_layer(b, "act", "Tanh", NULL);
    builder_loss(b, "MSELoss", NULL);
}

static void assert_same_check(const struct stability_gradcheck_report *one,
                              const struct stability_gradcheck_report *other)
{
    assert_int_equal(one->parameter_count, other->parameter_count);
    for (size_t i = 0; i < one->parameter_count; i++) {
        const struct stability_gradcheck_parameter *a = &one->parameters[i], *b = &other->parameters[i];
        assert_memory_equal(&a->relative_error, &b->relative_error, sizeof(double));
        assert_memory_equal(&a->max_relative_error, &b->max_relative_error, sizeof(double));
        assert_memory_equal(&a->worst_numerical, &b->worst_numerical, sizeof(double));
    }
}

/* Places for helpers: `free` of them, of which each is wanted back after `patience` pieces of work. */
struct places {
    _Atomic int free;
    _Atomic int entered;
    _Atomic int asked;
    int patience;
};

static bool enter(void *context)
{
    struct places *places = context;
    if (atomic_fetch_sub(&places->free, 1) <= 0) {
        atomic_fetch_add(&places->free, 1);
        return false;
    }
    atomic_fetch_add(&places->entered, 1);
    return true;
}

static void leave(void *context)
{
    struct places *places = context;
    atomic_fetch_add(&places->free, 1);
}

static bool stay(void *context)
{
    struct places *places = context;
    if (atomic_fetch_add(&places->asked, 1) % places->patience < places->patience - 1)
        return true;
    leave(context);
    return false;
}

/* Whoever does the work: threads from beginning to end, and helpers that come and go. */
static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    struct builder b;
    double input[BATCH * WIDE];
    build_wide(&b, input);
    struct claims claims = {0};
    struct stability_gradcheck_options options = stability_default_gradcheck_options;
    struct stability_gradcheck_report *one = check(&b, &claims, &options);
    options.threads = 3;
    struct stability_gradcheck_report *three = check(&b, &claims, &options);
    assert_same_check(one, three);
    stability_gradcheck_report_free(three);
    for (int count = 0; count <= 3; count++) {
        for (int patience = 1; patience <= 3; patience++) {
            struct places places = {.free = count, .patience = patience};
            const struct stability_helpers helpers = {enter, stay, leave, &places};
            options.helpers = &helpers;
            struct stability_gradcheck_report *helped = check(&b, &claims, &options);
            assert_same_check(one, helped);
            assert_int_equal(places.free, count);
            assert_true((places.entered > 0) == (count > 0));
            stability_gradcheck_report_free(helped);
        }
    }
    stability_gradcheck_report_free(one);
    builder_free(&b);
}

/* ---- refusals ---- */

static bool refuse(void *context, const char *stage, int64_t done, int64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return strcmp(stage, "gradcheck") != 0;
}

static void what_cannot_be_checked_is_refused(void **state)
{
    (void)state;
    struct mlp m;
    build_mlp(&m);
    struct stability_error error = {0};
    struct claims unknown = {0}, misshapen = {0}, none = {0};
    claim(&unknown, "fc1.wieght", SHAPE(HIDDEN, IN), m.first_gradient);
    assert_null(try_check(&m.b, &unknown, &stability_default_gradcheck_options, &error));
    assert_error(&error, STABILITY_ERROR_UNKNOWN_WEIGHT, "/gradients/fc1.wieght",
                 "no layer has a parameter 'fc1.wieght': did you mean 'fc1.weight'?");
    error = (struct stability_error){0};
    claim(&misshapen, "fc2.weight", SHAPE(HIDDEN, OUT), m.second_gradient);
    assert_null(try_check(&m.b, &misshapen, &stability_default_gradcheck_options, &error));
    assert_error(&error, STABILITY_ERROR_SHAPE_MISMATCH, "/gradients/fc2.weight",
                 "'weight' of layer 'fc2' (Linear) must have shape (3, 4) = (out_features, in_features), got "
                 "(4, 3): the "
                 "transposed tensor would fit");
    error = (struct stability_error){0};
    builder_options(&m.b)->progress = refuse;
    assert_null(try_check(&m.b, &none, &stability_default_gradcheck_options, &error));
    assert_int_equal(error.code, STABILITY_ERROR_CANCELLED);
    error = (struct stability_error){0};
    builder_options(&m.b)->progress = NULL;
    m.b.request.options.limits.bytes = 1000;
    assert_null(try_check(&m.b, &none, &stability_default_gradcheck_options, &error));
    assert_int_equal(error.code, STABILITY_ERROR_MODEL_TOO_LARGE);
    builder_free(&m.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_recognised_where_they_are),
        cmocka_unit_test(a_gradient_of_another_parameter_is_recognised),
        cmocka_unit_test(suspects_come_in_backward_order),
        cmocka_unit_test(samples_and_directions_find_a_fault),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(what_cannot_be_checked_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
