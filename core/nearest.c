#include <stability/error.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Longer names are not compared: the cost of a comparison is the product of the lengths. */
#define LONGEST 64

static char lower(char character)
{
    return character >= 'A' && character <= 'Z' ? (char)(character + ('a' - 'A')) : character;
}

static int smallest(int a, int b, int c)
{
    int smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* The restricted Damerau-Levenshtein distance, row by row: row[j] is that of a[0..i) and b[0..j). */
static int distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int rows[3][LONGEST + 1];
    int *above = rows[0];
    int *row = rows[1];
    int *before = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= a_length; i++) {
        int *spare = before;
        before = above;
        above = row;
        row = spare;
        row[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            int replaced = above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = smallest(replaced, above[j] + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = smallest(row[j], before[j - 2] + 1, INT_MAX);
        }
    }
    return row[b_length];
}

const char *stability_nearest(const char *name, const char *const *known)
{
    size_t length = strlen(name);
    if (length > LONGEST)
        return NULL;
    const char *nearest = NULL;
    int least = INT_MAX;
    for (; *known; known++) {
        size_t known_length = strlen(*known);
        size_t longer = length > known_length ? length : known_length;
        size_t difference = 2 * longer - length - known_length;
        int allowed = longer > 1 ? (int)(longer + 2) / 3 : 0;
        if (longer > LONGEST || (int)difference > allowed)
            continue;
        int steps = distance(name, length, *known, known_length);
        if (steps <= allowed && steps < least) {
            least = steps;
            nearest = *known;
        }
    }
    return nearest;
}

static void list_known(const char *const *known, char *hint)
{
    static const char more[] = " ...";
    size_t used = 0;
    for (const char *lead = ": known are "; *known; known++, lead = ", ") {
        int length = snprintf(hint + used, STABILITY_HINT - used, "%s'%s'", lead, *known);
        if ((size_t)length >= STABILITY_HINT - used - sizeof more) {
            snprintf(hint + used, STABILITY_HINT - used, "%s", used > 0 ? more : "");
            return;
        }
        used += (size_t)length;
    }
}

const char *stability_hint(const char *name, const char *const *known, char hint[STABILITY_HINT])
{
    const char *nearest = stability_nearest(name, known);
    hint[0] = '\0';
    if (nearest)
        snprintf(hint, STABILITY_HINT, ": did you mean '%s'?", nearest);
    else
        list_known(known, hint);
    return hint;
}
