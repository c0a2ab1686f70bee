/* Attributes in words, for messages. */
#ifndef CORE_ATTRIBUTE_TEXT_H
#define CORE_ATTRIBUTE_TEXT_H

#include <stability/registry.h>

#define ATTRIBUTE_TEXT 256

/* "an integer of at least 1 or a list of 2 of them": what a row allows. Writes to `buffer` and returns it. */
const char *attribute_expected(const struct stability_attribute *row, char buffer[ATTRIBUTE_TEXT]);

/* "[3, 0]", "'valid'": a value that was given, shortened where it is long. */
const char *attribute_found(const struct stability_value *value, char buffer[ATTRIBUTE_TEXT]);

#endif
