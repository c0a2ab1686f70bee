#include "server/input/reader.h"

#include "server/decimal.h"
#include "server/input/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* No object has more kinds of members. */
#define MOST_FIELDS 16

size_t reader_enter(struct reader *reader, const char *name)
{
    size_t mark = strlen(reader->pointer);
    stability_pointer_append(reader->pointer, sizeof reader->pointer, name);
    return mark;
}

size_t reader_enter_item(struct reader *reader, size_t index)
{
    char name[DECIMAL_UNSIGNED];
    decimal_unsigned(index, name);
    return reader_enter(reader, name);
}

void reader_leave(struct reader *reader, size_t mark)
{
    reader->pointer[mark] = '\0';
}

bool reader_fail(struct reader *reader, enum stability_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    stability_fail_v(reader->error, code, reader->pointer, format, arguments);
    va_end(arguments);
    return false;
}

bool reader_expected(struct reader *reader, const char *expected, const struct node *found)
{
    char description[NODE_DESCRIPTION];
    return reader_fail(reader, STABILITY_ERROR_INVALID_VALUE, "expected %s, found %s", expected,
                       node_describe(found, description));
}

bool reader_unknown(struct reader *reader, const char *what, const char *name, const char *const *known)
{
    char hint[STABILITY_HINT];
    return reader_fail(reader, STABILITY_ERROR_UNKNOWN_MEMBER, "unknown %s '%s'%s", what, name,
                       stability_hint(name, known, hint));
}

void *reader_allocate(struct reader *reader, size_t count, size_t size)
{
    return owner_allocate(reader->owner, count, size, reader->error);
}

static bool unknown_member(struct reader *reader, const char *name, const char *what,
                           const struct field *fields)
{
    const char *known[MOST_FIELDS + 1] = {NULL};
    char description[64];
    for (size_t i = 0; i < MOST_FIELDS && fields[i].name != NULL; i++) {
        known[i] = fields[i].name;
    }
    snprintf(description, sizeof description, "member of %s", what);
    return reader_unknown(reader, description, name, known);
}

static bool read_member(struct reader *reader, const char *name, const json_t *json, const char *what,
                        const struct field *fields, void *target)
{
    size_t mark = reader_enter(reader, name);
    const struct field *field = fields;
    while (field->name != NULL && strcmp(field->name, name) != 0) {
        field++;
    }
    struct node node = reader_node(reader, json);
    bool done = field->read != NULL ? field->read(reader, name, &node, (char *)target + field->offset)
                                    : unknown_member(reader, name, what, fields);
    reader_leave(reader, mark);
    return done;
}

bool reader_members(struct reader *reader, const struct node *node, const char *what,
                    const struct field *fields, void *target)
{
    if (node->kind != NODE_OBJECT) {
        return reader_expected(reader, "an object", node);
    }
    for (void *member = json_object_iter((json_t *)node->json); member != NULL;
         member = json_object_iter_next((json_t *)node->json, member)) {
        if (!read_member(reader, json_object_iter_key(member), json_object_iter_value(member), what, fields,
                         target)) {
            return false;
        }
    }
    for (const struct field *field = fields; field->name != NULL; field++) {
        if (field->required && json_object_get(node->json, field->name) == NULL) {
            return reader_fail(reader, STABILITY_ERROR_MISSING_MEMBER, "%s needs the member '%s'", what,
                               field->name);
        }
    }
    return true;
}

bool reader_text(struct reader *reader, const struct node *node, const char **text)
{
    if (node->kind != NODE_TEXT) {
        return reader_expected(reader, "a string", node);
    }
    *text =
        node->json != NULL ? node->text : owner_text(reader->owner, node->text, node->length, reader->error);
    return *text != NULL;
}

bool reader_count(struct reader *reader, const struct node *node, int64_t least, int64_t greatest,
                  int64_t *count)
{
    static const double exact = 9007199254740992; /* 2^53 */
    bool whole = node->kind == NODE_REAL && fabs(node->real) <= exact && node->real == floor(node->real);
    *count = whole ? (int64_t)node->real : node->integer;
    if ((whole || node->kind == NODE_INTEGER) && *count >= least && *count <= greatest) {
        return true;
    }
    char expected[80];
    snprintf(expected, sizeof expected, "an integer from %" PRId64 " to %" PRId64, least, greatest);
    return reader_expected(reader, expected, node);
}

bool reader_number(struct reader *reader, const struct node *node, double *number)
{
    if (node->kind == NODE_INTEGER || node->kind == NODE_REAL) {
        *number = node->kind == NODE_INTEGER ? (double)node->integer : node->real;
        return true;
    }
    return node_word(node, number) || reader_expected(reader, "a number", node);
}

/* Names such as "NaN" were taken for numbers. */
static bool read_words(struct reader *reader, const struct node *node, const char **names)
{
    const double *numbers = reader_numbers(reader, node);
    if (!node->slab->words || node->slab->shape.rank != 1) {
        return reader_expected(reader, "a list of names", node);
    }
    for (size_t i = 0; i < node->slab->count; i++) {
        names[i] = word_text(numbers[i]);
    }
    return true;
}

bool reader_names(struct reader *reader, const struct node *node, struct name_list *names)
{
    if (node->kind != NODE_LIST && node->kind != NODE_NUMBERS) {
        return reader_expected(reader, "a list of names", node);
    }
    size_t count = node->kind == NODE_LIST ? json_array_size(node->json) : node->slab->count;
    const char **texts = reader_allocate(reader, count, sizeof *texts);
    if (texts == NULL) {
        return false;
    }
    *names = (struct name_list){count, texts};
    if (node->kind == NODE_NUMBERS) {
        return read_words(reader, node, texts);
    }
    for (size_t i = 0; i < count; i++) {
        size_t mark = reader_enter_item(reader, i);
        struct node item = reader_node(reader, json_array_get(node->json, i));
        if (!reader_text(reader, &item, &texts[i])) {
            return false;
        }
        reader_leave(reader, mark);
    }
    return true;
}

bool member_text(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return reader_text(reader, node, target);
}

bool member_names(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return reader_names(reader, node, target);
}

bool reader_choice(struct reader *reader, const struct node *node, const char *const *known, int *choice)
{
    char expected[128] = "";
    for (int i = 0; known[i] != NULL; i++) {
        if (node->kind == NODE_TEXT && strlen(known[i]) == node->length &&
            memcmp(known[i], node->text, node->length) == 0) {
            *choice = i;
            return true;
        }
    }
    for (int i = 0; known[i] != NULL; i++) {
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s'%s'", i > 0 ? " or " : "", known[i]);
    }
    return reader_expected(reader, expected, node);
}
