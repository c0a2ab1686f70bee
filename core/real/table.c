/* One variant's kernels, gathered. */
#include "core/kernels.h"
#include "core/real/interval.h"
#include "core/real/passes.h"
#include "core/real/real.h"

#define LAYER(type) extern const struct layer_ops VARIANT(layer_##type);
#include "core/layers.def"
#undef LAYER
#define LOSS(type) extern const struct loss_ops VARIANT(loss_##type);
#include "core/losses.def"
#undef LOSS
#define OPTIMIZER(type) extern const struct optimizer_ops VARIANT(optimizer_##type);
#include "core/optimizers.def"
#undef OPTIMIZER

static const struct layer_ops *const layers[] = {
#define LAYER(type) &VARIANT(layer_##type),
#include "core/layers.def"
#undef LAYER
};

static const struct loss_ops *const losses[] = {
#define LOSS(type) &VARIANT(loss_##type),
#include "core/losses.def"
#undef LOSS
};

static const struct optimizer_ops *const optimizers[] = {
#define OPTIMIZER(type) &VARIANT(optimizer_##type),
#include "core/optimizers.def"
#undef OPTIMIZER
};

extern const struct kernels VARIANT(kernels);
const struct kernels VARIANT(kernels) = {
    .real_size = sizeof(real),
    .dtype = sizeof(real) == 4 ? STABILITY_FLOAT32 : STABILITY_FLOAT64,
    .layers = layers,
    .losses = losses,
    .optimizers = optimizers,
    .statistics = VARIANT(statistics),
    .add = VARIANT(add),
    .activation_derivatives = VARIANT(activation_derivatives),
    .first_non_finite = VARIANT(first_non_finite),
    .square_sum = VARIANT(square_sum),
    .square_distance = VARIANT(square_distance),
    .multiply = VARIANT(multiply),
    .clamp = VARIANT(clamp),
    .count_beyond = VARIANT(count_beyond),
    .add_spread = VARIANT(add_spread),
    .add_squares = VARIANT(add_squares),
    .add_gram = VARIANT(add_gram),
    .load_interval = interval_load,
    .fill_interval = interval_fill,
    .add_interval = interval_add,
    .settle_interval = interval_settle,
};
