/* Convolution without a column matrix, for groups with enough channels and filters to fill vectors: the
 * tensor that is read is copied with its channels last and its padding around it, so that what one tap of the
 * kernel sees at one position is a row, and tiles of the result add up in registers over all taps
 * (real/tile.h). */
#ifndef LAYERS_CONVOLUTION_TILES_H
#define LAYERS_CONVOLUTION_TILES_H

#include "core/layers/convolution.h"

/* Whether each of the three operations can be done in this way. */
bool VARIANT(tiles_can_apply)(const struct convolution *c);
bool VARIANT(tiles_can_apply_back)(const struct convolution *c);

/* Reals of workspace for the operations that can. */
int64_t VARIANT(tiles_workspace)(const struct convolution *c);

/* As convolution_apply, convolution_apply_back and (where the first can be done) convolution_weight. */
void VARIANT(tiles_apply)(const struct convolution *c, const real *weight, const real *bias, const real *big,
                          real *small, real *workspace);
void VARIANT(tiles_apply_back)(const struct convolution *c, const real *weight, const real *bias,
                               const real *small, real *big, real *workspace);
void VARIANT(tiles_weight)(const struct convolution *c, const real *big, const real *small,
                           real *weight_gradient, real *workspace);

#endif
