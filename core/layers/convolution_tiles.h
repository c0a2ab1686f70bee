/* Convolution without a column matrix, for groups with enough channels and filters to fill vectors: the
 * tensor that is read is copied with its channels last and its padding around it, so that what one tap of the
 * kernel sees at one position is a row, and tiles of the result add up in registers over all taps
 * (real/tile.h). */
#ifndef LAYERS_CONVOLUTION_TILES_H
#define LAYERS_CONVOLUTION_TILES_H

#include "core/layers/convolution.h"

#define tiles_can_apply VARIANT(tiles_can_apply)
#define tiles_can_apply_back VARIANT(tiles_can_apply_back)
#define tiles_workspace VARIANT(tiles_workspace)
#define tiles_apply VARIANT(tiles_apply)
#define tiles_apply_back VARIANT(tiles_apply_back)
#define tiles_weight VARIANT(tiles_weight)

/* Whether each of the three operations can be done in this way. */
bool tiles_can_apply(const struct convolution *c);
bool tiles_can_apply_back(const struct convolution *c);

/* Reals of workspace for the operations that can. */
int64_t tiles_workspace(const struct convolution *c);

/* As convolution_apply, convolution_apply_back and (where the first can be done) convolution_weight. */
void tiles_apply(const struct convolution *c, const real *weight, const real *bias, const real *big,
                 real *small, real *workspace);
void tiles_apply_back(const struct convolution *c, const real *weight, const real *bias, const real *small,
                      real *big, real *workspace);
void tiles_weight(const struct convolution *c, const real *big, const real *small, real *weight_gradient,
                  real *workspace);

#endif
