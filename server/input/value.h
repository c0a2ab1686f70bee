/* Values whose names and ranges the core knows: attributes, arguments of initialisations. */
#ifndef SERVER_INPUT_VALUE_H
#define SERVER_INPUT_VALUE_H

#include "server/input/reader.h"

/* Any value but a list of something else than numbers: null, booleans, numbers and strings as they are, a
 * flat array of numbers as LIST, a deeper one and every other form of a tensor as TENSOR. */
bool value_read(struct reader *reader, const struct node *node, struct stability_value *value);

/* The members of an object in their order. */
struct value_members {
    struct stability_member *items; /* with room for every member of the object */
    size_t count;
};
bool value_members_new(struct reader *reader, const struct node *object, struct value_members *members);
/* Adds one; a member_reader. */
bool value_members_add(struct reader *reader, const char *name, const struct node *node, void *members);

#endif
