#include "support.h"

#include "core/arena.h"

#include <stdint.h>
#include <string.h>

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena arena = {0};
    unsigned char *pieces[400];
    for (size_t i = 0; i < 400; i++) {
        size_t size = i * 37 % 5000;
        pieces[i] = arena_allocate(&arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % (size >= 64 ? 64 : 16), 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], (int)(i % 251) + 1, size);
    }
    for (size_t i = 0; i < 400; i++)
        for (size_t k = 0; k < i * 37 % 5000; k++)
            assert_int_equal(pieces[i][k], i % 251 + 1);
    arena_free(&arena);
}

static void small_pieces_follow_a_large_one(void **state)
{
    (void)state;
    struct arena arena = {0};
    char *before = arena_allocate(&arena, 16);
    assert_non_null(arena_allocate(&arena, 1000000));
    char *after = arena_allocate(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_free(&arena);
}

static void arrays_check_their_size(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_non_null(arena_array(&arena, 10, 8));
    assert_null(arena_array(&arena, SIZE_MAX / 8 + 2, 8));
    assert_null(arena_array(&arena, SIZE_MAX / 8, 8));
    assert_null(arena_allocate(&arena, SIZE_MAX));
    assert_null(arena_allocate(&arena, PTRDIFF_MAX));
    assert_non_null(arena_array(&arena, 0, 8));
    arena_free(&arena);
}

static void texts_are_copied(void **state)
{
    (void)state;
    struct arena arena = {0};
    char text[] = "fc1";
    char *copy = arena_string(&arena, text);
    text[0] = 'x';
    assert_string_equal(copy, "fc1");
    assert_string_equal(arena_string(&arena, ""), "");
    assert_string_equal(arena_format(&arena, "/model/layers/%d", 12), "/model/layers/12");
    char *longer = arena_format(&arena, "%5000s|", "x");
    assert_int_equal(strlen(longer), 5001);
    arena_free(&arena);
}

static void it_can_be_moved_freed_and_used_again(void **state)
{
    (void)state;
    struct arena arena = {0};
    char *text = arena_string(&arena, "kept");
    struct arena moved = arena;
    assert_string_equal(text, "kept");
    assert_non_null(arena_allocate(&moved, 100000));
    arena_free(&moved);
    arena_free(&moved);
    assert_non_null(arena_allocate(&moved, 8));
    arena_free(&moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(small_pieces_follow_a_large_one),
        cmocka_unit_test(arrays_check_their_size),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(it_can_be_moved_freed_and_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
