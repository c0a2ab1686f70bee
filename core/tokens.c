#include "core/tokens.h"

#include <math.h>
#include <string.h>

struct sequence {
    const double *data; /* of the first token */
    int64_t tokens;
    int64_t features;
    int64_t apart; /* elements from one token to the next */
};

static double length_of(const struct sequence *s, int64_t token)
{
    double squares = 0;
    for (int64_t i = 0; i < s->features; i++) {
        double x = s->data[token * s->apart + i];
        squares += x * x;
    }
    return sqrt(squares);
}

/* The sum of n unit vectors has the squared length n + the sum of the cosines of all ordered pairs. `sum` has
 * room for a token. */
static double cosine_of(const struct sequence *s, double *sum)
{
    double squares = 0, count = 0;
    memset(sum, 0, (size_t)s->features * sizeof(*sum));
    for (int64_t t = 0; t < s->tokens; t++) {
        double length = length_of(s, t);
        for (int64_t i = 0; length > 0 && i < s->features; i++)
            sum[i] += s->data[t * s->apart + i] / length;
        count += length > 0;
    }
    for (int64_t i = 0; i < s->features; i++)
        squares += sum[i] * sum[i];
    return count > 1 ? (squares - count) / (count * (count - 1)) : NAN;
}

static double residual_of(const struct sequence *s)
{
    double apart = 0, whole = 0;
    for (int64_t i = 0; i < s->features; i++) {
        double mean = 0;
        for (int64_t t = 0; t < s->tokens; t++)
            mean += s->data[t * s->apart + i] / (double)s->tokens;
        for (int64_t t = 0; t < s->tokens; t++) {
            double x = s->data[t * s->apart + i];
            apart += (x - mean) * (x - mean);
            whole += x * x;
        }
    }
    return whole > 0 ? sqrt(apart / whole) : NAN;
}

struct token_similarity token_similarity_of(const struct tensor *tensor, bool tokens_first, double *scratch)
{
    const int64_t *sizes = tensor->shape.sizes;
    int64_t outer = sizes[tokens_first ? 1 : 0], features = sizes[2];
    struct token_similarity sum = {0, 0};
    for (int64_t n = 0; n < outer; n++) {
        struct sequence sequence = {
            .data = (const double *)tensor->data + n * features * (tokens_first ? 1 : sizes[1]),
            .tokens = sizes[tokens_first ? 0 : 1],
            .features = features,
            .apart = features * (tokens_first ? outer : 1),
        };
        sum.cosine += cosine_of(&sequence, scratch) / (double)outer;
        sum.residual += residual_of(&sequence) / (double)outer;
    }
    return sum;
}
