/* Third-party code, alone in this file: it is compiled without warnings and without UBSan (it
 * shifts signed numbers to the left), but with ASan. */
#include "image_stb.h"

#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

#include <stb_easy_font.h>

int stb_text_rectangles(char *text, void *corners, int bytes)
{
    return stb_easy_font_print(0, 0, text, NULL, corners, bytes);
}

int stb_text_width(char *text)
{
    return stb_easy_font_width(text);
}
