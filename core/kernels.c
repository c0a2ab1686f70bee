#include "core/kernels.h"

#include <stdatomic.h>
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

static const struct kernels *choose(int bits)
{
    const struct kernels *best = NULL;
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
        if (variants[i].bits == bits && variants[i].runs())
            best = variants[i].kernels;
    return best;
}

const struct kernels *kernels_for(enum stability_precision precision)
{
    static const struct kernels *_Atomic chosen[2]; /* threads that come first all choose the same */
    bool wide = precision == STABILITY_PRECISION_FLOAT64;
    const struct kernels *kernels = atomic_load_explicit(&chosen[wide], memory_order_relaxed);
    if (!kernels) {
        kernels = choose(wide ? 64 : 32);
        atomic_store_explicit(&chosen[wide], kernels, memory_order_relaxed);
    }
    return kernels;
}

/* The names stand together, so that looking for one reads little memory. */
static const char *const layer_names[] = {
#define LAYER(type) #type,
#include "core/layers.def"
#undef LAYER
};

static const char *const loss_names[] = {
#define LOSS(type) #type,
#include "core/losses.def"
#undef LOSS
};
const size_t kernels_layer_count = sizeof(layer_names) / sizeof(layer_names[0]);
const size_t kernels_loss_count = sizeof(loss_names) / sizeof(loss_names[0]);

static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (names[i][0] == name[0] && strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

int kernels_find_layer(const char *type)
{
    return find_name(layer_names, kernels_layer_count, type);
}

int kernels_find_loss(const char *type)
{
    return find_name(loss_names, kernels_loss_count, type);
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
