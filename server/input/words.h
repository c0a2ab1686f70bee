/* The strings that stand for numbers which JSON cannot write: "NaN", "Infinity", "-Infinity". */
#ifndef SERVER_INPUT_WORDS_H
#define SERVER_INPUT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The longest has so many characters. */
#define WORD_LENGTH 9

/* Finds the number that a text of `length` bytes stands for; false where it is no such word. */
bool word_number(const char *text, size_t length, double *number);
/* The word for a number that is not finite. */
const char *word_text(double number);

#endif
