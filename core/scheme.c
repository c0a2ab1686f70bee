#include "core/scheme.h"

#include "core/expectation.h"

#include <math.h>
#include <string.h>

enum shape { ANY, UNIFORM, NORMAL };

static const struct {
    const char *name;
    enum shape shape;
    double numerator; /* of the variance ... */
    double of_in;     /* ... over this times fan_in ... */
    double of_out;    /* ... plus this times fan_out; both 0: over 1 */
} schemes[SCHEME_COUNT] = {
    [SCHEME_CONSTANT] = {"constant", ANY, 0, 0, 0},
    [SCHEME_ORTHOGONAL] = {"orthogonal", ANY, 0, 0, 0},
    [SCHEME_TORCH_DEFAULT] = {"torch_default", UNIFORM, 1, 3, 0},
    [SCHEME_LECUN_UNIFORM] = {"lecun_uniform", UNIFORM, 1, 1, 0},
    [SCHEME_LECUN_NORMAL] = {"lecun_normal", NORMAL, 1, 1, 0},
    [SCHEME_XAVIER_UNIFORM] = {"xavier_uniform", UNIFORM, 2, 1, 1},
    [SCHEME_XAVIER_NORMAL] = {"xavier_normal", NORMAL, 2, 1, 1},
    [SCHEME_KAIMING_UNIFORM] = {"kaiming_uniform", UNIFORM, 2, 1, 0},
    [SCHEME_KAIMING_NORMAL] = {"kaiming_normal", NORMAL, 2, 1, 0},
    [SCHEME_NORMAL_001] = {"normal_0.01", NORMAL, 1e-4, 0, 0},
    [SCHEME_NORMAL_1] = {"normal_1", NORMAL, 1, 0, 0},
};

const char *scheme_name(enum scheme scheme)
{
    return schemes[scheme].name;
}

struct fans fans_of(const struct stability_shape *weight)
{
    struct fans fans = {1, 1};
    for (int d = 0; d < weight->rank; d++) {
        fans.in *= d == 0 ? 1 : (double)weight->sizes[d];
        fans.out *= d == 1 ? 1 : (double)weight->sizes[d];
    }
    return fans;
}

static double variance_of(int scheme, const struct fans *fans)
{
    double over = schemes[scheme].of_in * fans->in + schemes[scheme].of_out * fans->out;
    return schemes[scheme].numerator / (over > 0 ? over : 1);
}

/* A uniform distribution ends at sqrt(3) standard deviations, where few draws come near; a normal one does
 * not. */
static bool fits_shape(enum shape shape, const struct stability_moments *weight, double variance)
{
    double reach = weight->abs_max / sqrt(variance);
    if (shape == UNIFORM)
        return reach <= sqrt(3) * (1 + 1e-6);
    return weight->count < 64 || reach > sqrt(3);
}

static bool matches(int scheme, const struct stability_moments *weight, const struct fans *fans)
{
    double variance = variance_of(scheme, fans), count = (double)weight->count;
    double spread = schemes[scheme].shape == UNIFORM ? 0.8 : 2;
    return fabs(weight->variance - variance) <= 5 * variance * sqrt(spread / count) &&
           fabs(weight->mean) <= 5 * sqrt(variance / count) &&
           fits_shape(schemes[scheme].shape, weight, variance);
}

struct scheme_match scheme_of(const struct stability_statistics *weight, const struct weight_probe *probe,
                              const struct stability_shape *shape)
{
    struct fans fans = fans_of(shape);
    struct scheme_match match = {.best = -1, .tolerance = 5 * sqrt(2 / (double)weight->all.count)};
    if (weight->all.count < 2 || !isfinite(weight->all.variance))
        return match;
    match.matches[SCHEME_CONSTANT] = weight->all.max == weight->all.min;
    match.matches[SCHEME_ORTHOGONAL] =
        weight->all.variance > 0 && probe->orthogonality < 1e-4 && probe->length_spread < 1e-4;
    double nearest = INFINITY;
    for (int s = 0; s < SCHEME_COUNT; s++) {
        if (s > SCHEME_ORTHOGONAL)
            match.matches[s] = matches(s, &weight->all, &fans);
        double distance =
            s > SCHEME_ORTHOGONAL ? fabs(log(weight->all.variance / variance_of(s, &fans))) : -1;
        if (match.matches[s] && distance < nearest) {
            nearest = distance;
            match.best = s;
        }
    }
    return match;
}

struct wanted scheme_wanted(const struct graph_node *activation, const struct fans *fans)
{
    static const struct {
        const char *type;
        const char *reason;
    } odd[] = {
        {"Tanh", "it is near the identity around 0"},
        {"Softsign", "it is near the identity around 0"},
        {"Hardtanh", "it is the identity around 0"},
        {"Sigmoid", "its slope at 0 is 1/4: four times as large weights"},
        {"Hardsigmoid", "its slope at 0 is 1/6: six times as large weights"},
        {"Tanhshrink", "it is flat at 0"},
    };
    double mean = (fans->in + fans->out) / 2;
    if (!activation)
        return (struct wanted){"xavier", 1 / mean, "no activation follows"};
    const char *type = activation->ops->type.type;
    if (strcmp(type, "SELU") == 0)
        return (struct wanted){"lecun", 1 / fans->in,
                               "its fixed point has mean 0 and variance 1 with variance 1 / fan_in"};
    double slope = linear_regime_of(activation).derivative;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        if (strcmp(type, odd[i].type) == 0 && slope > 0)
            return (struct wanted){"xavier", 1 / (mean * slope * slope), odd[i].reason};
    if (strcmp(type, "LeakyReLU") == 0)
        return (struct wanted){"kaiming", 1 / (fans->in * slope * slope),
                               "2 / (1 + negative_slope^2) over fan_in"};
    return (struct wanted){"kaiming", 2 / fans->in, "about half of what it reads passes"};
}
