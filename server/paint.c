#include "server/paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESET "\x1b[0m"
#define FAINT "\x1b[2m"
#define LETTERS "EWI"
#define DIGITS "0123456789"

/* Colours by the first letter of a verdict ("UNSTABLE", "WARNING", "STABLE") or of a finding's label. */
static const struct {
    char letter;
    const char *colour;
} colours[] = {
    {'U', "\x1b[1;31m"}, {'W', "\x1b[1;33m"}, {'S', "\x1b[1;32m"}, {'E', "\x1b[1;31m"}, {'I', "\x1b[1;36m"},
};

bool paint_possible(FILE *stream)
{
    const char *terminal = getenv("TERM");
    return isatty(fileno(stream)) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

bool paint_wanted(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    return paint_possible(stream) && (no_colour == NULL || *no_colour == '\0');
}

static void paint(struct buffer *out, char letter, const char *text, size_t length)
{
    const char *colour = "";
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
        colour = colours[i].letter == letter ? colours[i].colour : colour;
    }
    buffer_append_text(out, colour);
    buffer_append(out, text, length);
    buffer_append_text(out, *colour != '\0' ? RESET : "");
}

/* Bytes of a finding's label ("E1") at `text`, 0 where there is none. `text` ends with a NUL. */
static size_t label_length(const char *text)
{
    size_t digits = *text != '\0' && strchr(LETTERS, *text) != NULL ? strspn(text + 1, DIGITS) : 0;
    return digits > 0 ? digits + 1 : 0;
}

/* Where the flags begin at the end of a layer's row: labels, and "+3" for more. */
static size_t flags_start(const char *line, size_t length)
{
    size_t start = length;
    for (size_t end = length; end > 0;) {
        size_t word = end;
        while (word > 0 && line[word - 1] != ' ') {
            word--;
        }
        size_t more = line[word] == '+' ? strspn(line + word + 1, DIGITS) + 1 : 0;
        if (word == 0 || word == end || (word + label_length(line + word) != end && word + more != end)) {
            break;
        }
        start = word;
        end = word - 1;
    }
    return start > 1 && line[start - 2] == ' ' ? start : length;
}

static void paint_flags(struct buffer *out, const char *line, size_t start, size_t length)
{
    buffer_append(out, line, start);
    for (size_t i = start; i < length;) {
        size_t end = i + strcspn(line + i, " \n");
        paint(out, line[i], line + i, end - i);
        buffer_append(out, line + end, end < length ? 1 : 0);
        i = end + 1;
    }
}

static void paint_line(struct buffer *out, const char *line, size_t length)
{
    static const char verdict[] = "verdict ";
    size_t label = label_length(line);
    if (strncmp(line, verdict, sizeof(verdict) - 1) == 0) {
        size_t start = strcspn(line, " ") + strspn(line + strcspn(line, " "), " ");
        buffer_append(out, line, start);
        paint(out, line[start], line + start, length - start);
    } else if (label > 0 && strncmp(line + label, "  ", 2) == 0) {
        paint(out, line[0], line, length);
    } else if (strncmp(line, "---", 3) == 0) {
        buffer_append_text(out, FAINT);
        buffer_append(out, line, length);
        buffer_append_text(out, RESET);
    } else {
        paint_flags(out, line, flags_start(line, length), length);
    }
}

void paint_report(struct buffer *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t count = strcspn(text + i, "\n");
        paint_line(out, text + i, count);
        buffer_append(out, "\n", i + count < length ? 1 : 0);
        i += count + 1;
    }
}
