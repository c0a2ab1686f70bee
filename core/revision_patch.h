/* Operations of a revision's patch, and the values that they carry. */
#ifndef CORE_REVISION_PATCH_H
#define CORE_REVISION_PATCH_H

#include "core/revision.h"

/* Each adds an operation. `path` is kept, NULL marks the revision as failed. */
void patch_add(struct revision *revision, const char *path, const struct stability_result *value);
void patch_replace(struct revision *revision, const char *path, const struct stability_result *value);
void patch_remove(struct revision *revision, const char *path);

/* Values as they read on the wire; NULL, with the revision marked as failed, where memory ran out. */
const struct stability_result *patch_text(struct revision *revision, const char *text);
const struct stability_result *patch_names(struct revision *revision, size_t count, const char *const *names);
const struct stability_result *patch_value(struct revision *revision, const struct stability_value *value);
const struct stability_result *patch_recipe(struct revision *revision, const struct stability_recipe *recipe);
/* {"name": value} */
const struct stability_result *patch_member(struct revision *revision, const char *name,
                                            const struct stability_result *value);
/* {"training": {"steps": 20}}: all analyses with their settings. */
const struct stability_result *patch_analyses(struct revision *revision);
const struct stability_result *patch_layer(struct revision *revision, const struct stability_layer *layer);

/* A member's name as a token of a JSON Pointer; `token` has room for twice its bytes and a NUL. */
void patch_escape(char *token, const char *name);

#endif
