/* What the readers of a file's messages share. */
#ifndef SERVER_INPUT_ONNX_MESSAGE_H
#define SERVER_INPUT_ONNX_MESSAGE_H

#include "server/input/onnx/file.h"
#include "server/input/onnx/protobuf.h"

#define MESSAGE_ANY_TYPE (-1) /* a repeated number, packed or not */

struct message_reader {
    const unsigned char *start; /* of the file */
    const struct stability_limits *limits;
    struct onnx_memory *memory;
    int64_t items; /* nodes, names, attributes … that may still come */
    char pointer[sizeof((struct stability_error *)0)->pointer];
};

/* One field that a message may have; others are skipped, as Protocol Buffers asks. */
struct message_field {
    uint32_t number; /* 0 ends a list of fields */
    const char *name;
    int type; /* enum protobuf_type, or MESSAGE_ANY_TYPE */
    bool (*read)(struct message_reader *reader, const struct protobuf_field *field, void *target);
    size_t offset; /* of what `read` gets, in the message's target */
};

/* Reads all fields of a message. False on error. */
bool message_read(struct message_reader *reader, struct protobuf bytes, const struct message_field *fields,
                  void *target);

/* Moves the pointer to a member, and back to what it was. */
size_t message_enter(struct message_reader *reader, const char *name);
size_t message_enter_item(struct message_reader *reader, const char *name, size_t index);
void message_leave(struct message_reader *reader, size_t mark);

/* Records an error at the pointer; returns false. */
bool message_fail(struct message_reader *reader, enum stability_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The message is broken at `position`. */
bool message_broken(struct message_reader *reader, const unsigned char *position, const char *what);

struct message_list {
    size_t count;
    void *items;
};
/* Memory for all items of the repeated field `number`, `size` bytes each; count is 0 until they are read. */
bool message_list_new(struct message_reader *reader, struct protobuf bytes, uint32_t number, size_t size,
                      struct message_list *list);

/* Readers for fields: into an int64_t, a double, a const char *. A text is NUL-terminated UTF-8. */
bool message_integer(struct message_reader *reader, const struct protobuf_field *field, void *target);
bool message_real(struct message_reader *reader, const struct protobuf_field *field, void *target);
bool message_text(struct message_reader *reader, const struct protobuf_field *field, void *target);

/* All numbers of the repeated field `number`: varints as int64_t, floats as double, or the bits of numbers of
 * `size` bytes (4 or 8) as int64_t. */
bool message_integers(struct message_reader *reader, struct protobuf bytes, uint32_t number,
                      struct message_list *list);
bool message_reals(struct message_reader *reader, struct protobuf bytes, uint32_t number,
                   struct message_list *list);
bool message_fixed(struct message_reader *reader, struct protobuf bytes, uint32_t number, size_t size,
                   struct message_list *list);
/* All texts of the repeated field. */
bool message_texts(struct message_reader *reader, struct protobuf bytes, uint32_t number,
                   struct message_list *list);

/* A TensorProto; *name may be NULL. */
bool tensor_message_read(struct message_reader *reader, struct protobuf bytes, const char **name,
                         struct stability_tensor *tensor);

#endif
