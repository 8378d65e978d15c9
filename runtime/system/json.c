#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "os.h"

static bool is_word_at(const uint8_t *text, int64_t size, int64_t at, const char *word)
{
    int64_t length = (int64_t)strlen(word);
    return size - at >= length && memcmp(text + at, word, (size_t)length) == 0;
}

/* Copies text with NaN, Infinity and -Infinity replaced by null; measures the nesting on the way:
 * jansson recurses, so the depth is looked at before. The copy has room for a longer word. */
static int64_t copy_and_measure(const uint8_t *text, int64_t size, uint8_t *copy, int *max_depth)
{
    bool in_string = false;
    int depth = 0;
    int64_t used = 0;
    *max_depth = 0;
    for (int64_t i = 0; i < size; i++) {
        uint8_t c = text[i];
        if (in_string) {
            copy[used++] = c;
            if (c == '\\' && i + 1 < size)
                copy[used++] = text[++i];
            in_string = c != '"';
            continue;
        }
        if (is_word_at(text, size, i, "NaN")) {
            memcpy(copy + used, "null", 4);
            used += 4;
            i += 2;
            continue;
        }
        if (is_word_at(text, size, i, "Infinity") || is_word_at(text, size, i, "-Infinity")) {
            memcpy(copy + used, "null", 4);
            used += 4;
            i += c == '-' ? 8 : 7;
            continue;
        }
        in_string = c == '"';
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        *max_depth = depth > *max_depth ? depth : *max_depth;
        copy[used++] = c;
    }
    return used;
}

json_t *json_read_text(const uint8_t *text, int64_t size, const char *name, Error *error)
{
    if (is_word_at(text, size, 0, "\xEF\xBB\xBF")) {
        text += 3;
        size -= 3;
    }
    /* The longest growth: "NaN" to "null". */
    uint8_t *copy = malloc((size_t)(size + size / 3 + 1));
    if (copy == NULL) {
        error_set(error, ERROR_MEMORY, "no memory to read %s", name);
        return NULL;
    }
    int depth;
    int64_t used = copy_and_measure(text, size, copy, &depth);
    json_t *root = NULL;
    json_error_t fault;
    if (depth > JSON_MAX_DEPTH) {
        error_set(error, ERROR_FILES, "%s is not accepted", name);
        error_why(error, "nested %d deep, at most %d", depth, JSON_MAX_DEPTH);
    } else {
        root = json_loadb((const char *)copy, (size_t)used, JSON_REJECT_DUPLICATES, &fault);
        if (root == NULL) {
            error_set(error, ERROR_FILES, "%s is not JSON", name);
            error_why(error, "line %d, column %d: %s", fault.line, fault.column, fault.text);
        }
    }
    free(copy);
    return root;
}

json_t *json_read_file(const char *path, int64_t limit, Error *error)
{
    uint8_t *text;
    int64_t size;
    if (!os_read_file(path, limit, &text, &size, error))
        return NULL;
    json_t *root = NULL;
    if (size == 0)
        error_set(error, ERROR_FILES, "%s is empty", path);
    else
        root = json_read_text(text, size, path, error);
    free(text);
    return root;
}

json_t *json_name(const char *name)
{
    char *text = name_copy(name);
    json_t *string = text == NULL ? NULL : json_string(text);
    free(text);
    return string;
}
