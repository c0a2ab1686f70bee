/* Attributes: from named values to a type's private struct, by the rows that describe them.
 *
 * A row's kind decides what lies at its offset:
 *   INTEGER   int64_t, or struct optional_integer where the row is nullable
 *   REAL      double, or struct optional_real where the row is nullable
 *   BOOLEAN   bool; false: null
 *   CHOICE    int: index into the row's words; -1: null
 *   INTEGERS  struct integers
 *   TENSOR    const struct stability_tensor *, NULL: null or left out
 *
 * A row's default is `number` or `choice`; a nullable row without them is null by default. The range is
 * [minimum, maximum], open below where `exclusive`; INFINITY is no upper bound, and both 0 without
 * `exclusive` is no range at all. */
#ifndef CORE_ATTRIBUTES_H
#define CORE_ATTRIBUTES_H

#include "core/arena.h"

#include <stability/registry.h>

struct optional_integer {
    bool present;
    int64_t value;
};

struct optional_real {
    bool present;
    double value;
};

struct integers {
    bool present; /* false: null */
    bool single;  /* one number was given (or is the default), not a list */
    int word;     /* 1 + index of the word that was given in place of numbers; count is 0 then. Else 0 */
    int count;    /* row.items, where that is not 0; else the length of the list */
    int64_t items[STABILITY_MAX_RANK];
};

/* Whose attributes they are: for messages, errors' pointers, and memory for tensors written as numbers. */
struct attribute_scope {
    const char *owner;   /* "layer 'fc1' (Linear)" */
    const char *pointer; /* JSON Pointer of the object that has the attributes: "/model/layers/0" */
    struct arena *arena;
};

/* Fills the private struct at `destination` (zeroed by the caller) from `given` and from the rows' defaults;
 * rows end with one without a name. False, with the attribute and what it must be, where one is unknown or
 * missing, or has a wrong kind or value. Tensors point into `given`; a number or a list given for one becomes
 * float64 in the arena. */
bool attributes_read(const struct stability_attribute *rows, const struct stability_members *given,
                     void *destination, const struct attribute_scope *scope, struct stability_error *error);

/* A further name for formulas. */
struct attribute_variable {
    const char *name;
    int64_t value;
};

/* Formulas name attributes that attributes_read has filled in, and `extra` variables (NULL, or ended by a
 * NULL name; they come before attributes of the same name). A product is integers and names joined by * and
 * /, from left to right: "in_channels / groups * kernel_size"; in it an attribute of several integers counts
 * as their product, null and false as 0, true and a tensor as 1. The empty product is 1. */
double attributes_product(const struct stability_attribute *rows, const void *attributes,
                          const struct attribute_variable *extra, const char *formula);

/* A shape is products separated by commas, "out_channels, in_channels / groups, *kernel_size"; *name stands
 * for all items of an attribute, "" for rank 0. False where a size is no whole number, the rank is over
 * STABILITY_MAX_RANK or the number of elements over what stability_shape_count can tell. */
bool attributes_shape(const struct stability_attribute *rows, const void *attributes,
                      const struct attribute_variable *extra, const char *formula,
                      struct stability_shape *shape);

#endif
