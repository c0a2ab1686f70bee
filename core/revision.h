/* A changed copy of a request, and the same changes as operations of a JSON Patch (RFC 6902) on the request
 * as it reads on the wire. Layers are named, not counted: where one is inserted or removed, whoever would
 * then read another layer than before gets explicit inputs. */
#ifndef CORE_REVISION_H
#define CORE_REVISION_H

#include "core/arena.h"

#include <stability/report.h>

/* What a layer, or the loss, reads: names of values. */
struct revision_inputs {
    size_t count;
    const char **names;
};

struct revision {
    struct arena *arena;
    struct stability_request request; /* as it is now */
    size_t capacity;                  /* of layers and inputs */
    struct stability_layer *layers;   /* request.model.layers */
    struct revision_inputs *inputs;   /* by layer: what it is to read */
    struct revision_inputs loss_inputs;
    struct stability_named_tensor *weights; /* request.weights.items */
    size_t operation_count;
    size_t operation_capacity;
    struct stability_patch_operation *operations;
    bool failed; /* memory ran out, or an edit was not possible: the revision is of no use */
};

/* Begins as a copy of `request`, which outlives it. The request has been planned: its names are in order. */
void revision_begin(struct revision *revision, const struct stability_request *request, struct arena *arena);
/* A copy of a revision, for further edits. */
void revision_continue(struct revision *revision, const struct revision *from);

/* The name of what a layer reads as its input `index`. */
const char *revision_input(const struct revision *revision, const char *layer, size_t index);
/* A name that nothing has yet: "<base>_<suffix>", numbered where that is taken. */
const char *revision_name(struct revision *revision, const char *base, const char *suffix);

/* Layers. `layer` has name, type and attributes; its inputs follow from the place. */
/* Between a value and all that read it: it reads `value` first, then `also`, if that is not NULL. */
void revision_insert_after(struct revision *revision, const char *value, const char *also,
                           const struct stability_layer *layer);
/* Between one layer and its input `index` alone. */
void revision_insert_before(struct revision *revision, const char *reader, size_t index,
                            const struct stability_layer *layer);
/* Whoever read it reads its only input. */
void revision_remove_layer(struct revision *revision, const char *name);
/* The layer reads that value alone; it must be declared earlier. */
void revision_set_input(struct revision *revision, const char *layer, const char *value);
/* Another type; attributes that the new type does not have by that name, and `except`, are left out. */
void revision_set_type(struct revision *revision, const char *layer, const char *type,
                       const char *const *except);
void revision_set_attribute(struct revision *revision, const char *layer, const char *name,
                            const struct stability_value *value);

/* Parameters. A weight that the request gives is taken out; then the layer's `init` says how it is drawn, or,
 * where `recipe` is NULL, nothing does, and it is drawn as PyTorch's module draws it. */
void revision_draw(struct revision *revision, const char *layer, const char *parameter,
                   const struct stability_recipe *recipe);

/* Loss and options. */
void revision_set_loss(struct revision *revision, const char *type);
void revision_set_learning_rate(struct revision *revision, double rate);
/* A setting of an analysis that the request asks for. */
void revision_set_analysis(struct revision *revision, const char *analysis, const char *setting,
                           const struct stability_value *value);
void revision_set_float64(struct revision *revision);

/* Values of attributes. */
struct stability_value revision_integer(int64_t integer);
struct stability_value revision_real(double real);
struct stability_value revision_boolean(bool boolean);
struct stability_value revision_string(const char *string);

#endif
