#include "core/expectation.h"

#include <math.h>
#include <pthread.h>

enum { NODES = GAUSSIAN_NODES, PANELS = GAUSSIAN_PANELS, POINTS = GAUSSIAN_POINTS };

static const double reach = 10.0; /* standard deviations: beyond lies 1.5e-23 of the mass */

/* Nodes and weights of Gauss-Legendre quadrature on [-1, 1]: the roots of the Legendre polynomial, by
 * Newton's method from Tricomi's estimate. */
static void legendre(double nodes[NODES], double weights[NODES])
{
    for (int i = 0; i < NODES; i++) {
        double x = cos(M_PI * (i + 0.75) / (NODES + 0.5)), slope = 1;
        for (int iteration = 0; iteration < 8; iteration++) {
            double before = 1, polynomial = x;
            for (int n = 2; n <= NODES; n++) {
                double next = ((2 * n - 1) * x * polynomial - (n - 1) * before) / n;
                before = polynomial;
                polynomial = next;
            }
            slope = NODES * (x * polynomial - before) / (x * x - 1);
            x -= polynomial / slope;
        }
        nodes[i] = x;
        weights[i] = 2 / ((1 - x * x) * slope * slope);
    }
}

static struct gaussian standard;

/* Panels end at reach * 2^-k on both sides of 0. */
static void prepare_standard(void)
{
    double nodes[NODES], node_weights[NODES];
    legendre(nodes, node_weights);
    int count = 0;
    for (int k = 0; k < PANELS; k++) {
        double high = ldexp(reach, -k), low = k + 1 < PANELS ? ldexp(reach, -k - 1) : 0;
        for (int i = 0; i < NODES; i++) {
            double z = (low + high) / 2 + (high - low) / 2 * nodes[i];
            double weight = (high - low) / 2 * node_weights[i] * exp(-z * z / 2) / sqrt(2 * M_PI);
            standard.points[count] = z;
            standard.weights[count++] = weight;
            standard.points[count] = -z;
            standard.weights[count++] = weight;
        }
    }
}

const struct gaussian *gaussian_standard(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_standard);
    return &standard;
}

/* f and, where `derivative` is not NULL, f' at `count` points. */
static void evaluate(const struct graph_node *node, double *x, int count, double *value, double *derivative)
{
    const struct layer_ops *ops =
        kernels_for(STABILITY_PRECISION_FLOAT64)->layers[kernels_find_layer(node->ops->type.type)];
    double ones[POINTS];
    for (int i = 0; derivative && i < count; i++)
        ones[i] = 1;
    const struct stability_shape shape = {1, {count}};
    const struct tensor input = {x, shape, count}, output = {value, shape, count};
    const struct tensor output_gradient = {ones, shape, count}, input_gradient = {derivative, shape, count};
    const struct layer_pass pass = {
        .attributes = node->attributes,
        .input_count = 1,
        .inputs = &input,
        .outputs = &output,
        .output_gradients = &output_gradient,
        .input_gradients = &input_gradient,
    };
    ops->forward(&pass);
    if (derivative)
        ops->backward(&pass);
}

/* In lanes, which need not wait for each other. */
enum { LANES = 8 };
_Static_assert(POINTS % LANES == 0, "lanes would differ in length");

static double sum_of_lanes(const double lanes[LANES])
{
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

static double weighted_sum(const struct gaussian *gaussian, const double *value)
{
    double lanes[LANES] = {0};
    for (int i = 0; i < POINTS; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] += gaussian->weights[i + lane] * value[i + lane];
    return sum_of_lanes(lanes);
}

static double weighted_square_sum(const struct gaussian *gaussian, const double *value)
{
    double lanes[LANES] = {0};
    for (int i = 0; i < POINTS; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] += gaussian->weights[i + lane] * (value[i + lane] * value[i + lane]);
    return sum_of_lanes(lanes);
}

/* Mean and square, and f' at the points where `derivative` is not NULL. */
static struct expectation values_and_slopes(const struct gaussian *gaussian, const struct graph_node *node,
                                            double q, double *derivative)
{
    double x[POINTS], value[POINTS], scale = sqrt(q);
    for (int i = 0; i < POINTS; i++)
        x[i] = scale * gaussian->points[i];
    evaluate(node, x, POINTS, value, derivative);
    return (struct expectation){.mean = weighted_sum(gaussian, value),
                                .square = weighted_square_sum(gaussian, value)};
}

struct expectation expectation_of(const struct gaussian *gaussian, const struct graph_node *node, double q)
{
    double derivative[POINTS];
    struct expectation expectation = values_and_slopes(gaussian, node, q, derivative);
    expectation.derivative_square = weighted_square_sum(gaussian, derivative);
    return expectation;
}

struct expectation expectation_of_values(const struct gaussian *gaussian, const struct graph_node *node,
                                         double q)
{
    return values_and_slopes(gaussian, node, q, NULL);
}

struct expectation expectation_scaled(struct expectation e, double factor, double shift)
{
    return (struct expectation){
        .mean = factor * e.mean + shift,
        .square = factor * factor * e.square + 2 * factor * shift * e.mean + shift * shift,
        .derivative_square = factor * factor * e.derivative_square,
    };
}

struct linear_regime linear_regime_of(const struct graph_node *node)
{
    double x[] = {0, 1e-8, -1e-8}, value[3], derivative[3];
    evaluate(node, x, 3, value, derivative);
    return (struct linear_regime){
        value[0], sqrt((derivative[1] * derivative[1] + derivative[2] * derivative[2]) / 2), derivative[1]};
}
