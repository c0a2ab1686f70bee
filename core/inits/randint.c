#include "core/inits/ops.h"
#include "core/random.h"

#include <stdio.h>

struct randint {
    struct init_seed seed;
    int64_t low;
    int64_t high;
};

/* What float64 holds exactly. */
#define GREATEST 9007199254740992.0

static const struct stability_attribute arguments[] = {
    {"low", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct randint, low), .minimum = -GREATEST,
     .maximum = GREATEST, .documentation = "the least integer"},
    {"high", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct randint, high), .required = true,
     .minimum = -GREATEST, .maximum = GREATEST, .documentation = "one above the greatest integer"},
    INIT_SEED,
    {0},
};

static bool check(const void *given, const struct stability_shape *shape, char *message, size_t size)
{
    (void)shape;
    const struct randint *randint = given;
    if (randint->low < randint->high)
        return true;
    snprintf(message, size, "needs low < high, got %lld and %lld", (long long)randint->low,
             (long long)randint->high);
    return false;
}

static void fill(const struct draw *draw, int64_t first, size_t count, double *values)
{
    const struct randint *randint = draw->arguments;
    uint64_t range = (uint64_t)(randint->high - randint->low);
    for (size_t i = 0; i < count;) {
        uint64_t bits[64];
        size_t length = count - i < 64 ? count - i : 64;
        random_bits(draw->stream, (uint64_t)first + i, length, bits);
        for (size_t k = 0; k < length; k++, i++)
            values[i] = (double)(randint->low + (int64_t)random_below(bits[k], range));
    }
}

static void integer_range(const void *given, int64_t *low, int64_t *high)
{
    const struct randint *randint = given;
    *low = randint->low;
    *high = randint->high;
}

INIT_OPS(randint) = {.arguments = arguments,
                     .size = sizeof(struct randint),
                     .check = check,
                     .fill = fill,
                     .integer_range = integer_range};
