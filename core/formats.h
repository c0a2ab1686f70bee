/* Floating-point formats: what each can hold. */
#ifndef CORE_FORMATS_H
#define CORE_FORMATS_H

#include <stability/report.h>

/* Numbers are rounded to the nearest, ties to even. */
struct number_format {
    const char *name;    /* "float16" */
    double greatest;     /* finite number */
    double overflow;     /* the least double that is rounded to something greater than `greatest` */
    int least_normal;    /* exponent of the least normal number */
    int least_subnormal; /* exponent of the least positive number */
    bool has_infinity;
    const char *source;
};

const struct number_format *number_format_at(enum stability_format format);

/* Rounds numbers to a format, by way of float32, as torch's casts do: ties to even; what overflows becomes an
 * infinity, or NaN in E4M3, which has none. */
void formats_round(double *numbers, int64_t count, enum stability_format format);

/* Counts the finite elements that overflow each format, of a tensor of float32 or float64 whose other
 * statistics are known: they tell whether there are any, and only then is the tensor read. */
void formats_count_overflows(const void *data, enum stability_dtype dtype, int64_t count,
                             struct stability_statistics *statistics);

/* How the non-zero finite elements of a tensor times 2^scale fare in a format. */
struct format_losses {
    int64_t finite;    /* all of them */
    int64_t flushed;   /* rounded to 0: below half the least positive number */
    int64_t subnormal; /* held with fewer bits than the format has */
    int64_t overflown; /* beyond the greatest number; by the exponents alone where scale is not 0 */
};
struct format_losses format_losses_of(const struct stability_statistics *statistics,
                                      enum stability_format format, int scale);

/* Exponents k for which a tensor times 2^k has no overflow, and loses nothing at the other end. */
struct scale_range {
    bool any;     /* the tensor has a finite element that is not 0: else every k will do */
    int greatest; /* the greatest k without overflow */
    int least;    /* the least k that flushes nothing to 0 */
    int normal;   /* the least k that keeps every element normal */
};
struct scale_range format_scale_range(const struct stability_statistics *statistics,
                                      enum stability_format format);
/* Of all gradients of a report together: of outputs and parameters. */
struct scale_range formats_gradient_range(const struct stability_report *report,
                                          enum stability_format format);
/* 0 where it lies in the range with four to spare on both sides; else the middle of the range that keeps
 * every element normal, or where there is none, of the one that loses nothing, or else the greatest. */
int scale_range_best(const struct scale_range *range);

#endif
