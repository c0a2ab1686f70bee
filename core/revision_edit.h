/* What the edits of a revision share. */
#ifndef CORE_REVISION_EDIT_H
#define CORE_REVISION_EDIT_H

#include "core/revision.h"

/* Zeroed items in the revision's memory; NULL, with the revision marked as failed, where there is none. */
void *revision_take(struct revision *revision, size_t count, size_t size);
/* A copy of `count` items with room for `capacity`; likewise. */
void *revision_copy(struct revision *revision, const void *items, size_t count, size_t capacity, size_t size);
/* The index of a layer that an edit needs; without it the edit fails, and it is -1. */
int revision_need(struct revision *revision, const char *name);

#endif
