#include "core/formats.h"

#include "core/kernels.h"

#include <float.h>
#include <math.h>

/* The least number that overflows lies half a unit in the last place above the greatest finite one; that one
 * itself goes to the even neighbour, which is an infinity but in E4M3, where it is 448. */
static const struct number_format formats[] = {
    [STABILITY_FORMAT_FLOAT32] = {"float32", FLT_MAX, 0x1.ffffffp127, -126, -149, true,
                                  "IEEE 754-2019, binary32"},
    [STABILITY_FORMAT_FLOAT16] = {"float16", 65504, 65520, -14, -24, true, "IEEE 754-2019, binary16"},
    [STABILITY_FORMAT_BFLOAT16] = {"bfloat16", 0x1.fep127, 0x1.ffp127, -126, -133, true,
                                   "Kalamkar et al. 2019, A study of BFLOAT16 for deep learning training"},
    [STABILITY_FORMAT_FLOAT8_E4M3] = {"float8_e4m3", 448, 0x1.d000000000001p8, -6, -9, false,
                                      "Micikevicius et al. 2022, FP8 formats for deep learning"},
    [STABILITY_FORMAT_FLOAT8_E5M2] = {"float8_e5m2", 57344, 61440, -14, -16, true,
                                      "Micikevicius et al. 2022, FP8 formats for deep learning"},
};

const struct number_format *number_format_at(enum stability_format format)
{
    return &formats[format];
}

/* Adding and subtracting 1.5 * 2^52 units in the last place leaves a multiple of that unit. */
static double rounded(double x, const struct number_format *format)
{
    int precision = format->least_normal - format->least_subnormal;
    double narrow = (double)(float)x;
    if (!(fabs(narrow) < INFINITY) || narrow == 0)
        return narrow;
    if (fabs(narrow) >= format->overflow)
        return format->has_infinity ? copysign(INFINITY, x) : NAN;
    int exponent = ilogb(narrow);
    double shift =
        ldexp(1.5, 52 - precision + (exponent > format->least_normal ? exponent : format->least_normal));
    return copysign(narrow + shift - shift, x);
}

void formats_round(double *numbers, int64_t count, enum stability_format format)
{
    for (int64_t i = 0; i < count; i++)
        numbers[i] = format == STABILITY_FORMAT_FLOAT32 ? (double)(float)numbers[i]
                                                        : rounded(numbers[i], &formats[format]);
    for (int64_t i = 0; !formats[format].has_infinity && i < count; i++)
        numbers[i] = isinf(numbers[i]) ? NAN : numbers[i];
}

void formats_count_overflows(const void *data, enum stability_dtype dtype, int64_t count,
                             struct stability_statistics *statistics)
{
    const struct kernels *kernels =
        kernels_for(dtype == STABILITY_FLOAT64 ? STABILITY_PRECISION_FLOAT64 : STABILITY_PRECISION_FLOAT32);
    for (int f = 0; f < STABILITY_FORMAT_COUNT; f++) {
        bool any = statistics->finite.abs_max >= formats[f].overflow;
        statistics->overflow_counts[f] = any ? kernels->count_beyond(data, formats[f].overflow, count) : 0;
    }
}

/* Elements with an exponent in [first, last). */
static int64_t count_exponents(const struct stability_statistics *statistics, int first, int last)
{
    int64_t count = 0;
    first = first > statistics->least_exponent ? first : statistics->least_exponent;
    last = last <= statistics->greatest_exponent ? last : statistics->greatest_exponent + 1;
    for (int exponent = first; exponent < last; exponent++)
        count += statistics->exponents[exponent - STABILITY_EXPONENT_MIN];
    return count;
}

struct format_losses format_losses_of(const struct stability_statistics *statistics,
                                      enum stability_format format, int scale)
{
    const struct number_format *f = &formats[format];
    struct format_losses losses = {
        .finite = statistics->finite.count,
        .flushed = count_exponents(statistics, INT32_MIN, f->least_subnormal - 1 - scale),
        .subnormal = count_exponents(statistics, f->least_subnormal - 1 - scale, f->least_normal - scale),
        .overflown = statistics->overflow_counts[format],
    };
    if (scale != 0)
        losses.overflown = count_exponents(statistics, ilogb(f->greatest) + 1 - scale, INT32_MAX);
    return losses;
}

/* The greatest k for which magnitude * 2^k is below the overflow. */
static int greatest_scale(double magnitude, double overflow)
{
    int k = ilogb(overflow) - ilogb(magnitude);
    return ldexp(magnitude, k) < overflow ? k : k - 1;
}

struct scale_range format_scale_range(const struct stability_statistics *statistics,
                                      enum stability_format format)
{
    const struct number_format *f = &formats[format];
    double greatest = statistics->finite.count > 0 ? statistics->finite.abs_max : 0;
    if (!(greatest > 0))
        return (struct scale_range){.any = false};
    int least = statistics->least_exponent;
    return (struct scale_range){
        .any = true,
        .greatest = greatest_scale(greatest, f->overflow),
        .least = f->least_subnormal - 1 - least,
        .normal = f->least_normal - least,
    };
}

static void include_range(struct scale_range *range, const struct stability_statistics *statistics,
                          enum stability_format format)
{
    struct scale_range part = statistics ? format_scale_range(statistics, format) : (struct scale_range){0};
    if (!part.any)
        return;
    range->greatest = range->any && range->greatest < part.greatest ? range->greatest : part.greatest;
    range->least = range->any && range->least > part.least ? range->least : part.least;
    range->normal = range->any && range->normal > part.normal ? range->normal : part.normal;
    range->any = true;
}

struct scale_range formats_gradient_range(const struct stability_report *report, enum stability_format format)
{
    struct scale_range range = {0};
    for (size_t i = 0; i < report->layer_count; i++) {
        const struct stability_layer_report *layer = &report->layers[i];
        for (int k = 0; k < layer->output_count; k++)
            include_range(&range, layer->outputs[k].gradient, format);
        for (size_t k = 0; k < layer->parameter_count; k++)
            include_range(&range, layer->parameters[k].gradient, format);
    }
    return range;
}

int scale_range_best(const struct scale_range *range)
{
    enum { SPARE = 4 };
    if (range->normal + SPARE <= 0 && range->greatest - SPARE >= 0)
        return 0;
    int least = range->normal <= range->greatest ? range->normal : range->least;
    return least <= range->greatest ? least + (range->greatest - least) / 2 : range->greatest;
}
