#include "server/input/position.h"

#include "server/input/structure.h"

#include <stability/error.h>

#include <stdio.h>
#include <string.h>

/* An object or array that is open, and its member that is being read. */
struct level {
    bool object;
    const char *key; /* with its quotes; NULL: not read yet */
    size_t key_length;
    int64_t index;
};

struct walk {
    const char *text;
    const char *end;
    int depth;
    struct level levels[POSITION_MAX_DEPTH];
};

struct input_position position_at(const char *body, size_t offset)
{
    struct input_position position = {.known = true, .line = 1, .column = 1, .offset = (int64_t)offset};
    for (const char *text = body; text < body + offset; text++) {
        if (*text == '\n') {
            position.line++;
            position.column = 1;
        } else if (((unsigned char)*text & 0xc0) != 0x80) {
            position.column++;
        }
    }
    return position;
}

static const char *skip_string(const char *text, const char *end)
{
    for (text++; text < end && *text != '"'; text++) {
        if (*text == '\\') {
            text++;
        }
    }
    return text < end ? text + 1 : end;
}

static bool at_key(const struct walk *walk)
{
    if (*walk->text != '"' || walk->depth == 0) {
        return false;
    }
    const struct level *level = &walk->levels[walk->depth - 1];
    return level->object && level->key == NULL;
}

/* Moves over one token, or one byte of a number, a literal or whitespace. */
static void step(struct walk *walk)
{
    struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
    char first = *walk->text;
    if (first == '"') {
        const char *after = skip_string(walk->text, walk->end);
        if (at_key(walk)) {
            level->key = walk->text;
            level->key_length = (size_t)(after - walk->text);
        }
        walk->text = after;
        return;
    }
    walk->text++;
    if ((first == '{' || first == '[') && walk->depth < POSITION_MAX_DEPTH) {
        walk->levels[walk->depth++] = (struct level){.object = first == '{'};
    } else if ((first == '}' || first == ']') && level != NULL) {
        walk->depth--;
    } else if (first == ',' && level != NULL) {
        level->key = NULL;
        level->index++;
    }
}

static void append_level(const struct level *level, char *pointer, size_t size)
{
    if (!level->object) {
        char index[24];
        snprintf(index, sizeof index, "%lld", (long long)level->index);
        stability_pointer_append(pointer, size, index);
    } else if (level->key != NULL) {
        struct structure key = {0};
        struct stability_error unused = {0};
        structure_load(&key, level->key, level->key_length, NULL, &unused);
        if (json_is_string(key.root)) {
            stability_pointer_append(pointer, size, json_string_value(key.root));
        }
        structure_free(&key);
    }
}

void position_pointer(const char *body, size_t length, size_t offset, char *pointer, size_t size)
{
    struct walk walk = {.text = body, .end = body + length};
    while (walk.text < body + offset) {
        step(&walk);
    }
    if (walk.text < walk.end && at_key(&walk)) {
        step(&walk);
    }
    pointer[0] = '\0';
    for (int i = 0; i < walk.depth; i++) {
        append_level(&walk.levels[i], pointer, size);
    }
}
