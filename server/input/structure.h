/* jansson, made to tell when memory fails. */
#ifndef SERVER_INPUT_STRUCTURE_H
#define SERVER_INPUT_STRUCTURE_H

#include <jansson.h>

/* Seeds jansson's hash tables and takes over its allocations. Call once, before other threads start. */
void structure_initialize(void);

/* json_loadb with JSON_REJECT_DUPLICATES and JSON_DECODE_ANY. NULL also where an allocation failed that
 * jansson passes over: 2.14 then gives a text that lacks a character. `problem` may be NULL, and is unset
 * where memory fails. */
json_t *structure_load(const char *text, size_t length, json_error_t *problem);

#endif
