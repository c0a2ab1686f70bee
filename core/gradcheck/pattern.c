#include "core/gradcheck/pattern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct recognition {
    const struct gradient_pair *pairs;
    size_t pair_count;
    const struct gradient_pair *pair;
    double tolerance;    /* two elements are equal up to this */
    struct arena *arena; /* of the report */
    struct arena scratch;
    struct stability_gradcheck_parameter *result;
    bool failed; /* no memory */
};

static double norm(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static bool close_to(const struct recognition *r, double a, double b)
{
    return fabs(a - b) <= r->tolerance;
}

/* Names the pattern; `text` is formatted with one number or one name. */
static bool found(struct recognition *r, const char *pattern, char *text)
{
    r->result->pattern = pattern;
    r->result->pattern_text = text;
    r->failed |= !text;
    return true;
}

static bool is_non_finite(struct recognition *r)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < r->pair->count; i++)
        bad += !isfinite(r->pair->given[i]);
    return bad > 0 && found(r, "non-finite",
                            arena_format(r->arena, "%lld of %lld elements are NaN or infinite",
                                         (long long)bad, (long long)r->pair->count));
}

static bool is_zero(struct recognition *r)
{
    for (int64_t i = 0; i < r->pair->count; i++)
        if (r->pair->given[i] != 0)
            return false;
    return found(r, "zero",
                 arena_format(r->arena, "every element is 0: the gradient was not computed, or was reset"));
}

/* given = factor * numerical */
static bool is_scaled(struct recognition *r)
{
    double products = 0, squares = 0;
    const struct gradient_pair *p = r->pair;
    for (int64_t i = 0; i < p->count; i++) {
        products += p->given[i] * p->numerical[i];
        squares += p->numerical[i] * p->numerical[i];
    }
    double factor = products / squares;
    double tolerance = fmax(1e-6 * norm(p->given, p->count), fabs(factor) * norm(p->uncertainty, p->count));
    double unscaled = 0, left = 0; /* squares of the difference without and with the factor */
    for (int64_t i = 0; i < p->count; i++) {
        unscaled += (p->given[i] - p->numerical[i]) * (p->given[i] - p->numerical[i]);
        left += (p->given[i] - factor * p->numerical[i]) * (p->given[i] - factor * p->numerical[i]);
    }
    if (!(sqrt(left) <= tolerance) || !(sqrt(left) <= 0.05 * sqrt(unscaled)) || fabs(factor) < 1e-12)
        return false;
    r->result->pattern_factor = factor;
    if (fabs(factor + 1) < 1e-6)
        return found(r, "sign-flipped", arena_format(r->arena, "every element has the wrong sign"));
    return found(
        r, "scaled",
        arena_format(r->arena,
                     "every element is %.6g times too large: a mean over the batch that is missing or "
                     "made twice, or a constant factor of the derivative",
                     factor));
}

/* Only a few elements differ. */
static bool is_one_element(struct recognition *r)
{
    int64_t differing = 0, where = 0;
    for (int64_t i = 0; i < r->pair->count; i++) {
        if (close_to(r, r->pair->given[i], r->pair->numerical[i]))
            continue;
        differing++;
        where = i;
    }
    return differing == 1 && r->pair->count > 1 &&
           found(r, "one-element",
                 arena_format(r->arena, "only the element at flat index %lld differs", (long long)where));
}

/* Equal to another parameter's gradient. */
static bool is_stale(struct recognition *r)
{
    for (size_t k = 0; k < r->pair_count; k++) {
        const struct gradient_pair *other = &r->pairs[k];
        if (other == r->pair || other->count != r->pair->count || norm(other->numerical, other->count) == 0)
            continue;
        bool equal = true;
        for (int64_t i = 0; equal && i < other->count; i++)
            equal = close_to(r, r->pair->given[i], other->numerical[i]);
        if (equal)
            return found(r, "stale", arena_format(r->arena, "it is the gradient of '%s'", other->name));
    }
    return false;
}

/* ---- the same elements in another order ---- */

/* The element of `numerical` that a transposed gradient has at flat index i: of the first two dimensions
 * swapped. */
static bool is_transposed(struct recognition *r)
{
    const struct stability_shape *shape = &r->pair->shape;
    if (shape->rank < 2)
        return false;
    int64_t rows = shape->sizes[0], columns = shape->sizes[1];
    int64_t inner = r->pair->count / rows / columns; /* there is an element that differs, so no size is 0 */
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            for (int64_t k = 0; k < inner; k++)
                /* the transposed tensor (columns, rows, inner) laid into the memory of (rows, columns, inner)
                 */
                if (!close_to(r, r->pair->given[(j * rows + i) * inner + k],
                              r->pair->numerical[(i * columns + j) * inner + k]))
                    return false;
    return rows > 1 && columns > 1 &&
           found(r, "transposed",
                 arena_format(r->arena,
                              "it is the transposed gradient: (out, in) where (in, out) was computed, or the "
                              "other way round"));
}

struct keyed {
    double key;
    int64_t index;
};

static int by_key(const void *a, const void *b)
{
    double x = ((const struct keyed *)a)->key, y = ((const struct keyed *)b)->key;
    return (x > y) - (x < y);
}

/* A tensor seen as slices along one dimension. */
struct slices {
    int64_t outer, count, inner;
};

static double slice_key(const double *x, const struct slices *s, int64_t slice)
{
    double sum = 0; /* weighted, so that slices with the same elements in another order differ */
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++)
            sum += x[(o * s->count + slice) * s->inner + i] * (1 + 0.37 * sin((double)(o * s->inner + i)));
    return sum;
}

static bool slices_equal(const struct recognition *r, const struct slices *s, int64_t given,
                         int64_t numerical)
{
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++)
            if (!close_to(r, r->pair->given[(o * s->count + given) * s->inner + i],
                          r->pair->numerical[(o * s->count + numerical) * s->inner + i]))
                return false;
    return true;
}

/* How the slices moved, in words, from where each of the given ones comes from. */
static const char *describe_order(const int64_t *source, int64_t count)
{
    bool reversed = true, rolled = true;
    for (int64_t i = 0; i < count; i++) {
        reversed &= source[i] == count - 1 - i;
        rolled &= source[i] == (source[0] + i) % count;
    }
    return reversed ? "in reverse order" : rolled ? "rolled" : "in another order";
}

static bool is_permuted_along(struct recognition *r, const struct slices *s)
{
    struct keyed *given = arena_array(&r->scratch, (size_t)s->count, sizeof(*given));
    struct keyed *numerical = arena_array(&r->scratch, (size_t)s->count, sizeof(*numerical));
    int64_t *source = arena_array(&r->scratch, (size_t)s->count, sizeof(*source));
    if (!given || !numerical || !source) {
        r->failed = true;
        return false;
    }
    for (int64_t i = 0; i < s->count; i++) {
        given[i] = (struct keyed){slice_key(r->pair->given, s, i), i};
        numerical[i] = (struct keyed){slice_key(r->pair->numerical, s, i), i};
    }
    qsort(given, (size_t)s->count, sizeof(*given), by_key);
    qsort(numerical, (size_t)s->count, sizeof(*numerical), by_key);
    for (int64_t i = 0; i < s->count; i++) {
        if (!slices_equal(r, s, given[i].index, numerical[i].index))
            return false;
        source[given[i].index] = numerical[i].index;
    }
    return found(
        r, "permuted",
        arena_format(r->arena,
                     "the right numbers stand %s along a dimension of size %lld (the order of gates, "
                     "heads or channels)",
                     describe_order(source, s->count), (long long)s->count));
}

static bool is_permuted(struct recognition *r)
{
    const struct stability_shape *shape = &r->pair->shape;
    struct slices s = {1, 1, r->pair->count};
    for (int d = 0; d < shape->rank; d++) {
        s.outer *= s.count;
        s.count = shape->sizes[d];
        s.inner /= s.count;
        if (s.count > 1 && is_permuted_along(r, &s))
            return true;
    }
    s = (struct slices){1, r->pair->count, 1}; /* all elements: rolled or reversed as flat memory */
    return shape->rank > 1 && is_permuted_along(r, &s);
}

bool pattern_recognise(const struct gradient_pair *pairs, size_t pair_count, size_t which,
                       struct arena *arena, struct stability_gradcheck_parameter *result)
{
    static bool (*const patterns[])(struct recognition *) = {
        is_non_finite, is_zero, is_scaled, is_one_element, is_transposed, is_stale, is_permuted,
    };
    struct recognition r = {
        .pairs = pairs, .pair_count = pair_count, .pair = &pairs[which], .arena = arena, .result = result};
    double largest = 0, uncertain = 0;
    for (int64_t i = 0; i < r.pair->count; i++) {
        largest = fmax(largest, fabs(r.pair->numerical[i]));
        uncertain = fmax(uncertain, r.pair->uncertainty[i]);
    }
    r.tolerance = fmax(1e-6 * largest, 4 * uncertain);
    if (largest == 0 || r.tolerance > 1e-3 * largest) /* nothing to recognise, or too uncertain */
        return is_non_finite(&r) || !r.failed;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && !result->pattern && !r.failed; i++)
        patterns[i](&r);
    arena_free(&r.scratch);
    return !r.failed;
}
