/* Any bytes as a picture: it is refused with a reason, or every pixel of it is there. */
#include <stdlib.h>
#include <string.h>

#include "runtime/data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* stb_image.h */
int stbi_info_from_memory(const uint8_t *bytes, int length, int *width, int *height, int *channels);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    enum { MOST_PIXELS = 4000000 }; /* larger ones take time and find nothing else */
    int width, height, channels;
    bool is_small = length < 1 << 20;
    if (is_small && stbi_info_from_memory(bytes, (int)length, &width, &height, &channels))
        is_small = (int64_t)width * height <= MOST_PIXELS;
    if (!is_small)
        return 0;
    Image image;
    Error error = {0};
    if (!image_decode(&image, bytes, (int64_t)length, 0, "fuzz", &error)) {
        if (image.pixels != NULL || error.status == 0 || error.why[0] == '\0')
            abort();
        return 0;
    }
    volatile uint8_t sum = 0;
    for (int64_t i = 0; i < (int64_t)image.width * image.height * image.channels; i++)
        sum = (uint8_t)(sum + image.pixels[i]);
    image_free(&image);
    return 0;
}
