/* Reads the structure of a request, member by member, and knows at every moment where it is: errors point
 * there. */
#ifndef SERVER_INPUT_READER_H
#define SERVER_INPUT_READER_H

#include "server/input/owner.h"
#include "server/input/scan.h"

#include <jansson.h>

struct reader {
    char *body;
    const struct scan *scan;
    struct owner *owner;
    const struct stability_limits *limits;
    struct stability_error *error;
    char pointer[sizeof((struct stability_error *)0)->pointer]; /* to the value that is being read */
};

enum node_kind {
    NODE_NULL,
    NODE_BOOLEAN,
    NODE_INTEGER,
    NODE_REAL,
    NODE_TEXT,
    NODE_NUMBERS, /* an array of numbers and "NaN" and the like */
    NODE_LIST,    /* any other array, the empty one too */
    NODE_OBJECT
};

/* A value of the request. */
struct node {
    enum node_kind kind;
    const json_t *json;      /* LIST, OBJECT */
    const struct slab *slab; /* NUMBERS */
    bool boolean;
    int64_t integer;
    double real;
    const char *text; /* TEXT: not NUL-terminated where it is from a slab */
    size_t length;
};

struct node reader_node(const struct reader *reader, const json_t *json);
/* The numbers of a node of that kind. */
const double *reader_numbers(const struct reader *reader, const struct node *node);
/* What was found, for messages: "a list of 3 items". */
#define NODE_DESCRIPTION 96
const char *node_describe(const struct node *node, char buffer[NODE_DESCRIPTION]);

/* Moves the pointer to a member or an item of where it is, and back: reader_leave gets what reader_enter
 * returned. */
size_t reader_enter(struct reader *reader, const char *name);
size_t reader_enter_item(struct reader *reader, size_t index);
void reader_leave(struct reader *reader, size_t mark);

/* These record an error at the pointer and return false. */
bool reader_fail(struct reader *reader, enum stability_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "expected `expected`, found …" */
bool reader_expected(struct reader *reader, const char *expected, const struct node *found);
/* "unknown `what` 'name'", with the nearest of `known`, which ends with NULL. The pointer must be at it. */
bool reader_unknown(struct reader *reader, const char *what, const char *name, const char *const *known);

/* Memory of the reader's owner; NULL with the error recorded. */
void *reader_allocate(struct reader *reader, size_t count, size_t size);

/* Reads a member's value into what `target` points to. */
typedef bool member_reader(struct reader *reader, const char *name, const struct node *node, void *target);

/* One member that an object may have. */
struct field {
    const char *name; /* NULL in the last row; its `read`, if any, gets the members that no other row names */
    member_reader *read;
    size_t offset; /* into the target of the object, of what `read` gets as its own */
    bool required;
};
/* Reads an object's members in their order, each by its field. `what` names the object in messages. */
bool reader_members(struct reader *reader, const struct node *node, const char *what,
                    const struct field *fields, void *target);

struct name_list {
    size_t count;
    const char *const *items;
};

/* A NUL-terminated text that lives as long as the request. */
bool reader_text(struct reader *reader, const struct node *node, const char **text);
/* An integer from `least` to `greatest`; 1e3 is one too. */
bool reader_count(struct reader *reader, const struct node *node, int64_t least, int64_t greatest,
                  int64_t *count);
/* A number, or "NaN" and the like. */
bool reader_number(struct reader *reader, const struct node *node, double *number);
bool reader_names(struct reader *reader, const struct node *node, struct name_list *names);
/* The index of a text in `known`, which ends with NULL. */
bool reader_choice(struct reader *reader, const struct node *node, const char *const *known, int *choice);
/* The same as member_reader, into a `const char *` and a struct name_list. */
bool member_text(struct reader *reader, const char *name, const struct node *node, void *target);
bool member_names(struct reader *reader, const char *name, const struct node *node, void *target);
/* The value of "NaN", "Infinity" or "-Infinity". */
bool node_word(const struct node *node, double *number);

#endif
