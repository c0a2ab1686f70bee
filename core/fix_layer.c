#include "core/fix_layer.h"

#include <string.h>

struct stability_layer fix_layer(struct revision *revision, const char *base, const char *suffix,
                                 const char *type, size_t attribute_count,
                                 const struct stability_member *attributes)
{
    struct stability_member *kept = arena_array(revision->arena, attribute_count, sizeof(*kept));
    revision->failed |= !kept;
    if (kept && attribute_count)
        memcpy(kept, attributes, attribute_count * sizeof(*kept));
    return (struct stability_layer){
        .name = revision_name(revision, base, suffix), .type = type, .attributes = {attribute_count, kept}};
}

struct stability_value fix_list(struct revision *revision, int64_t item)
{
    double *kept = arena_array(revision->arena, 1, sizeof(*kept));
    revision->failed |= !kept;
    if (kept)
        *kept = (double)item;
    return (struct stability_value){.kind = STABILITY_LIST, .list = {1, kept, true}};
}

int64_t fix_groups(int64_t channels)
{
    int64_t groups = channels < 8 ? channels : 8;
    while (groups > 1 && channels % groups != 0)
        groups--;
    return groups;
}

bool fix_normalize(struct revision *revision, const char *value, const struct stability_shape *shape,
                   bool channels, enum fix_norm norm)
{
    static const char *const batch_norms[] = {NULL, NULL, "BatchNorm1d", "BatchNorm1d", "BatchNorm2d"};
    if (shape->rank < 2 || shape->sizes[channels ? 1 : shape->rank - 1] < 2)
        return false;
    channels = channels && shape->rank > 2;
    int64_t features = shape->sizes[channels ? 1 : shape->rank - 1];
    struct stability_layer layer;
    if (norm == FIX_BATCH_NORM) {
        if (shape->rank > 4 || (shape->rank > 2 && !channels))
            return false;
        struct stability_member attribute = {"num_features", revision_integer(features)};
        layer = fix_layer(revision, value, "norm", batch_norms[shape->rank], 1, &attribute);
    } else if (channels) {
        struct stability_member attributes[] = {
            {"num_groups", revision_integer(norm == FIX_LAYER_NORM ? 1 : fix_groups(features))},
            {"num_channels", revision_integer(features)}};
        layer = fix_layer(revision, value, "norm", "GroupNorm", 2, attributes);
    } else {
        struct stability_member attribute = {"normalized_shape", fix_list(revision, features)};
        layer = fix_layer(revision, value, "norm", norm == FIX_LAYER_NORM ? "LayerNorm" : "RMSNorm", 1,
                          &attribute);
    }
    revision_insert_after(revision, value, NULL, &layer);
    return true;
}
