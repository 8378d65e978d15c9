/* Third-party code, alone in this file: it is compiled without warnings and without UBSan (it
 * shifts signed numbers to the left), but with ASan. */
#include "image_stb.h"

#include <stdlib.h>

/* Memory is cleared: the Huffman tables that a JPEG uses without defining them are read otherwise
 * as what lay there before, and lead beyond their ends. Its assertions do not end the process. */
#define STBI_MALLOC(size)           calloc(1, size)
#define STBI_REALLOC(pointer, size) realloc(pointer, size)
#define STBI_FREE(pointer)          free(pointer)
#define STBI_ASSERT(condition)      ((void)0)

#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

#include <stb_easy_font.h>

void stb_forget_failure(void)
{
    stbi__g_failure_reason = NULL;
}

int stb_text_rectangles(char *text, void *corners, int bytes)
{
    return stb_easy_font_print(0, 0, text, NULL, corners, bytes);
}

int stb_text_width(char *text)
{
    return stb_easy_font_width(text);
}
