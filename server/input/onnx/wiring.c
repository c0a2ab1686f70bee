#include "server/input/onnx/wiring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *wiring_name(const struct onnx_node *node)
{
    const char *name = node->name;
    for (size_t k = 0; k < node->output_count && name[0] == '\0'; k++) {
        name = node->outputs[k];
    }
    return name;
}

void wiring_pointer(const struct onnx_import *import, const struct onnx_node *node, char *pointer,
                    size_t size)
{
    snprintf(pointer, size, "/model/graph/node/%td", node - import->file->nodes);
}

static int compare_values(const void *a, const void *b)
{
    return strcmp(((const struct onnx_value *)a)->name, ((const struct onnx_value *)b)->name);
}

struct onnx_value *wiring_find(const struct onnx_import *import, const char *name)
{
    const struct onnx_value key = {.name = name};
    return import->value_count == 0
               ? NULL
               : bsearch(&key, import->values, import->value_count, sizeof key, compare_values);
}

static bool fail_name(struct onnx_import *import, const char *format, const char *name)
{
    return stability_fail(import->error, STABILITY_ERROR_DUPLICATE_NAME, "/model/graph", format, name);
}

/* ---- definitions ---- */

static bool list_values(struct onnx_import *import)
{
    const struct onnx_file *file = import->file;
    size_t count = file->initializer_count + file->input_count;
    for (size_t i = 0; i < file->node_count; i++) {
        count += file->nodes[i].output_count;
    }
    struct onnx_value *value = import->values = onnx_allocate(&import->memory, count, sizeof *value);
    if (value == NULL) {
        return false;
    }
    for (size_t i = 0; i < file->initializer_count; i++) {
        *value++ = (struct onnx_value){.name = file->initializers[i].name,
                                       .known = true,
                                       .learned = true,
                                       .done = true,
                                       .tensor = file->initializers[i].tensor,
                                       .reader = SIZE_MAX,
                                       .node = -1};
    }
    for (size_t i = 0; i < file->input_count; i++) {
        *value++ = (struct onnx_value){
            .name = file->inputs[i].name, .node = -1, .is_input = true, .reader = SIZE_MAX};
    }
    for (size_t i = 0; i < file->node_count; i++) {
        for (size_t k = 0; k < file->nodes[i].output_count; k++) {
            *value++ =
                (struct onnx_value){.name = file->nodes[i].outputs[k], .node = (int)i, .reader = SIZE_MAX};
        }
    }
    import->value_count = count;
    return true;
}

/* Sorts the values by name. Files of old versions have their initializers among the inputs; outputs that
 * are left out have no name. */
static bool check_values(struct onnx_import *import)
{
    size_t kept = 0;
    struct onnx_value *values = import->values;
    qsort(values, import->value_count, sizeof *values, compare_values);
    for (size_t i = 0; i < import->value_count; i++) {
        struct onnx_value *last = kept > 0 ? &values[kept - 1] : NULL;
        if (values[i].name[0] == '\0' && values[i].node >= 0) {
            continue;
        }
        if (last == NULL || strcmp(last->name, values[i].name) != 0) {
            values[kept++] = values[i];
            continue;
        }
        bool pair = last->node < 0 && values[i].node < 0 && last->is_input != values[i].is_input;
        if (!pair) {
            return fail_name(import, "the value '%.200s' is defined twice", values[i].name);
        }
        *last = last->is_input ? values[i] : *last;
    }
    import->value_count = kept;
    return true;
}

/* ---- connections ---- */

static bool connect_input(struct onnx_import *import, size_t node, size_t k, size_t *slot)
{
    const char *name = import->file->nodes[node].inputs[k];
    if (name[0] == '\0') {
        *slot = SIZE_MAX;
        return true;
    }
    struct onnx_value *value = wiring_find(import, name);
    if (value == NULL) {
        char pointer[64];
        wiring_pointer(import, &import->file->nodes[node], pointer, sizeof pointer);
        return stability_fail(import->error, STABILITY_ERROR_UNKNOWN_INPUT, pointer,
                              "the node '%.128s' (%.64s) reads '%.128s', which nothing in the graph defines",
                              wiring_name(&import->file->nodes[node]), import->file->nodes[node].type, name);
    }
    *slot = (size_t)(value - import->values);
    return true;
}

static bool connect(struct onnx_import *import)
{
    const struct onnx_file *file = import->file;
    size_t total = 0;
    import->node_starts = onnx_allocate(&import->memory, file->node_count + 1, sizeof *import->node_starts);
    if (import->node_starts == NULL) {
        return false;
    }
    for (size_t i = 0; i < file->node_count; i++) {
        import->node_starts[i] = total;
        total += file->nodes[i].input_count + file->nodes[i].output_count;
    }
    import->node_starts[file->node_count] = total;
    size_t *slot = import->node_values = onnx_allocate(&import->memory, total, sizeof *slot);
    if (slot == NULL) {
        return false;
    }
    for (size_t i = 0; i < file->node_count; i++) {
        for (size_t k = 0; k < file->nodes[i].input_count; k++) {
            if (!connect_input(import, i, k, slot++)) {
                return false;
            }
        }
        for (size_t k = 0; k < file->nodes[i].output_count; k++) {
            const char *name = file->nodes[i].outputs[k];
            *slot++ = name[0] == '\0' ? SIZE_MAX : (size_t)(wiring_find(import, name) - import->values);
        }
    }
    return true;
}

/* ---- order ---- */

enum mark { UNSEEN, OPEN, CLOSED };

struct walk {
    struct onnx_import *import;
    unsigned char *marks;
    size_t *stack;
    size_t *next; /* input that each open node looks at next */
    size_t depth;
};

static bool fail_cycle(const struct walk *walk, size_t reader, size_t read)
{
    const struct onnx_import *import = walk->import;
    const struct onnx_node *nodes = import->file->nodes;
    char pointer[64];
    wiring_pointer(import, &nodes[reader], pointer, sizeof pointer);
    return stability_fail(import->error, STABILITY_ERROR_CYCLE, pointer,
                          "the node '%.128s' (%.64s) depends on itself, through '%.128s': the graph must be "
                          "acyclic",
                          wiring_name(&nodes[reader]), nodes[reader].type, wiring_name(&nodes[read]));
}

static void open_node(struct walk *walk, size_t node)
{
    walk->marks[node] = OPEN;
    walk->next[walk->depth] = 0;
    walk->stack[walk->depth++] = node;
}

/* Takes one step from the node on top of the stack: to a node that it reads, or back. */
static bool step(struct walk *walk)
{
    struct onnx_import *import = walk->import;
    size_t node = walk->stack[walk->depth - 1];
    size_t k = walk->next[walk->depth - 1]++;
    if (k == import->file->nodes[node].input_count) {
        walk->marks[node] = CLOSED;
        walk->depth--;
        import->order[import->order_count++] = node;
        return true;
    }
    size_t slot = import->node_values[import->node_starts[node] + k];
    int source = slot == SIZE_MAX ? -1 : import->values[slot].node;
    if (source < 0 || walk->marks[source] == CLOSED) {
        return true;
    }
    if (walk->marks[source] == OPEN) {
        return fail_cycle(walk, node, (size_t)source);
    }
    open_node(walk, (size_t)source);
    return true;
}

static bool visit_all(struct walk *walk)
{
    for (size_t i = 0; i < walk->import->file->node_count; i++) {
        if (walk->marks[i] == UNSEEN) {
            open_node(walk, i);
        }
        while (walk->depth > 0) {
            if (!step(walk)) {
                return false;
            }
        }
    }
    return true;
}

static bool sort_nodes(struct onnx_import *import)
{
    size_t count = import->file->node_count;
    struct walk walk = {.import = import};
    import->order = onnx_allocate(&import->memory, count, sizeof *import->order);
    walk.marks = onnx_allocate(&import->memory, count, sizeof *walk.marks);
    walk.stack = onnx_allocate(&import->memory, count, sizeof *walk.stack);
    walk.next = onnx_allocate(&import->memory, count, sizeof *walk.next);
    return import->order != NULL && walk.marks != NULL && walk.stack != NULL && walk.next != NULL &&
           visit_all(&walk);
}

/* ---- what the outputs need ---- */

static bool read_outputs(struct onnx_import *import)
{
    const struct onnx_file *file = import->file;
    if (file->output_count == 0) {
        return stability_fail(import->error, STABILITY_ERROR_ONNX, "/model/graph", "the graph has no output");
    }
    for (size_t i = 0; i < file->output_count; i++) {
        struct onnx_value *value = wiring_find(import, file->outputs[i].name);
        if (value == NULL) {
            return stability_fail(import->error, STABILITY_ERROR_UNKNOWN_INPUT, "/model/graph/output",
                                  "nothing in the graph defines its output '%.128s'", file->outputs[i].name);
        }
        value->readers++;
    }
    return true;
}

/* From back to front: a node is needed where something reads one of its outputs. */
static void keep_needed(struct onnx_import *import)
{
    size_t kept = import->order_count;
    for (size_t i = import->order_count; i-- > 0;) {
        size_t node = import->order[i];
        size_t inputs = import->file->nodes[node].input_count;
        const size_t *slots = import->node_values + import->node_starts[node];
        bool needed = false;
        for (size_t k = 0; k < import->file->nodes[node].output_count; k++) {
            needed |= slots[inputs + k] != SIZE_MAX && import->values[slots[inputs + k]].readers > 0;
        }
        if (!needed) {
            continue;
        }
        import->order[--kept] = node;
        for (size_t k = 0; k < inputs; k++) {
            if (slots[k] != SIZE_MAX) {
                import->values[slots[k]].readers++;
                import->values[slots[k]].reader = node;
            }
        }
    }
    import->order_count -= kept;
    import->order += kept;
}

bool wiring_read(struct onnx_import *import)
{
    if (!list_values(import) || !check_values(import) || !connect(import) || !read_outputs(import) ||
        !sort_nodes(import)) {
        return false;
    }
    keep_needed(import);
    return true;
}
