#include "server/output/escape.h"

#include "server/output/terminal.h"

#include <string.h>

struct replacement {
    const char *found; /* NULL ends the list */
    const char *text;
};

/* Of Markdown's characters those that backslashes protect do so in a table's cell too; a pipe, a backslash
 * and a backquote there do not in every reader. What looks like an address would become a link. A word joiner
 * after @ keeps anyone from being notified. */
static const struct replacement *const replacements[] = {
    [ESCAPE_MARKUP] =
        (const struct replacement[]){
            {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}, {0}},
    [ESCAPE_MARKDOWN] = (const struct replacement[]){{"&", "&amp;"},
                                                     {"<", "&lt;"},
                                                     {">", "&gt;"},
                                                     {"|", "&#124;"},
                                                     {"\\", "&#92;"},
                                                     {"`", "&#96;"},
                                                     {"*", "\\*"},
                                                     {"_", "\\_"},
                                                     {"[", "\\["},
                                                     {"]", "\\]"},
                                                     {"~", "\\~"},
                                                     {"#", "\\#"},
                                                     {"$", "\\$"},
                                                     {"://", "&#58;//"},
                                                     {"www.", "www&#46;"},
                                                     {"@", "@&#8288;"},
                                                     {0}},
    [ESCAPE_SARIF] = (const struct replacement[]){{"{", "{{"}, {"}", "}}"}, {"](", "] ("}, {0}},
};

/* What to write in place of the start of `text`; NULL: it is harmless. */
static const struct replacement *find_replacement(enum escape escape, const char *text, size_t length)
{
    for (const struct replacement *each = replacements[escape]; each->found != NULL; each++) {
        size_t found_length = strlen(each->found);
        if (*text == *each->found && found_length <= length && memcmp(text, each->found, found_length) == 0) {
            return each;
        }
    }
    return NULL;
}

/* The harmless text is written behind the one that it replaces, then moved to its place. */
void escape_tail(struct buffer *buffer, enum escape escape, size_t start)
{
    size_t end = buffer->length;
    for (size_t i = start; i < end && !buffer->failed;) {
        char byte = buffer->data[i];
        const struct replacement *replacement = find_replacement(escape, buffer->data + i, end - i);
        if (replacement != NULL) {
            buffer_append_text(buffer, replacement->text);
            i += strlen(replacement->found);
        } else {
            buffer_append(buffer, &byte, 1);
            i++;
        }
    }
    if (!buffer->failed && end > start) {
        size_t length = buffer->length - end;
        memmove(buffer->data + start, buffer->data + end, length);
        buffer_truncate(buffer, start + length);
    }
}

void escape_text(struct buffer *buffer, enum escape escape, const char *text)
{
    size_t start = buffer->length;
    terminal_escape(buffer, text);
    escape_tail(buffer, escape, start);
}
