/* Any bytes as JSON: it is refused with a place, or it is a value that can be written. */
#include <stdlib.h>

#include "runtime/system/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    Error error = {0};
    json_t *root = json_read_text(bytes, (int64_t)length, "fuzz", &error);
    if ((root == NULL) != (error.status != 0) || (root == NULL && error.why[0] == '\0'))
        abort();
    if (root == NULL)
        return 0;
    char *text = json_dumps(root, JSON_COMPACT);
    if (text == NULL)
        abort();
    free(text);
    json_decref(root);
    return 0;
}
