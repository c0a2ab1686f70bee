/* Whether a text is well-formed XML, as far as reports use it: elements that nest, quoted attributes that are
 * unique in their tag, the predefined and numeric entities, no characters that XML forbids. HTML is held to
 * the same. */
#ifndef TESTS_MARKUP_H
#define TESTS_MARKUP_H

#include "server/utf8.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MARKUP_DEPTH 32
#define MARKUP_ATTRIBUTES 16

struct markup_name {
    const char *start;
    size_t length;
};

struct markup {
    const char *document;
    const char *next;
    struct markup_name open[MARKUP_DEPTH];
    size_t depth;
};

#define markup_fail(markup, reason) fail_msg("%s at: %.80s", reason, (markup)->next)

static inline bool markup_is(const struct markup *markup, const char *text)
{
    return strncmp(markup->next, text, strlen(text)) == 0;
}

static inline void markup_expect(struct markup *markup, const char *text)
{
    if (!markup_is(markup, text)) {
        fail_msg("'%s' expected at: %.80s", text, markup->next);
    }
    markup->next += strlen(text);
}

static inline struct markup_name markup_read_name(struct markup *markup)
{
    struct markup_name name = {markup->next, 0};
    while (isalnum((unsigned char)*markup->next) || strchr("-_:", *markup->next) != NULL) {
        if (*markup->next == '\0') {
            markup_fail(markup, "a name that ends with the document");
        }
        markup->next++;
    }
    name.length = (size_t)(markup->next - name.start);
    if (name.length == 0 || isdigit((unsigned char)name.start[0])) {
        markup_fail(markup, "no name");
    }
    return name;
}

static inline bool markup_same(struct markup_name a, struct markup_name b)
{
    return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

static inline void markup_read_entity(struct markup *markup)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        if (markup_is(markup, entities[i])) {
            markup->next += strlen(entities[i]);
            return;
        }
    }
    markup_expect(markup, "&#");
    if (!isdigit((unsigned char)*markup->next)) {
        markup_fail(markup, "no digit");
    }
    markup->next += strspn(markup->next, "0123456789");
    markup_expect(markup, ";");
}

/* One character of text or of an attribute's value. */
static inline void markup_read_character(struct markup *markup)
{
    uint32_t character;
    size_t count = utf8_decode(markup->next, strlen(markup->next), &character);
    if (count == 0 || (character < 0x20 && character != '\n') || (character >= 0x7F && character <= 0x9F) ||
        (character & 0xFFFE) == 0xFFFE) {
        markup_fail(markup, "a character that is not allowed");
    }
    if (markup_is(markup, "]]>")) {
        markup_fail(markup, "]]>");
    }
    markup->next += count;
}

static inline void markup_read_text(struct markup *markup, char end)
{
    while (*markup->next != end && *markup->next != '\0') {
        if (*markup->next == '<') {
            markup_fail(markup, "<");
        } else if (*markup->next == '&') {
            markup_read_entity(markup);
        } else {
            markup_read_character(markup);
        }
    }
}

static inline void markup_read_attributes(struct markup *markup)
{
    struct markup_name names[MARKUP_ATTRIBUTES];
    size_t count = 0;
    while (*markup->next == ' ') {
        markup->next++;
        struct markup_name name = markup_read_name(markup);
        for (size_t i = 0; i < count; i++) {
            assert_false(markup_same(names[i], name));
        }
        assert_true(count < MARKUP_ATTRIBUTES);
        names[count++] = name;
        markup_expect(markup, "=\"");
        markup_read_text(markup, '"');
        markup_expect(markup, "\"");
    }
}

static inline void markup_read_tag(struct markup *markup)
{
    if (markup_is(markup, "</")) {
        markup->next += 2;
        struct markup_name name = markup_read_name(markup);
        if (markup->depth == 0 || !markup_same(markup->open[--markup->depth], name)) {
            markup_fail(markup, "an end tag without its start tag");
        }
        markup_expect(markup, ">");
        return;
    }
    markup_expect(markup, "<");
    struct markup_name name = markup_read_name(markup);
    markup_read_attributes(markup);
    if (markup_is(markup, "/>")) {
        markup->next += 2;
        return;
    }
    markup_expect(markup, ">");
    assert_true(markup->depth < MARKUP_DEPTH);
    markup->open[markup->depth++] = name;
}

/* Fails the test unless `document` is `prologue` and then one element. */
static inline void markup_check(const char *document, const char *prologue)
{
    struct markup markup = {.document = document, .next = document};
    markup_expect(&markup, prologue);
    markup_read_tag(&markup);
    while (markup.depth > 0) {
        markup_read_text(&markup, '<');
        markup_read_tag(&markup);
    }
    markup_expect(&markup, "\n");
    if (*markup.next != '\0') {
        markup_fail(&markup, "more than one element");
    }
}

/* How often `text` stands in `document`. */
static inline size_t markup_count(const char *document, const char *text)
{
    size_t count = 0;
    for (; (document = strstr(document, text)) != NULL; document += strlen(text)) {
        count++;
    }
    return count;
}

#endif
