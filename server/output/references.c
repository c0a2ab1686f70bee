#include "server/output/references.h"

#include <stdlib.h>
#include <string.h>

static int compare_references(const void *left, const void *right)
{
    const struct reference *a = left;
    const struct reference *b = right;
    int order = strcmp(a->layer, b->layer);
    return order != 0 ? order : (a->finding > b->finding) - (a->finding < b->finding);
}

void references_collect(struct references *references, const struct stability_report *report)
{
    struct buffer *storage = &references->storage;
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct stability_finding *finding = &report->findings[i];
        for (size_t j = 0; j < finding->layer_count; j++) {
            struct reference reference = {finding->layers[j], i};
            buffer_append(storage, &reference, sizeof reference);
        }
    }
    if (storage->failed || storage->length == 0) {
        return;
    }
    references->count = storage->length / sizeof(struct reference);
    qsort(storage->data, references->count, sizeof(struct reference), compare_references);
    references->items = (const struct reference *)(const void *)storage->data;
}

const struct reference *references_of(const struct references *references, const char *layer, size_t *count)
{
    size_t first = 0;
    size_t last = references->count;
    while (first < last) {
        size_t middle = first + (last - first) / 2;
        if (strcmp(references->items[middle].layer, layer) < 0) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    while (last < references->count && strcmp(references->items[last].layer, layer) == 0) {
        last++;
    }
    *count = last - first;
    return *count == 0 ? NULL : &references->items[first];
}

void reference_label(struct buffer *buffer, const struct stability_finding *findings, size_t index)
{
    static const char letters[] = {
        [STABILITY_INFO] = 'I', [STABILITY_WARNING] = 'W', [STABILITY_ERROR_SEVERITY] = 'E'};
    buffer_format(buffer, "%c%zu", letters[findings[index].severity], index + 1);
}
