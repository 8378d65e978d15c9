/* Tables of text: comma-separated values as in RFC 4180, and what programs make of them. */
#ifndef SNUG_CSV_H
#define SNUG_CSV_H

#include <stdint.h>

#include "error.h"

typedef struct Csv {
    char *text; /* the cells point into it */
    const char **cells;
    int64_t cell_count;
    int64_t *rows;  /* {row_count + 1}; row r is cells[rows[r]] .. cells[rows[r + 1] - 1] */
    int64_t *lines; /* {row_count}: the line of the file where the row begins, from 1 */
    int64_t row_count;
} Csv;

enum { CSV_MAX_CELLS = 1 << 20 };

/* Quotes ("" inside for one), line ends LF, CRLF or CR, a byte-order mark, rows of any length;
 * empty lines are no rows; spaces around a cell without quotes are dropped. Errors name the line:
 * a 0 byte, a quote that does not end, text behind a quoted cell, more than CSV_MAX_CELLS cells. */
bool csv_read_file(Csv *csv, const char *path, int64_t limit, Error *error);
bool csv_read_text(Csv *csv, const uint8_t *text, int64_t size, const char *name, Error *error);
void csv_free(Csv *csv);

/* The column with this title in row 0; -1: none. */
int64_t csv_find_column(const Csv *csv, const char *title);
/* "" outside the row. */
const char *csv_cell(const Csv *csv, int64_t row, int64_t column);
/* The whole cell is a finite number. */
bool csv_number(const char *cell, double *number);

#endif
