/* The second moment of signals from one layer to the next of its kind in mean-field theory:
 * q -> gain E g(sqrt(q) z)^2 + bias_square, with g = factor * f + shift of an activation f. */
#ifndef CORE_SIGNAL_MAP_H
#define CORE_SIGNAL_MAP_H

#include "core/expectation.h"

struct signal_map {
    const struct gaussian *gaussian;
    const struct graph_node *activation;
    double factor; /* of the Scale layers behind the activation ... */
    double shift;  /* ... and what they add; 1 and 0: there is none */
    double gain;   /* fan_in * weight variance */
    double bias_square;
};

/* Where iterating the map leads to from `start`: to 0 or infinity beyond 2^-40 and 2^40. */
double signal_map_limit(const struct signal_map *map, double start);
/* gain E g'(sqrt(q) z)^2, at q or the nearest of these bounds. */
double signal_map_chi(const struct signal_map *map, double q);

#endif
