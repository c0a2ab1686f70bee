/* How alike the tokens of a sequence are. */
#ifndef CORE_TOKENS_H
#define CORE_TOKENS_H

#include "core/graph.h"

struct token_similarity {
    double cosine;   /* mean over samples and pairs of tokens; NaN where there are no two that are not 0 */
    double residual; /* |X - 1 m^T| / |X|, with the mean token m, mean over samples: 0 where all tokens are
                        the same (Dong, Cordonnier, Loukas 2021) */
};

/* Of a tensor (outer, tokens, features), or with `tokens_first` (tokens, outer, features), of float64;
 * `scratch` has room for one token. */
struct token_similarity token_similarity_of(const struct tensor *tensor, bool tokens_first, double *scratch);

#endif
