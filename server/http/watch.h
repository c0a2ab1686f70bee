/* A thread that watches connections: for deadlines that pass, and for peers that leave while nobody reads. */
#ifndef SERVER_HTTP_WATCH_H
#define SERVER_HTTP_WATCH_H

#include <stability/error.h>

/* A connection as the watch sees it; embedded in whatever it is about. The fields are the watch's. */
struct watched {
    int descriptor;
    double deadline; /* clock_seconds(); INFINITY: none */
    struct watched *previous;
    struct watched *next;
};

/* Called by the watch's thread, with the watch locked. */
struct watch_events {
    /* The deadline has passed; it is INFINITY now. */
    void (*expired)(struct watched *watched);
    /* The peer has closed its side (`reset` false: it may still read) or the whole connection. May be told
     * more than once; shutdown() of the descriptor tells it too. */
    void (*left)(struct watched *watched, bool reset);
};

struct watch;

/* `events` is borrowed. NULL on error. */
struct watch *watch_new(const struct watch_events *events, struct stability_error *error);
/* Stops the thread; nothing may be watched any more. NULL is fine. */
void watch_free(struct watch *watch);

/* The lock keeps watched things where they are: events happen under it, and so does everything below. */
void watch_lock(struct watch *watch);
void watch_unlock(struct watch *watch);

/* Starts to watch a descriptor, with no deadline. It stays open until watch_remove. False without memory: it
 * is not watched then. */
bool watch_add(struct watch *watch, struct watched *watched, int descriptor);
void watch_remove(struct watch *watch, struct watched *watched);
void watch_deadline(struct watch *watch, struct watched *watched, double deadline);
/* Tells again that the peer has left, where it has. */
void watch_again(struct watch *watch, struct watched *watched);

#endif
