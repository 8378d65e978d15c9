/* Writes a data set of phantom cephalograms in the layout of Aariz: every picture and both readers'
 * landmarks are functions of the seed.
 *
 *     phantom --out DIR [--train N] [--valid N] [--test N] [--size PIXELS] [--seed N] [--overlay]
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stb_image_write.h>

#include "phantom.h"
#include "runtime/data/image.h"
#include "runtime/system/os.h"

typedef struct Options {
    const char *out;
    int32_t counts[3]; /* train, valid, test */
    int32_t size;      /* of the longer side, about */
    uint64_t seed;
    bool overlay; /* also DIR/overlay/ID.png with the landmarks drawn */
} Options;

static const char *const splits[3] = {"train", "valid", "test"};

/* The apparatus decides the size of a pixel and what of the head is on the picture. */
typedef struct Machine {
    const char *name;
    float width_mm, height_mm, fineness; /* fineness 1: --size pixels on the longer side */
} Machine;
static const Machine machines[] = {
    {"Phantom Alpha", 200, 235, 1.0f},
    {"Phantom Beta", 204, 228, 1.12f},
    {"Phantom Gamma", 210, 240, 0.9f},
    {"Phantom Delta, wide", 230, 232, 1.05f},
};
enum { MACHINE_COUNT = sizeof machines / sizeof machines[0] };

typedef enum Format { FORMAT_png, FORMAT_bmp, FORMAT_jpg, FORMAT_jpeg, FORMAT_COUNT } Format;
static const char *const extensions[FORMAT_COUNT] = {"png", "bmp", "jpg", "jpeg"};

/* One picture to be: which machine, which file. */
typedef struct Shot {
    char id[32];
    const Machine *machine;
    Format format;
    bool is_rgb;
    int32_t width, height;
    float mm_per_pixel;
    RandomKey key;
} Shot;

static Shot plan_shot(const Options *options, int split, int32_t number)
{
    RandomKey key = random_key(options->seed, RANDOM_PHANTOM, (uint64_t)split, (uint64_t)number);
    Shot shot = {.key = key};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (int i = 0; i < 12; i++)
        shot.id[i] = letters[random_bits(key, 1000 + (uint64_t)i) % 36];
    snprintf(shot.id + 12, sizeof shot.id - 12, "%c%04d", splits[split][0], number);
    shot.machine = &machines[random_bits(key, 1020) % MACHINE_COUNT];
    shot.format = (Format)(number % FORMAT_COUNT);
    shot.is_rgb = random_bits(key, 1021) % 2 == 0;
    float height = (float)options->size * shot.machine->fineness;
    shot.mm_per_pixel = shot.machine->height_mm / height;
    shot.height = (int32_t)height;
    shot.width = (int32_t)(shot.machine->width_mm / shot.mm_per_pixel);
    return shot;
}

/* ---- pictures -------------------------------------------------------------------------------- */

typedef struct Bytes {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
} Bytes;

static void put(void *context, void *data, int size)
{
    Bytes *bytes = context;
    size_t needed = bytes->size + (size_t)size;
    if (needed > bytes->capacity) {
        size_t capacity = 2 * needed;
        uint8_t *grown = realloc(bytes->data, capacity);
        bytes->failed = bytes->failed || grown == NULL;
        if (grown == NULL)
            return;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    memcpy(bytes->data + bytes->size, data, (size_t)size);
    bytes->size = needed;
}

static bool write_bytes(FILE *file, void *context)
{
    const Bytes *bytes = context;
    return fwrite(bytes->data, 1, bytes->size, file) == bytes->size;
}

static bool write_picture(const Image *image, Format format, const char *path, Error *error)
{
    if (format == FORMAT_png)
        return image_write_png(image, path, error);
    Bytes bytes = {0};
    int ok = format == FORMAT_bmp ? stbi_write_bmp_to_func(put, &bytes, image->width, image->height,
                                                           image->channels, image->pixels)
                                  : stbi_write_jpg_to_func(put, &bytes, image->width, image->height,
                                                           image->channels, image->pixels, 92);
    bool written = ok && !bytes.failed ? os_write_atomically(path, write_bytes, &bytes, error)
                                       : error_set(error, ERROR_MEMORY, "no memory for %s", path);
    free(bytes.data);
    return written;
}

static bool draw(const Shot *shot, const Patient *patient, Image *image, Error *error)
{
    Film film;
    *image = (Image){.pixels = malloc((size_t)shot->width * (size_t)shot->height),
                     .width = shot->width,
                     .height = shot->height,
                     .channels = 1};
    bool ok =
        image->pixels != NULL && film_create(&film, shot->width, shot->height, shot->mm_per_pixel);
    if (ok) {
        draw_head(&film, patient);
        Exposure exposure = {
            .contrast = 1.15f + 0.6f * random_uniform(shot->key, 1030),
            .brightness = 0.06f * (random_uniform(shot->key, 1031) - 0.3f),
            .grain = 0.015f + 0.025f * random_uniform(shot->key, 1032),
            .blur_mm = 0.15f + 0.25f * random_uniform(shot->key, 1033),
            .has_border = random_uniform(shot->key, 1034) < 0.35f,
            .key = shot->key,
        };
        ok = film_develop(&film, &exposure, image->pixels);
        film_free(&film);
    }
    return ok
           || error_set(error, ERROR_MEMORY, "no memory for a picture of %d x %d pixels",
                        shot->width, shot->height);
}

/* ---- annotations ----------------------------------------------------------------------------- */

/* Centre of the first pixel at (0, 0). */
static Spot to_pixels(const Shot *shot, const Patient *patient, int landmark)
{
    Spot film = place(patient, patient->points[landmark]);
    return (Spot){film.x / shot->mm_per_pixel - 0.5f, film.y / shot->mm_per_pixel - 0.5f};
}

typedef struct Reader {
    const char *folder;
    float deviation_mm; /* of a reader from the truth, in each direction */
} Reader;
static const Reader readers[2] = {{"Senior Orthodontists", 0.25f}, {"Junior Orthodontists", 0.45f}};

typedef struct Sheet {
    const Shot *shot;
    const Patient *patient;
    int reader;
} Sheet;

/* A landmark off the picture is set to its edge, as people do. */
static double within(double value, int32_t size)
{
    return value < 0 ? 0 : value > size - 1 ? size - 1 : value;
}

static bool write_sheet(FILE *file, void *context)
{
    const Sheet *sheet = context;
    const Shot *shot = sheet->shot;
    double deviation = readers[sheet->reader].deviation_mm / shot->mm_per_pixel;
    fprintf(file, "{\n  \"ceph_id\": \"%s\",\n  \"landmarks\": [", shot->id);
    for (int k = 0; k < LANDMARK_COUNT; k++) {
        Spot truth = to_pixels(shot, sheet->patient, k);
        uint64_t draw = 2000 + 100 * (uint64_t)sheet->reader + 2 * (uint64_t)k;
        double x = within(truth.x + deviation * random_normal(shot->key, draw), shot->width);
        double y = within(truth.y + deviation * random_normal(shot->key, draw + 1), shot->height);
        fprintf(file,
                "%s\n    {\"landmark_id\": \"%s-%02d\", \"title\": \"%s\", \"symbol\": \"%s\", "
                "\"value\": {\"x\": %.1f, \"y\": %.1f}}",
                k == 0 ? "" : ",", shot->id, k, landmarks[k].title, landmarks[k].symbol, x, y);
    }
    fprintf(file, "\n  ],\n  \"dataset_name\": \"phantom\"\n}\n");
    return !ferror(file);
}

static bool write_stage(FILE *file, void *context)
{
    const Shot *shot = context;
    return fprintf(file, "{\n  \"ceph_id\": \"%s\",\n  \"cvm_stage\": {\"value\": %u}\n}\n",
                   shot->id, 1 + random_bits(shot->key, 1040) % 6)
           > 0;
}

/* ---- the set --------------------------------------------------------------------------------- */

static bool write_overlay(const Options *options, const Shot *shot, const Patient *patient,
                          Image *image, Error *error)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/overlay/%s.png", options->out, shot->id);
    if (!image_make_rgb(image, error))
        return false;
    int32_t scale = options->size >= 1000 ? 2 : 1;
    for (int k = 0; k < LANDMARK_COUNT; k++) {
        Spot spot = to_pixels(shot, patient, k);
        image_draw_disc(image, spot.x, spot.y, 0.0035f * (float)options->size, 0x30FF60);
        image_draw_text(image, (int32_t)spot.x + 5, (int32_t)spot.y - 4, scale, 0xFFD040,
                        landmarks[k].symbol);
    }
    return image_write_png(image, path, error);
}

static bool write_shot(const Options *options, int split, int32_t number, Error *error)
{
    Shot shot = plan_shot(options, split, number);
    Patient patient = draw_patient(shot.key);
    patient.shift.x += (shot.machine->width_mm - 204) / 2; /* in the middle of its film */
    patient.shift.y += (shot.machine->height_mm - 235) / 2;
    char path[1024];
    Image image;
    bool ok =
        draw(&shot, &patient, &image, error) && (!shot.is_rgb || image_make_rgb(&image, error));
    snprintf(path, sizeof path, "%s/%s/Cephalograms/%s.%s", options->out, splits[split], shot.id,
             extensions[shot.format]);
    ok = ok && write_picture(&image, shot.format, path, error);
    for (int r = 0; ok && r < 2; r++) {
        snprintf(path, sizeof path, "%s/%s/Annotations/Cephalometric Landmarks/%s/%s.json",
                 options->out, splits[split], readers[r].folder, shot.id);
        ok = os_write_atomically(path, write_sheet, &(Sheet){&shot, &patient, r}, error);
    }
    snprintf(path, sizeof path, "%s/%s/Annotations/CVM Stages/%s.json", options->out, splits[split],
             shot.id);
    ok = ok && os_write_atomically(path, write_stage, &shot, error);
    ok = ok && (!options->overlay || write_overlay(options, &shot, &patient, &image, error));
    image_free(&image);
    return ok;
}

static bool write_mappings(FILE *file, void *context)
{
    const Options *options = context;
    fprintf(file, "\xEF\xBB\xBF"
                  "cephalogram_id,machine,pixel_size,image_format,mode\r\n");
    for (int split = 0; split < 3; split++) {
        for (int32_t i = 0; i < options->counts[split]; i++) {
            Shot shot = plan_shot(options, split, i);
            fprintf(file, "%s,\"%s\",%.6f,%s,%s\r\n", shot.id, shot.machine->name,
                    (double)shot.mm_per_pixel, extensions[shot.format], shot.is_rgb ? "RGB" : "L");
        }
    }
    return !ferror(file);
}

static bool make_folders(const Options *options, Error *error)
{
    static const char *const folders[] = {
        "Cephalograms",
        "Annotations/CVM Stages",
        "Annotations/Cephalometric Landmarks/Senior Orthodontists",
        "Annotations/Cephalometric Landmarks/Junior Orthodontists",
    };
    bool ok = true;
    char path[1024];
    for (int split = 0; split < 3; split++) {
        for (int i = 0; ok && i < 4; i++) {
            snprintf(path, sizeof path, "%s/%s/%s", options->out, splits[split], folders[i]);
            ok = os_make_folders(path, error);
        }
    }
    snprintf(path, sizeof path, "%s/overlay", options->out);
    return ok && (!options->overlay || os_make_folders(path, error));
}

static bool write_set(const Options *options, Error *error)
{
    char path[1024];
    bool ok = make_folders(options, error);
    snprintf(path, sizeof path, "%s/cephalogram_machine_mappings.csv", options->out);
    ok = ok && os_write_atomically(path, write_mappings, (void *)(uintptr_t)options, error);
    for (int split = 0; split < 3; split++)
        for (int32_t i = 0; ok && i < options->counts[split]; i++)
            ok = write_shot(options, split, i, error);
    return ok;
}

static bool read_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
    char *end;
    errno = 0;
    *number = text == NULL ? -1 : strtoll(text, &end, 10);
    return text != NULL && end != text && *end == '\0' && errno == 0 && *number >= least
           && *number <= most;
}

static bool read_options(int count, char **words, Options *options)
{
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        int64_t number = 0;
        int split = 0;
        while (split < 3
               && (strncmp(words[i], "--", 2) != 0 || strcmp(words[i] + 2, splits[split]) != 0))
            split++;
        if (strcmp(words[i], "--overlay") == 0) {
            options->overlay = true;
            continue;
        }
        if (strcmp(words[i], "--out") == 0 && value != NULL && strlen(value) < 700)
            options->out = value;
        else if (split < 3 && read_number(value, 0, 9999, &number))
            options->counts[split] = (int32_t)number;
        else if (strcmp(words[i], "--size") == 0 && read_number(value, 64, 4096, &number))
            options->size = (int32_t)number;
        else if (strcmp(words[i], "--seed") == 0 && read_number(value, 0, INT64_MAX, &number))
            options->seed = (uint64_t)number;
        else
            return false;
        i++;
    }
    return options->out != NULL;
}

int main(int argument_count, char **arguments)
{
    Options options = {.counts = {24, 6, 6}, .size = 1024, .seed = 1};
    if (!read_options(argument_count, arguments, &options)) {
        fprintf(stderr,
                "usage: phantom --out DIR [--train N] [--valid N] [--test N] [--size PIXELS] "
                "[--seed N] [--overlay]\n");
        return ERROR_USAGE;
    }
    Error error = {0};
    if (write_set(&options, &error))
        return 0;
    error_print(&error);
    return error.status;
}
