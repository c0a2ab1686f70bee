/* JSON Schema of the attributes in the registry's tables. */
#ifndef SERVER_OPENAPI_ATTRIBUTE_H
#define SERVER_OPENAPI_ATTRIBUTE_H

#include "server/json_writer.h"

#include <stability/registry.h>

/* The members "properties" (with NAME: SCHEMA for each, behind what `before` writes), "required" (with the
 * names of the given list, NULL-terminated, first) and "additionalProperties": false of an object's schema.
 */
void attributes_write(struct json_writer *json, const struct stability_attribute *attributes,
                      void (*before)(struct json_writer *json, const void *context), const void *context,
                      const char *const *required);

#endif
