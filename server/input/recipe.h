/* Tensors that are to be drawn. */
#ifndef SERVER_INPUT_RECIPE_H
#define SERVER_INPUT_RECIPE_H

#include "server/input/reader.h"

/* {"init": "kaiming_normal_", "nonlinearity": "relu"}: what `key` ("init", "random") names the scheme by, and
 * its arguments. With `shaped`, a member "shape" is required, and no argument. */
bool recipe_read(struct reader *reader, const struct node *node, const char *key, bool shaped,
                 struct stability_recipe *recipe);

/* Recipes by the name of a parameter; with `whole`, a recipe itself is one for every weight (name ""). */
bool inits_read(struct reader *reader, const struct node *node, bool whole, struct stability_inits *inits);

#endif
