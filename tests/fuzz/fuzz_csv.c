/* Any bytes as a table: it is refused with a line, or each cell is text within the table. */
#include <stdlib.h>
#include <string.h>

#include "runtime/system/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    Csv csv;
    Error error = {0};
    if (!csv_read_text(&csv, bytes, (int64_t)length, "fuzz", &error)) {
        if (csv.text != NULL || error.status == 0)
            abort();
        return 0;
    }
    int64_t cells = 0, line = 0;
    size_t characters = 0;
    for (int64_t row = 0; row < csv.row_count; row++) {
        if (csv.lines[row] <= line)
            abort();
        line = csv.lines[row];
        for (int64_t column = 0; column < csv.rows[row + 1] - csv.rows[row]; column++, cells++) {
            double number;
            const char *cell = csv_cell(&csv, row, column);
            characters += strlen(cell);
            csv_number(cell, &number);
        }
    }
    if (cells != csv.cell_count || characters > length)
        abort();
    csv_free(&csv);
    return 0;
}
