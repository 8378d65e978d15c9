/* Third-party code, alone in this file: it is compiled without warnings and without UBSan (it
 * shifts signed numbers to the left), but with ASan. */
#include "image_stb.h"

#include <stdint.h>
#include <stdlib.h>

static _Thread_local size_t limit_bytes = SIZE_MAX;
static _Thread_local bool had_no_memory, was_over_limit;

static void *stb_allocate(void *pointer, size_t size)
{
    if (size > limit_bytes) {
        was_over_limit = true;
        return NULL;
    }
    void *memory = pointer == NULL ? calloc(1, size) : realloc(pointer, size);
    had_no_memory = had_no_memory || memory == NULL;
    return memory;
}

/* Memory is cleared: the Huffman tables that a JPEG uses without defining them are read otherwise
 * as what lay there before, and lead beyond their ends. Its assertions do not end the process. */
#define STBI_MALLOC(size)           stb_allocate(NULL, size)
#define STBI_REALLOC(pointer, size) stb_allocate(pointer, size)
#define STBI_FREE(pointer)          free(pointer)
#define STBI_ASSERT(condition)      ((void)0)

#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

#include <stb_easy_font.h>

void stb_begin(size_t limit)
{
    stbi__g_failure_reason = NULL;
    limit_bytes = limit;
    had_no_memory = was_over_limit = false;
}

bool stb_had_no_memory(void)
{
    return had_no_memory;
}

bool stb_was_over_limit(void)
{
    return was_over_limit;
}

int stb_text_rectangles(char *text, void *corners, int bytes)
{
    return stb_easy_font_print(0, 0, text, NULL, corners, bytes);
}

int stb_text_width(char *text)
{
    return stb_easy_font_width(text);
}
