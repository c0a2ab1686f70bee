#include "core/real/product.h"
#include "core/real/transpose.h"

#include <string.h>

/* A panel of b (DEPTH, TILE_COLUMNS) stays in the first cache, a block of a (BLOCK_ROWS, DEPTH) in the
 * second. */
enum { DEPTH = 256, BLOCK_ROWS = 16 * TILE_ROWS };

struct block {
    int64_t row, rows;   /* of a and the result */
    int64_t from, depth; /* along the sum */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* panel[k][j] = b[from + k][column + j]; zeros where b has no more columns. */
static void pack_panel(const struct matrix_product *p, const struct block *block, int64_t column, real *panel)
{
    int64_t columns = least(p->n - column, TILE_COLUMNS);
    if (columns < TILE_COLUMNS)
        memset(panel, 0, (size_t)(block->depth * TILE_COLUMNS) * sizeof(real));
    if (p->transposed_b) {
        transpose(p->b + column * p->ldb + block->from, p->ldb, columns, block->depth, panel, TILE_COLUMNS);
        return;
    }
    const real *row = p->b + block->from * p->ldb + column;
    for (int64_t k = 0; k < block->depth; k++, row += p->ldb, panel += TILE_COLUMNS)
        if (columns == TILE_COLUMNS)
            memcpy(panel, row, TILE_COLUMNS * sizeof(real));
        else
            memcpy(panel, row, (size_t)columns * sizeof(real));
}

/* rows[t][k][i] = a[row + t * TILE_ROWS + i][from + k], where a is given transposed. */
static void pack_rows(const struct matrix_product *p, const struct block *block, real *rows)
{
    for (int64_t first = 0; first < block->rows; first += TILE_ROWS) {
        const real *a = p->a + block->from * p->lda + block->row + first;
        int64_t count = least(block->rows - first, TILE_ROWS);
        for (int64_t k = 0; k < block->depth; k++, a += p->lda, rows += TILE_ROWS)
            if (count == TILE_ROWS)
                memcpy(rows, a, TILE_ROWS * sizeof(real));
            else
                for (int64_t i = 0; i < TILE_ROWS; i++)
                    rows[i] = i < count ? a[i] : 0;
    }
}

static void store(const struct matrix_product *p, const struct block *block, int64_t first, int64_t column,
                  const struct tile *tile)
{
    int64_t rows = least(block->rows - first, TILE_ROWS), columns = least(p->n - column, TILE_COLUMNS);
    real *c = p->c + (block->row + first) * p->ldc + column;
    real beta = block->from == 0 ? p->beta : 1;
    for (int64_t i = 0; i < rows; i++, c += p->ldc) {
        const real *sums = (const real *)tile->sums[i];
        if (beta == 0)
            for (int64_t j = 0; j < columns; j++)
                c[j] = p->alpha * sums[j];
        else
            for (int64_t j = 0; j < columns; j++)
                c[j] = p->alpha * sums[j] + beta * c[j];
    }
}

static void multiply_rows(const struct matrix_product *p, const struct block *block, int64_t first,
                          const real *panel, struct tile *result)
{
    const real *rows[TILE_ROWS];
    int64_t last = block->rows - 1;
    for (int64_t i = 0; i < TILE_ROWS; i++)
        rows[i] = p->a + (block->row + least(first + i, last)) * p->lda + block->from;
    struct tile tile = {0};
    tile_add_rows(&tile, block->depth, rows, panel);
    *result = tile;
}

static void multiply_packed(const struct block *block, const real *rows, const real *panel,
                            struct tile *result)
{
    struct tile tile = {0};
    tile_add_columns(&tile, block->depth, rows, TILE_ROWS, panel);
    *result = tile;
}

static void multiply_block(const struct matrix_product *p, const struct block *block)
{
    real panel[DEPTH * TILE_COLUMNS], packed[DEPTH * BLOCK_ROWS];
    struct tile tile;
    if (p->transposed_a)
        pack_rows(p, block, packed);
    for (int64_t column = 0; column < p->n; column += TILE_COLUMNS) {
        pack_panel(p, block, column, panel);
        for (int64_t first = 0; first < block->rows; first += TILE_ROWS) {
            if (p->transposed_a)
                multiply_packed(block, packed + first * block->depth, panel, &tile);
            else
                multiply_rows(p, block, first, panel, &tile);
            store(p, block, first, column, &tile);
        }
    }
}

void VARIANT(matrix_product)(const struct matrix_product *p)
{
    int64_t most_rows = p->transposed_a ? BLOCK_ROWS : p->m;
    struct block block = {0};
    for (block.row = 0; block.row < p->m; block.row += most_rows) {
        block.rows = least(p->m - block.row, most_rows);
        for (block.from = 0; block.from < p->k; block.from += DEPTH) {
            block.depth = least(p->k - block.from, DEPTH);
            multiply_block(p, &block);
        }
    }
}
