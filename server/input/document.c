#include "server/input/document.h"

#include "server/input/owner.h"

#include <inttypes.h>

/* The scan has checked the grammar: a structure that can't be loaded has a key twice, or needs more memory
 * than there is. */
static bool load_failed(const char *text, size_t length, const json_error_t *problem,
                        struct input_position *where, struct stability_error *error)
{
    if (json_error_code(problem) != json_error_duplicate_key) {
        return owner_out_of_memory(error);
    }
    size_t offset = scan_origin(text, length, (size_t)problem->position);
    char pointer[sizeof error->pointer];
    position_pointer(text, length, offset, pointer, sizeof pointer);
    *where = position_at(text, offset);
    return stability_fail(error, STABILITY_ERROR_DUPLICATE_KEY, pointer,
                          "line %" PRId64 ", column %" PRId64 ": this key occurs twice in its object",
                          where->line, where->column);
}

bool document_load(struct document *document, const char *text, size_t length,
                   const struct stability_limits *limits, struct input_position *where,
                   struct stability_error *error)
{
    size_t offset;
    if (!scan_body(text, length, limits, &document->scan, &offset, error)) {
        if (offset != SIZE_MAX) {
            *where = position_at(text, offset);
        }
        return false;
    }
    return document_load_scanned(document, text, length, where, error);
}

bool document_load_scanned(struct document *document, const char *text, size_t length,
                           struct input_position *where, struct stability_error *error)
{
    struct buffer *structure = &document->scan.structure;
    json_error_t problem = {0};
    document->structure.claim = document->scan.claim;
    bool done = structure_load(&document->structure, structure->data, structure->length, &problem, error);
    buffer_free(structure);
    return done || load_failed(text, length, &problem, where, error);
}

void document_free(struct document *document)
{
    scan_free(&document->scan);
    structure_free(&document->structure);
}
