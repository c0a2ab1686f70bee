#include "core/real/evaluation.h"

/* ---- numbers ---- */

real interval_down(double number)
{
    real rounded = (real)number;
    return (double)rounded > number ? nextafter(rounded, (real)-INFINITY) : rounded;
}

real interval_up(double number)
{
    real rounded = (real)number;
    return (double)rounded < number ? nextafter(rounded, (real)INFINITY) : rounded;
}

void interval_fill(const struct interval_tensor *tensor, double low, double high)
{
    for (int64_t i = 0; tensor->low.data && i < tensor->low.count; i++) {
        low_of(tensor)[i] = interval_down(low);
        high_of(tensor)[i] = interval_up(high);
    }
}

void interval_hull(const struct interval_tensor *tensor, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; tensor->low.data && i < tensor->low.count; i++) {
        *low = fmin(*low, (double)low_of(tensor)[i]);
        *high = fmax(*high, (double)high_of(tensor)[i]);
    }
}

double interval_magnitude(const struct interval_tensor *tensor)
{
    double low, high;
    interval_hull(tensor, &low, &high);
    return low > high ? 0 : fmax(fabs(low), fabs(high));
}

real *interval_reals(struct interval_pass *p, int64_t count)
{
    return arena_array(p->scratch, (size_t)count, sizeof(real));
}

void interval_give_up(struct interval_pass *p, bool backward)
{
    for (int k = 0; !backward && k < p->output_count; k++)
        interval_fill(&p->outputs[k], -INFINITY, INFINITY);
    for (int k = 0; backward && k < p->pass.input_count; k++)
        interval_fill(&p->input_gradients[k], -INFINITY, INFINITY);
    for (int k = 0; backward && k < p->parameter_count; k++)
        interval_fill(&p->parameter_gradients[k], -INFINITY, INFINITY);
}

void interval_store(const struct interval_tensor *tensor, int64_t i, struct span span, double error)
{
    double low = span.low - error, high = span.high + error;
    low_of(tensor)[i] = isnan(low) ? (real)-INFINITY : interval_down(low);
    high_of(tensor)[i] = isnan(high) ? (real)INFINITY : interval_up(high);
}

double interval_row_sum(const struct interval_tensor *matrix, int64_t rows, bool columns)
{
    int64_t width = matrix->low.data && rows > 0 ? matrix->low.count / rows : 0;
    int64_t count = columns ? width : rows;
    double most = 0;
    for (int64_t i = 0; width > 0 && i < count; i++) {
        double sum = 0;
        for (int64_t k = 0; k < (columns ? rows : width); k++)
            sum += span_magnitude(span_at(matrix, columns ? k * width + i : i * width + k));
        most = fmax(most, sum);
    }
    return most;
}

void interval_load(const struct interval_tensor *tensor, const void *data, double radius)
{
    for (int64_t i = 0; i < tensor->low.count; i++) {
        double x = (double)((const real *)data)[i];
        interval_store(tensor, i, (struct span){x, x}, radius);
    }
}

void interval_add(const struct interval_tensor *to, const struct interval_tensor *from)
{
    for (int64_t i = 0; i < to->low.count; i++)
        interval_store(to, i, span_add(span_at(to, i), span_at(from, i)), 0);
}

int64_t interval_settle(const struct interval_tensor *tensor, double *low, double *high)
{
    int64_t first = -1;
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < tensor->low.count; i++) {
        real *a = &low_of(tensor)[i], *b = &high_of(tensor)[i];
        bool known = isfinite(*a) && isfinite(*b);
        if (!known && first < 0)
            first = i;
        *a = isnan(*a) ? (real)-INFINITY : *a;
        *b = isnan(*b) ? (real)INFINITY : *b;
        *low = fmin(*low, (double)*a);
        *high = fmax(*high, (double)*b);
        *a = fmin(fmax(*a, -REAL_MAX), REAL_MAX);
        *b = fmin(fmax(*b, -REAL_MAX), REAL_MAX);
    }
    return first;
}

double interval_no_terms(const struct interval_pass *p)
{
    (void)p;
    return 0;
}

bool interval_low_pass(struct interval_pass *p, struct layer_pass *pass)
{
    struct evaluation e;
    if (!evaluation_open(&e, p))
        return false;
    *pass = e.pass;
    return true;
}
