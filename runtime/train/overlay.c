/* Pictures of predictions: truth green, prediction red, a yellow line between them. */
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "runtime/system/os.h"

/* The mean of the pixels that fall into each of the smaller picture, which is `factor` times
 * smaller. */
static bool shrink(Image *image, float factor, Error *error)
{
    Image small = {
        .width = (int32_t)((float)image->width / factor),
        .height = (int32_t)((float)image->height / factor),
        .channels = 3,
    };

    small.width = small.width > 0 ? small.width : 1;
    small.height = small.height > 0 ? small.height : 1;
    small.pixels = malloc((size_t)small.width * (size_t)small.height * 3);
    if (small.pixels == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for a picture of %dx%d", small.width,
                         small.height);
    for (int32_t y = 0; y < small.height; y++) {
        int64_t top = (int64_t)y * image->height / small.height;
        int64_t bottom = (int64_t)(y + 1) * image->height / small.height;
        for (int32_t x = 0; x < small.width; x++) {
            int64_t left = (int64_t)x * image->width / small.width;
            int64_t right = (int64_t)(x + 1) * image->width / small.width;
            int64_t sums[3] = {0}, count = (bottom - top) * (right - left);
            for (int64_t j = top; j < bottom; j++)
                for (int64_t i = left; i < right; i++)
                    for (int c = 0; c < 3; c++)
                        sums[c] += image->pixels[3 * (j * image->width + i) + c];
            for (int c = 0; c < 3; c++)
                small.pixels[3 * ((int64_t)y * small.width + x) + c] =
                    (uint8_t)((sums[c] + count / 2) / count);
        }
    }
    image_free(image);
    *image = small;
    return true;
}

/* A point's place in the shrunk picture: centres of pixels stay centres. */
static float place(float x, float factor)
{
    return (x + 0.5f) / factor - 0.5f;
}

bool overlay_draw(const Predictions *predictions, int32_t item, int32_t most_pixels, Image *image,
                  Error *error)
{
    static const uint32_t truth_color = 0x30d050, guess_color = 0xff4040, link_color = 0xffd030;
    const Dataset *dataset = predictions->dataset;
    const Item *entry = &dataset->items[item];

    *image = (Image){0};
    if (!image_read(image, entry->image_path, dataset->bits, error)
        || !image_make_rgb(image, error))
        return false;
    int32_t side = image->width > image->height ? image->width : image->height;
    float factor = most_pixels > 0 && side > most_pixels ? (float)side / (float)most_pixels : 1;
    if (factor > 1 && !shrink(image, factor, error))
        return false;
    float radius = (float)side / factor / 260.0f;
    radius = radius < 2 ? 2 : radius;
    for (int32_t k = 0; k < dataset->point_count; k++) {
        const Point *truth = &entry->points[k];
        const Prediction *guess = &predictions->points[(int64_t)item * dataset->point_count + k];
        float x = place(guess->x, factor), y = place(guess->y, factor);
        if (truth->weight > 0) {
            float true_x = place(truth->x, factor), true_y = place(truth->y, factor);
            image_draw_line(image, true_x, true_y, x, y, radius / 2, link_color);
            image_draw_disc(image, true_x, true_y, radius, truth_color);
        }
        image_draw_disc(image, x, y, radius * 0.8f, guess_color);
    }
    return true;
}

bool overlays_check(const Dataset *dataset, const char *folder, Error *error)
{
    for (int32_t i = 0; i < dataset->item_count; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s.png", dataset->items[i].id);
        char *path = os_join(folder, name);
        if (path == NULL)
            return error_set(error, ERROR_MEMORY, "no memory for a path");
        bool is_input = os_same_file(path, dataset->items[i].image_path);
        free(path);
        if (is_input) {
            error_set(error, ERROR_USAGE, "the overlays would replace the pictures in %s", folder);
            return error_hint(error, "--save_dir names another folder");
        }
    }
    return true;
}

bool overlays_write(const Predictions *predictions, int32_t count, int32_t most_pixels,
                    const char *folder, Error *error)
{
    const Dataset *dataset = predictions->dataset;
    bool ok = count <= 0 || os_make_folders(folder, error);

    for (int32_t i = 0; ok && i < dataset->item_count && i < count; i++) {
        char name[512];
        Image image = {0};
        if (!predictions->is_done[i])
            continue;
        snprintf(name, sizeof name, "%s.png", dataset->items[i].id);
        char *path = os_join(folder, name);
        ok = path != NULL ? overlay_draw(predictions, i, most_pixels, &image, error)
                                && image_write_png(&image, path, error)
                          : error_set(error, ERROR_MEMORY, "no memory for a path");
        image_free(&image);
        free(path);
    }
    return ok;
}
