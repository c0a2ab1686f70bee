/* Ways to bound a layer's passes over intervals, all by the layer's own kernels at chosen points of the
 * intervals (Moore, Kearfott, Cloud 2009, Introduction to Interval Analysis; Rump 1999, Fast and parallel
 * interval arithmetic, for products of matrices). Results are rounded outwards and widened by bounds of the
 * kernels' rounding errors (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1), so
 * that they hold for what the engine computes, not only for exact arithmetic. */
#ifndef REAL_INTERVAL_H
#define REAL_INTERVAL_H

#include "core/layer.h"
#include "core/real/real.h"

#define interval_curve_forward VARIANT(interval_curve_forward)
#define interval_curve_backward VARIANT(interval_curve_backward)
#define interval_pair_forward VARIANT(interval_pair_forward)
#define interval_pair_backward VARIANT(interval_pair_backward)
#define interval_move_forward VARIANT(interval_move_forward)
#define interval_monotone_forward VARIANT(interval_monotone_forward)
#define interval_linear_backward VARIANT(interval_linear_backward)
#define interval_product_forward VARIANT(interval_product_forward)
#define interval_product_backward VARIANT(interval_product_backward)
#define interval_reals VARIANT(interval_reals)
#define interval_down VARIANT(interval_down)
#define interval_up VARIANT(interval_up)
#define interval_fill VARIANT(interval_fill)
#define interval_magnitude VARIANT(interval_magnitude)
#define interval_hull VARIANT(interval_hull)
#define interval_give_up VARIANT(interval_give_up)
#define interval_low_pass VARIANT(interval_low_pass)
#define interval_store VARIANT(interval_store)
#define interval_row_sum VARIANT(interval_row_sum)
#define interval_no_terms VARIANT(interval_no_terms)
#define interval_load VARIANT(interval_load)
#define interval_add VARIANT(interval_add)
#define interval_settle VARIANT(interval_settle)

/* ---- whole passes, to be put into struct layer_bounds ---- */

/* Elementwise functions of one input: evaluated at the ends and at the turns. */
bool interval_curve_forward(struct interval_pass *p);
bool interval_curve_backward(struct interval_pass *p);

/* Elementwise operations on two inputs that are broadcast together, monotone in each but at 0: evaluated at
 * the corners, and with zeros that lie within. */
bool interval_pair_forward(struct interval_pass *p);
bool interval_pair_backward(struct interval_pass *p);

/* Where each output is an element of an input or parameter, or the greatest of some. */
bool interval_move_forward(struct interval_pass *p);
/* Where each output grows with every input and parameter, or falls with all of them: evaluated at both ends.
 */
bool interval_monotone_forward(struct interval_pass *p);
/* Where gradients are linear in the gradient that arrives and depend on nothing else, with coefficients of
 * one sign for each. */
bool interval_linear_backward(struct interval_pass *p);

/* Sums of products with one factor of each operand and no other coefficients: Linear, convolutions, MatMul.
 * With F of the midpoints m, radii r and absolute values: F(m) ± (F(|m| + r) - F(|m|)). */
bool interval_product_forward(struct interval_pass *p);
bool interval_product_backward(struct interval_pass *p);

/* ---- for the engine; see core/kernels.h ---- */

void interval_load(const struct interval_tensor *tensor, const void *data, double radius);
void interval_add(const struct interval_tensor *to, const struct interval_tensor *from);
int64_t interval_settle(const struct interval_tensor *tensor, double *low, double *high);

/* ---- what a type's own bounds are made of ---- */

/* Memory until the end of the pass; NULL where there is none. */
real *interval_reals(struct interval_pass *p, int64_t count);
/* The nearest reals that are not above, or not below, a number. */
real interval_down(double number);
real interval_up(double number);
/* All elements lie in [low, high]. Nothing where the tensor has no data. */
void interval_fill(const struct interval_tensor *tensor, double low, double high);
/* The greatest magnitude that an element may have; 0 where the tensor has no data. */
double interval_magnitude(const struct interval_tensor *tensor);
/* The least and the greatest that any element may be. */
void interval_hull(const struct interval_tensor *tensor, double *low, double *high);
/* For `terms` in struct layer_bounds: what is summed up is accumulated in float64. */
double interval_no_terms(const struct interval_pass *p);
/* The layer's pass at the low ends, for what a type computes from its tensors' shapes and its parameters. */
bool interval_low_pass(struct interval_pass *p, struct layer_pass *pass);

/* An interval of numbers. */
struct span {
    double low;
    double high;
};

static inline struct span span_at(const struct interval_tensor *tensor, int64_t i)
{
    return (struct span){(double)((const real *)tensor->low.data)[i],
                         (double)((const real *)tensor->high.data)[i]};
}

static inline struct span span_of(const struct interval_tensor *tensor)
{
    struct span span;
    interval_hull(tensor, &span.low, &span.high);
    return span;
}

static inline double span_magnitude(struct span a)
{
    return fmax(fabs(a.low), fabs(a.high));
}

static inline struct span span_add(struct span a, struct span b)
{
    return (struct span){a.low + b.low, a.high + b.high};
}

static inline struct span span_subtract(struct span a, struct span b)
{
    return (struct span){a.low - b.high, a.high - b.low};
}

static inline struct span span_multiply(struct span a, struct span b)
{
    double p[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    return (struct span){fmin(fmin(p[0], p[1]), fmin(p[2], p[3])), fmax(fmax(p[0], p[1]), fmax(p[2], p[3]))};
}

/* The least interval that holds 0 and `a`. */
static inline struct span span_with_zero(struct span a)
{
    return (struct span){fmin(a.low, 0), fmax(a.high, 0)};
}

/* Stores an interval, widened by an absolute error, rounded outwards; NaN leaves everything possible. */
void interval_store(const struct interval_tensor *tensor, int64_t i, struct span span, double error);

/* The greatest sum of magnitudes along a row of a matrix that has `rows`, or along a column; 0 where the
 * tensor has no data. */
double interval_row_sum(const struct interval_tensor *matrix, int64_t rows, bool columns);

/* All results of a pass may be anything. */
void interval_give_up(struct interval_pass *p, bool backward);

#endif
