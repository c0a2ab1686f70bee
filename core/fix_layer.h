/* Layers to insert, for the kinds of fix that do. */
#ifndef CORE_FIX_LAYER_H
#define CORE_FIX_LAYER_H

#include "core/fix.h"

/* Layers with their attributes, in the revision's memory; a name follows from `base`. */
struct stability_layer fix_layer(struct revision *revision, const char *base, const char *suffix,
                                 const char *type, size_t attribute_count,
                                 const struct stability_member *attributes);
/* A list of one integer: {"normalized_shape": [64]}. */
struct stability_value fix_list(struct revision *revision, int64_t item);

/* How many groups GroupNorm makes of that many channels: 8, or the next fewer that divide them. */
int64_t fix_groups(int64_t channels);

enum fix_norm { FIX_BATCH_NORM, FIX_LAYER_NORM, FIX_RMS_NORM };

/* Inserts a normalisation behind a value of that shape, of which dimension 1 are channels where `channels`
 * says so, else the last one features. Of images and sequences of channels LayerNorm and RMSNorm become
 * GroupNorm. False, and nothing is changed, where there is none for that shape. */
bool fix_normalize(struct revision *revision, const char *value, const struct stability_shape *shape,
                   bool channels, enum fix_norm norm);

#endif
