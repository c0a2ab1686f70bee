/* Glorot's and He's schemes: a variance from the numbers of inputs and outputs of a unit. */
#include "core/inits/ops.h"
#include "core/random.h"

struct xavier {
    struct init_seed seed;
    double gain;
};

struct kaiming {
    struct init_seed seed;
    double a;
    int mode;
    int nonlinearity;
};

enum { FAN_IN, FAN_OUT };

/* In the order of `choices` below; linear and convolutions first. */
enum { SIGMOID = 7, TANH, RELU, LEAKY_RELU, SELU };

static const struct stability_attribute xavier_arguments[] = {
    {"gain", STABILITY_ATTRIBUTE_REAL, offsetof(struct xavier, gain), .number = 1,
     .documentation = "factor of the standard deviation"},
    INIT_SEED,
    {0},
};

static const struct stability_attribute kaiming_arguments[] = {
    {"a", STABILITY_ATTRIBUTE_REAL, offsetof(struct kaiming, a),
     .documentation = "negative slope of the layer that follows, for leaky_relu"},
    {"mode", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct kaiming, mode), .choice = "fan_in",
     .choices = "fan_in fan_out",
     .documentation = "the pass whose variance is kept: fan_in the forward, fan_out the "
                      "backward pass"},
    {"nonlinearity", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct kaiming, nonlinearity),
     .choice = "leaky_relu",
     .choices =
         "linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d sigmoid tanh relu "
         "leaky_relu selu",
     .documentation = "the function that follows, which decides the gain"},
    INIT_SEED,
    {0},
};

struct fans {
    double in;
    double out;
};

/* As torch.nn.init counts them: dimension 0 is the outputs, dimension 1 the inputs, the others the kernel. */
static struct fans fans_of(const struct stability_shape *shape)
{
    double kernel = 1.0;
    for (int d = 2; d < shape->rank; d++)
        kernel *= (double)shape->sizes[d];
    return (struct fans){(double)shape->sizes[1] * kernel, (double)shape->sizes[0] * kernel};
}

/* torch.nn.init.calculate_gain */
static double gain_of(int nonlinearity, double slope)
{
    switch (nonlinearity) {
    case TANH:
        return 5.0 / 3.0;
    case RELU:
        return sqrt(2.0);
    case LEAKY_RELU:
        return sqrt(2.0 / (1.0 + slope * slope));
    case SELU:
        return 0.75;
    default: /* linear, convolutions, sigmoid */
        return 1.0;
    }
}

/* Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010). */
static double xavier_std(const struct draw *draw)
{
    const struct xavier *xavier = draw->arguments;
    struct fans fans = fans_of(draw->shape);
    return xavier->gain * sqrt(2.0 / (fans.in + fans.out));
}

/* He et al., "Delving deep into rectifiers" (2015). */
static double kaiming_std(const struct draw *draw)
{
    const struct kaiming *kaiming = draw->arguments;
    struct fans fans = fans_of(draw->shape);
    return gain_of(kaiming->nonlinearity, kaiming->a) / sqrt(kaiming->mode == FAN_IN ? fans.in : fans.out);
}

static void fill_uniform(double std, const struct draw *draw, int64_t first, size_t count, double *values)
{
    double bound = sqrt(3.0) * std;
    random_uniform(draw->stream, (uint64_t)first, count, values);
    for (size_t i = 0; i < count; i++)
        values[i] = bound * (2.0 * values[i] - 1.0);
}

static void fill_normal(double std, const struct draw *draw, int64_t first, size_t count, double *values)
{
    random_normal(draw->stream, (uint64_t)first, count, values);
    for (size_t i = 0; i < count; i++)
        values[i] *= std;
}

static void xavier_uniform(const struct draw *draw, int64_t first, size_t count, double *values)
{
    fill_uniform(xavier_std(draw), draw, first, count, values);
}

static void xavier_normal(const struct draw *draw, int64_t first, size_t count, double *values)
{
    fill_normal(xavier_std(draw), draw, first, count, values);
}

static void kaiming_uniform(const struct draw *draw, int64_t first, size_t count, double *values)
{
    fill_uniform(kaiming_std(draw), draw, first, count, values);
}

static void kaiming_normal(const struct draw *draw, int64_t first, size_t count, double *values)
{
    fill_normal(kaiming_std(draw), draw, first, count, values);
}

INIT_OPS(xavier_uniform_) = {
    .arguments = xavier_arguments, .size = sizeof(struct xavier), .minimum_rank = 2, .fill = xavier_uniform};

INIT_OPS(xavier_normal_) = {
    .arguments = xavier_arguments, .size = sizeof(struct xavier), .minimum_rank = 2, .fill = xavier_normal};

INIT_OPS(kaiming_uniform_) = {.arguments = kaiming_arguments,
                              .size = sizeof(struct kaiming),
                              .minimum_rank = 2,
                              .fill = kaiming_uniform};

INIT_OPS(kaiming_normal_) = {.arguments = kaiming_arguments,
                             .size = sizeof(struct kaiming),
                             .minimum_rank = 2,
                             .fill = kaiming_normal};
