#include "core/kernels.h"

#include <string.h>

#define KERNEL_VARIANT_ROW(bits, instruction_set, variant) extern const struct kernels kernels_##variant;
#include "kernel_variants.def"
#undef KERNEL_VARIANT_ROW

static bool runs_baseline(void)
{
    return true;
}

#if defined(__x86_64__)
__attribute__((unused)) static bool runs_x86_64_v3(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

__attribute__((unused)) static bool runs_x86_64_v4(void)
{
    return runs_x86_64_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

/* The better instruction set comes later. */
static const struct {
    int bits;
    bool (*runs)(void);
    const struct kernels *kernels;
} variants[] = {
#define KERNEL_VARIANT_ROW(bits, instruction_set, variant) {bits, runs_##instruction_set, &kernels_##variant},
#include "kernel_variants.def"
#undef KERNEL_VARIANT_ROW
};

const struct kernels *kernels_for(enum stability_precision precision)
{
    int bits = precision == STABILITY_PRECISION_FLOAT64 ? 64 : 32;
    const struct kernels *best = NULL;
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
        if (variants[i].bits == bits && variants[i].runs())
            best = variants[i].kernels;
    return best;
}

enum {
    LAYER_COUNT = 0
#define LAYER(type) +1
#include "core/layers.def"
#undef LAYER
    ,
    LOSS_COUNT = 0
#define LOSS(type) +1
#include "core/losses.def"
#undef LOSS
};
const size_t kernels_layer_count = LAYER_COUNT;
const size_t kernels_loss_count = LOSS_COUNT;

int kernels_find_layer(const char *type)
{
    for (size_t i = 0; i < kernels_layer_count; i++)
        if (strcmp(stability_layer_type_at(i)->type, type) == 0)
            return (int)i;
    return -1;
}

int kernels_find_loss(const char *type)
{
    for (size_t i = 0; i < kernels_loss_count; i++)
        if (strcmp(stability_loss_type_at(i)->type, type) == 0)
            return (int)i;
    return -1;
}

size_t stability_layer_type_count(void)
{
    return kernels_layer_count;
}

const struct stability_layer_type *stability_layer_type_at(size_t index)
{
    return &kernels_for(STABILITY_PRECISION_FLOAT64)->layers[index]->type;
}

size_t stability_loss_type_count(void)
{
    return kernels_loss_count;
}

const struct stability_loss_type *stability_loss_type_at(size_t index)
{
    return &kernels_for(STABILITY_PRECISION_FLOAT64)->losses[index]->type;
}
