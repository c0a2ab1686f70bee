#include "server/access/rates.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SETS 4096
#define WAYS 4
#define MINUTE 60.0

/* The generic cell rate algorithm (ITU-T I.371): `due` is when the requests so far would be through, were
 * they spread evenly over time. */
struct place {
    unsigned char key[RATES_KEY_SIZE];
    double due;
};

struct rates {
    pthread_mutex_t mutex;
    uint64_t seed; /* so that nobody chooses keys that share a set */
    struct place places[SETS][WAYS];
};

struct rates *rates_new(void)
{
    struct rates *rates = calloc(1, sizeof(*rates));
    if (rates == NULL) {
        return NULL;
    }
    ssize_t got = getrandom(&rates->seed, sizeof(rates->seed), 0);
    (void)got;
    pthread_mutex_init(&rates->mutex, NULL);
    return rates;
}

void rates_free(struct rates *rates)
{
    if (rates != NULL) {
        pthread_mutex_destroy(&rates->mutex);
        free(rates);
    }
}

/* FNV-1a, seeded, its high bits folded into the low ones. */
static size_t set_of(const struct rates *rates, const unsigned char *key)
{
    uint64_t hash = rates->seed ^ 14695981039346656037u;
    for (size_t i = 0; i < RATES_KEY_SIZE; i++) {
        hash = (hash ^ key[i]) * 1099511628211u;
    }
    return (size_t)((hash ^ hash >> 29) % SETS);
}

/* The place of a key, or else the one that was due first, made its own. */
static struct place *place_of(struct rates *rates, const unsigned char *key)
{
    struct place *set = rates->places[set_of(rates, key)];
    struct place *oldest = set;
    for (struct place *place = set; place < set + WAYS; place++) {
        if (memcmp(place->key, key, RATES_KEY_SIZE) == 0) {
            return place;
        }
        oldest = place->due < oldest->due ? place : oldest;
    }
    memcpy(oldest->key, key, RATES_KEY_SIZE);
    oldest->due = 0;
    return oldest;
}

double rates_take(struct rates *rates, const unsigned char *key, double limit, double now)
{
    pthread_mutex_lock(&rates->mutex);
    struct place *place = place_of(rates, key);
    double due = fmax(place->due, now) + MINUTE / limit;
    double wait = due - now - MINUTE;
    bool accepted = wait <= 1e-6;
    if (accepted) {
        place->due = due;
    }
    pthread_mutex_unlock(&rates->mutex);
    return accepted ? 0 : wait;
}
