#include "server/input/reader.h"

#include "server/input/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct node slab_node(const struct reader *reader, const struct slab *slab)
{
    if (slab->kind == SLAB_TEXT) {
        return (struct node){.kind = NODE_TEXT, .text = reader->body + slab->start, .length = slab->count};
    }
    if (slab->shape.rank == 0) {
        return (struct node){.kind = NODE_REAL, .real = reader->scan->numbers[slab->start]};
    }
    return (struct node){.kind = NODE_NUMBERS, .slab = slab};
}

struct node reader_node(const struct reader *reader, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return (struct node){.kind = NODE_BOOLEAN, .boolean = json_is_true(json)};
    case JSON_INTEGER:
        return (struct node){.kind = NODE_INTEGER, .integer = json_integer_value(json)};
    case JSON_STRING:
        return (struct node){.kind = NODE_TEXT,
                             .text = json_string_value(json),
                             .length = json_string_length(json),
                             .json = json};
    case JSON_OBJECT:
        return (struct node){.kind = NODE_OBJECT, .json = json};
    case JSON_ARRAY: {
        const json_t *item = json_array_get(json, 0);
        if (json_array_size(json) == 1 && json_is_integer(item)) {
            return slab_node(reader, &reader->scan->slabs[json_integer_value(item)]);
        }
        return (struct node){.kind = NODE_LIST, .json = json};
    }
    default: /* a real number is always in a slab */
        return (struct node){.kind = NODE_NULL};
    }
}

const double *reader_numbers(const struct reader *reader, const struct node *node)
{
    return reader->scan->numbers + node->slab->start;
}

/* At most `most` bytes of a text, and no part of a character. */
static int excerpt_length(const char *text, size_t length, size_t most)
{
    size_t kept = length < most ? length : most;
    while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80) {
        kept--;
    }
    return (int)kept;
}

const char *node_describe(const struct node *node, char buffer[NODE_DESCRIPTION])
{
    static const char *const names[] = {[NODE_NULL] = "null",
                                        [NODE_BOOLEAN] = "false",
                                        [NODE_NUMBERS] = "numbers",
                                        [NODE_OBJECT] = "an object"};
    switch (node->kind) {
    case NODE_INTEGER:
        snprintf(buffer, NODE_DESCRIPTION, "the number %" PRId64, node->integer);
        return buffer;
    case NODE_REAL:
        snprintf(buffer, NODE_DESCRIPTION, "the number %.17g", node->real);
        return buffer;
    case NODE_TEXT: {
        int length = excerpt_length(node->text, node->length, 48);
        snprintf(buffer, NODE_DESCRIPTION, "the string '%.*s%s'", length, node->text,
                 (size_t)length < node->length ? "…" : "");
        return buffer;
    }
    case NODE_NUMBERS:
        snprintf(buffer, NODE_DESCRIPTION, "a list of %s%zu number%s",
                 node->slab->shape.rank > 1 ? "lists, " : "", node->slab->count,
                 node->slab->count == 1 ? "" : "s");
        return buffer;
    case NODE_LIST:
        snprintf(buffer, NODE_DESCRIPTION, "a list of %zu item%s", json_array_size(node->json),
                 json_array_size(node->json) == 1 ? "" : "s");
        return buffer;
    default:
        return node->boolean ? "true" : names[node->kind];
    }
}

bool node_word(const struct node *node, double *number)
{
    return node->kind == NODE_TEXT && word_number(node->text, node->length, number);
}
