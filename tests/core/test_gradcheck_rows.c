/* Gradient checks of networks with many rows, of which each parameter changes a few: gradients by the
 * formulas of backpropagation. */
#include "support.h"

#include "gradcheck_claims.h"

#include <math.h>
#include <string.h>

enum { BATCH = 150, IN = 4, HIDDEN = 6, OUT = 3, IGNORED = 1 };

/* Numbers between -1 and 1 without a pattern of their own. */
static double scattered(int i)
{
    double x = sin(12.9898 * (i + 1)) * 43758.5453;
    return 2 * (x - floor(x)) - 1;
}

static void scatter(double *values, int count, int first)
{
    for (int i = 0; i < count; i++)
        values[i] = scattered(first + i);
}

struct network {
    double x[BATCH * IN], h[BATCH * HIDDEN], g[BATCH * HIDDEN], y[BATCH * OUT];
    double first[HIDDEN * IN], second[HIDDEN * HIDDEN], third[OUT * HIDDEN];
    double first_gradient[HIDDEN * IN], second_gradient[HIDDEN * HIDDEN], third_gradient[OUT * HIDDEN];
    double target[BATCH * OUT];
    int64_t classes[BATCH];
};

/* y (BATCH, out) = max(x Wᵀ, 0), or without the maximum */
static void map(const double *x, int in, const double *weight, int out, bool cut, double *y)
{
    for (int n = 0; n < BATCH; n++)
        for (int o = 0; o < out; o++) {
            double sum = 0;
            for (int i = 0; i < in; i++)
                sum += weight[o * in + i] * x[n * in + i];
            y[n * out + o] = cut && sum < 0 ? 0 : sum;
        }
}

/* dW += dyᵀ x, and dx = dy W where x > 0 */
static void map_back(const double *x, int in, const double *weight, int out, const double *dy,
                     double *weight_gradient, double *dx)
{
    for (int n = 0; n < BATCH; n++)
        for (int i = 0; i < in; i++) {
            double sum = 0;
            for (int o = 0; o < out; o++) {
                weight_gradient[o * in + i] += dy[n * out + o] * x[n * in + i];
                sum += dy[n * out + o] * weight[o * in + i];
            }
            dx[n * in + i] = x[n * in + i] > 0 ? sum : 0;
        }
}

static void build_network(struct network *net, struct builder *b)
{
    memset(net, 0, sizeof(*net));
    scatter(net->x, BATCH * IN, 0);
    scatter(net->first, HIDDEN * IN, 1000);
    scatter(net->second, HIDDEN * HIDDEN, 2000);
    scatter(net->third, OUT * HIDDEN, 3000);
    scatter(net->target, BATCH * OUT, 4000);
    for (int n = 0; n < BATCH; n++)
        net->classes[n] = n * 7 % OUT;
    map(net->x, IN, net->first, HIDDEN, true, net->h);
    map(net->h, HIDDEN, net->second, HIDDEN, true, net->g);
    map(net->g, HIDDEN, net->third, OUT, false, net->y);
    builder_data(b, "input", SHAPE(BATCH, IN), net->x);
    builder_linear(b, "first", NULL, IN, HIDDEN);
    builder_weight(b, "first.weight", SHAPE(HIDDEN, IN), net->first);
    builder_layer(b, "cut", "ReLU", NULL);
    builder_linear(b, "second", NULL, HIDDEN, HIDDEN);
    builder_weight(b, "second.weight", SHAPE(HIDDEN, HIDDEN), net->second);
    builder_layer(b, "cut2", "ReLU", NULL);
    builder_linear(b, "third", NULL, HIDDEN, OUT);
    builder_weight(b, "third.weight", SHAPE(OUT, HIDDEN), net->third);
}

/* Begins a loss and gives its derivative by y. */
typedef void loss_builder(struct network *net, struct builder *b, double *dy);

static void mean_of_squares(struct network *net, struct builder *b, double *dy)
{
    builder_data(b, "target", SHAPE(BATCH, OUT), net->target);
    builder_loss(b, "MSELoss", NULL);
    for (int i = 0; i < BATCH * OUT; i++)
        dy[i] = 2 * (net->y[i] - net->target[i]) / (BATCH * OUT);
}

static void sum_of_squares(struct network *net, struct builder *b, double *dy)
{
    mean_of_squares(net, b, dy);
    builder_string(b, "reduction", "sum");
    for (int i = 0; i < BATCH * OUT; i++)
        dy[i] *= BATCH * OUT;
}

/* softmax - target, without rows of the class `ignored`, times `scale` */
static void derive_cross_entropy(const struct network *net, int ignored, double smoothing, double scale,
                                 double *dy)
{
    for (int n = 0; n < BATCH; n++) {
        double sum = 0;
        for (int c = 0; c < OUT; c++)
            sum += exp(net->y[n * OUT + c]);
        for (int c = 0; c < OUT; c++) {
            double share = smoothing / OUT + (net->classes[n] == c ? 1 - smoothing : 0);
            bool takes_part = net->classes[n] != ignored;
            dy[n * OUT + c] = takes_part ? (exp(net->y[n * OUT + c]) / sum - share) * scale : 0;
        }
    }
}

static void cross_entropy(struct network *net, struct builder *b, double *dy)
{
    builder_integers(b, "target", SHAPE(BATCH), net->classes);
    builder_loss(b, "CrossEntropyLoss", NULL);
    derive_cross_entropy(net, -1, 0, 1.0 / BATCH, dy);
}

static void smoothed_cross_entropy(struct network *net, struct builder *b, double *dy)
{
    cross_entropy(net, b, dy);
    builder_real(b, "label_smoothing", 0.25);
    builder_string(b, "reduction", "sum");
    derive_cross_entropy(net, -1, 0.25, 1, dy);
}

/* The mean is over the rows that take part. */
static void cross_entropy_of_some(struct network *net, struct builder *b, double *dy)
{
    int rows = 0;
    cross_entropy(net, b, dy);
    builder_integer(b, "ignore_index", IGNORED);
    for (int n = 0; n < BATCH; n++)
        rows += net->classes[n] != IGNORED;
    derive_cross_entropy(net, IGNORED, 0, 1.0 / rows, dy);
}

static const struct {
    const char *name;
    loss_builder *build;
} losses[] = {{"mean of squares", mean_of_squares},
              {"sum of squares", sum_of_squares},
              {"cross entropy", cross_entropy},
              {"with smoothing", smoothed_cross_entropy},
              {"with an ignored class", cross_entropy_of_some}};
enum { LOSSES = sizeof(losses) / sizeof(losses[0]) };

static void derive(struct network *net, const double *dy)
{
    static double dg[BATCH * HIDDEN], dh[BATCH * HIDDEN], dx[BATCH * IN];
    map_back(net->g, HIDDEN, net->third, OUT, dy, net->third_gradient, dg);
    map_back(net->h, HIDDEN, net->second, HIDDEN, dg, net->second_gradient, dh);
    map_back(net->x, IN, net->first, HIDDEN, dh, net->first_gradient, dx);
}

static struct claims claims_of(const struct network *net)
{
    struct claims claims = {0};
    claim(&claims, "first.weight", SHAPE(HIDDEN, IN), net->first_gradient);
    claim(&claims, "second.weight", SHAPE(HIDDEN, HIDDEN), net->second_gradient);
    claim(&claims, "third.weight", SHAPE(OUT, HIDDEN), net->third_gradient);
    return claims;
}

static void right_gradients_are_correct(void **state)
{
    static struct network net;
    static double dy[BATCH * OUT];
    (void)state;
    for (int i = 0; i < LOSSES; i++) {
        struct builder b = {0};
        build_network(&net, &b);
        losses[i].build(&net, &b, dy);
        derive(&net, dy);
        struct claims claims = claims_of(&net);
        struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
        for (size_t k = 0; k < claims.count; k++) {
            const struct stability_gradcheck_parameter *parameter = find(report, claims.items[k].name);
            if (parameter->level != STABILITY_GRADCHECK_CORRECT || !(parameter->relative_error < 1e-8))
                fail_msg("%s: %s is off by %g", losses[i].name, parameter->name, parameter->relative_error);
            assert_int_equal(parameter->skipped_at_kink, 0);
        }
        stability_gradcheck_report_free(report);
        builder_free(&b);
    }
}

static void one_wrong_element_is_found_with_its_derivative(void **state)
{
    static struct network net;
    static double dy[BATCH * OUT];
    (void)state;
    for (int i = 0; i < LOSSES; i++) {
        struct builder b = {0};
        build_network(&net, &b);
        losses[i].build(&net, &b, dy);
        derive(&net, dy);
        int element = 0; /* the greatest, which tells best */
        for (int k = 1; k < HIDDEN * HIDDEN; k++)
            element = fabs(net.second_gradient[k]) > fabs(net.second_gradient[element]) ? k : element;
        double right = net.second_gradient[element];
        net.second_gradient[element] *= 1.5;
        struct claims claims = claims_of(&net);
        struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
        const struct stability_gradcheck_parameter *wrong = find(report, "second.weight");
        assert_int_equal(wrong->level, STABILITY_GRADCHECK_WRONG);
        assert_int_equal(wrong->worst_index[0] * HIDDEN + wrong->worst_index[1], element);
        assert_close(wrong->worst_numerical, right, 1e-8);
        assert_true(fabs(wrong->worst_numerical - right) <= wrong->worst_uncertainty);
        assert_int_equal(find(report, "first.weight")->level, STABILITY_GRADCHECK_CORRECT);
        assert_int_equal(find(report, "third.weight")->level, STABILITY_GRADCHECK_CORRECT);
        stability_gradcheck_report_free(report);
        builder_free(&b);
    }
}

/* So wide that few rows are taken at once: sum over rows of (Σ_o max(w_o x, 0) - t)², w all 1. */
static void rows_may_be_wide(void **state)
{
    enum { ROWS = 5, WIDE = 3000 };
    static double ones[WIDE], gradient[WIDE];
    static const double x[ROWS] = {0.5, -1, 0, 2, 1.5}, target[ROWS] = {1500, 1, 2, 5999, 4500.5};
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    struct stability_gradcheck_options options = stability_default_gradcheck_options;
    double sum = 0;
    options.mode = STABILITY_GRADCHECK_SAMPLED;
    for (int n = 0; n < ROWS; n++)
        sum += x[n] > 0 ? 2 * (WIDE * x[n] - target[n]) * x[n] : 0;
    for (int i = 0; i < WIDE; i++) {
        ones[i] = 1;
        gradient[i] = sum;
    }
    builder_data(&b, "input", SHAPE(ROWS, 1), x);
    builder_data(&b, "target", SHAPE(ROWS, 1), target);
    builder_linear(&b, "wide", NULL, 1, WIDE);
    builder_weight(&b, "wide.weight", SHAPE(WIDE, 1), ones);
    builder_layer(&b, "cut", "ReLU", NULL);
    builder_linear(&b, "narrow", NULL, WIDE, 1);
    builder_weight(&b, "narrow.weight", SHAPE(1, WIDE), ones);
    builder_sum_of_squares(&b);
    claim(&claims, "wide.weight", SHAPE(WIDE, 1), gradient);
    claim(&claims, "narrow.weight", SHAPE(1, WIDE), gradient);
    struct stability_gradcheck_report *report = check(&b, &claims, &options);
    assert_int_equal(find(report, "wide.weight")->level, STABILITY_GRADCHECK_CORRECT);
    assert_int_equal(find(report, "narrow.weight")->level, STABILITY_GRADCHECK_CORRECT);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_gradients_are_correct),
        cmocka_unit_test(one_wrong_element_is_found_with_its_derivative),
        cmocka_unit_test(rows_may_be_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
