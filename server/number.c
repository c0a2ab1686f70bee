#include "server/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* value = 0.d1d2d3… × 10^point */
struct decimal {
    bool negative;
    char digits[18];
    int count;
    int point;
};

/* Reads "d.ddde±xx" (whatever the decimal separator) apart. */
static void split_scientific(const char *text, struct decimal *decimal)
{
    decimal->count = 0;
    for (; *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9') {
            decimal->digits[decimal->count++] = *text;
        }
    }
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0') {
        decimal->count--;
    }
    decimal->point = (int)strtol(text + 1, NULL, 10) + 1;
}

static void shortest_digits(double magnitude, struct decimal *decimal)
{
    char text[NUMBER_SHORTEST];
    for (int precision = 14; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, magnitude);
        if (strtod(text, NULL) == magnitude) {
            break;
        }
    }
    split_scientific(text, decimal);
}

static size_t put(char *text, const char *bytes, int count)
{
    memcpy(text, bytes, (size_t)count);
    return (size_t)count;
}

static size_t put_zeros(char *text, int count)
{
    memset(text, '0', (size_t)count);
    return (size_t)count;
}

static size_t put_plain(char *text, const struct decimal *decimal)
{
    size_t length = 0;
    if (decimal->point <= 0) {
        length += put(text, "0.", 2);
        length += put_zeros(text + length, -decimal->point);
        return length + put(text + length, decimal->digits, decimal->count);
    }
    if (decimal->point >= decimal->count) {
        length += put(text, decimal->digits, decimal->count);
        return length + put_zeros(text + length, decimal->point - decimal->count);
    }
    length += put(text, decimal->digits, decimal->point);
    text[length++] = '.';
    return length + put(text + length, decimal->digits + decimal->point, decimal->count - decimal->point);
}

static size_t put_scientific(char *text, const struct decimal *decimal)
{
    size_t length = put(text, decimal->digits, 1);
    if (decimal->count > 1) {
        text[length++] = '.';
        length += put(text + length, decimal->digits + 1, decimal->count - 1);
    }
    return length + (size_t)snprintf(text + length, NUMBER_SHORTEST - length - 1, "e%+d", decimal->point - 1);
}

size_t number_shortest(double value, char text[NUMBER_SHORTEST])
{
    struct decimal decimal = {.negative = signbit(value) != 0};
    size_t length = 0;
    if (decimal.negative) {
        text[length++] = '-';
    }
    shortest_digits(fabs(value), &decimal);
    bool plain = decimal.point > -6 && decimal.point <= 21;
    length += plain ? put_plain(text + length, &decimal) : put_scientific(text + length, &decimal);
    text[length] = '\0';
    return length;
}
