#include "server/input/words.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *text;
    double number;
} words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};

bool word_number(const char *text, size_t length, double *number)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].text) == length && memcmp(text, words[i].text, length) == 0) {
            *number = words[i].number;
            return true;
        }
    }
    return false;
}

const char *word_text(double number)
{
    return words[isnan(number) ? 0 : number > 0 ? 1 : 2].text;
}
