/* Trees of values as JSON. */
#ifndef SERVER_OUTPUT_RESULT_JSON_H
#define SERVER_OUTPUT_RESULT_JSON_H

#include "server/json_writer.h"

#include <stability/report.h>

void result_write_json(struct json_writer *json, const struct stability_result *result);

#endif
