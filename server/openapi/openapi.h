/* GET /openapi.json: the service described by OpenAPI 3.1, from the tables that the code runs on. */
#ifndef SERVER_OPENAPI_OPENAPI_H
#define SERVER_OPENAPI_OPENAPI_H

#include "server/json_writer.h"

/* Appends the document. False where memory does not suffice. */
bool openapi_write(struct buffer *body);

/* The parts that make it up: members of "components.schemas". */
void openapi_write_schemas(struct json_writer *json);
/* The member "paths". */
void openapi_write_paths(struct json_writer *json);

/* A member {"$ref": "#/components/schemas/NAME"}; `key` may be NULL: no key. */
void openapi_reference(struct json_writer *json, const char *key, const char *name);

#endif
