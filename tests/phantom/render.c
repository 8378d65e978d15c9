/* A radiograph from shapes: each adds absorption to the film, as matter along a ray does.
 *
 * A shape is a closed smooth curve. What it adds depends on the distance to its edge alone, which
 * is kept for a band around the curve; so bone gets its bright rim, and soft parts fade in.
 *
 *      absorption        rim
 *          |           .''.
 *          |          /    '----------  body
 *          |_________/
 *                  edge
 */
#include "phantom.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 10, MAX_LINE = 1024 }; /* straight pieces a spot; points of a curve */

#define FAR 14.0f /* mm: distances are not looked at beyond */

bool film_create(Film *film, int32_t width, int32_t height, float mm_per_pixel)
{
    size_t count = (size_t)width * (size_t)height;
    *film = (Film){.width = width, .height = height, .mm_per_pixel = mm_per_pixel};
    film->bone = calloc(count, sizeof(float));
    film->soft = calloc(count, sizeof(float));
    film->distance = calloc(count, sizeof(float));
    return film->bone != NULL && film->soft != NULL && film->distance != NULL;
}

void film_free(Film *film)
{
    free(film->bone);
    free(film->soft);
    free(film->distance);
    *film = (Film){0};
}

/* ---- curves ---------------------------------------------------------------------------------- */

static float spline(float a, float b, float c, float d, float t)
{
    return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/* The curve as a line in pixels; how many points. */
static int trace(const Film *film, const Spot *spots, int count, bool is_closed, Spot *line)
{
    int pieces = is_closed ? count : count - 1, n = 0;
    for (int i = 0; i < pieces; i++) {
        const Spot *p[4];
        for (int k = 0; k < 4; k++) {
            int at = i + k - 1;
            if (is_closed)
                at = (at + count) % count;
            p[k] = &spots[at < 0 ? 0 : at >= count ? count - 1 : at];
        }
        for (int s = 0; s < STEPS && n < MAX_LINE - 1; s++) {
            float t = (float)s / STEPS;
            Spot spot = {spline(p[0]->x, p[1]->x, p[2]->x, p[3]->x, t),
                         spline(p[0]->y, p[1]->y, p[2]->y, p[3]->y, t)};
            line[n++] = place(film->patient, spot);
        }
    }
    line[n++] = place(film->patient, spots[is_closed ? 0 : count - 1]);
    for (int i = 0; i < n; i++) {
        line[i].x = line[i].x / film->mm_per_pixel - 0.5f;
        line[i].y = line[i].y / film->mm_per_pixel - 0.5f;
    }
    return n;
}

typedef struct Box {
    int32_t left, top, right, bottom; /* right and bottom excluded */
} Box;

static int32_t clamp(float value, int32_t last)
{
    return value < 0 ? 0 : value > (float)last ? last : (int32_t)value;
}

static Box box_of(const Film *film, const Spot *line, int count, float margin)
{
    float left = 1e9f, top = 1e9f, right = -1e9f, bottom = -1e9f;
    for (int i = 0; i < count; i++) {
        left = fminf(left, line[i].x);
        right = fmaxf(right, line[i].x);
        top = fminf(top, line[i].y);
        bottom = fmaxf(bottom, line[i].y);
    }
    return (Box){clamp(left - margin, film->width), clamp(top - margin, film->height),
                 clamp(right + margin + 2, film->width), clamp(bottom + margin + 2, film->height)};
}

/* The distance to the line in mm, for pixels of the box nearer than reach; else `reach`. */
static void measure_distance(Film *film, const Spot *line, int count, Box box, float reach)
{
    for (int32_t y = box.top; y < box.bottom; y++)
        for (int32_t x = box.left; x < box.right; x++)
            film->distance[(int64_t)y * film->width + x] = reach;
    float scale = film->mm_per_pixel;
    for (int i = 0; i + 1 < count; i++) {
        Spot a = line[i], d = {line[i + 1].x - a.x, line[i + 1].y - a.y};
        float length2 = fmaxf(d.x * d.x + d.y * d.y, 1e-9f);
        Box near = box_of(film, line + i, 2, reach / scale);
        for (int32_t y = near.top; y < near.bottom; y++) {
            float *row = film->distance + (int64_t)y * film->width;
            for (int32_t x = near.left; x < near.right; x++) {
                float px = (float)x - a.x, py = (float)y - a.y;
                float t = (px * d.x + py * d.y) / length2;
                t = t < 0 ? 0 : t > 1 ? 1 : t;
                px -= t * d.x;
                py -= t * d.y;
                float distance = scale * sqrtf(px * px + py * py);
                row[x] = distance < row[x] ? distance : row[x];
            }
        }
    }
}

static int compare_floats(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* Turns the distance of pixels inside the closed line negative (even-odd rule, row by row). */
static void negate_inside(Film *film, const Spot *line, int count, Box box)
{
    for (int32_t y = box.top; y < box.bottom; y++) {
        float crossings[MAX_LINE];
        int n = 0;
        for (int i = 0; i + 1 < count; i++) {
            Spot a = line[i], b = line[i + 1];
            if ((a.y <= (float)y) != (b.y <= (float)y))
                crossings[n++] = a.x + ((float)y - a.y) / (b.y - a.y) * (b.x - a.x);
        }
        qsort(crossings, (size_t)n, sizeof *crossings, compare_floats);
        for (int i = 0; i + 1 < n; i += 2) {
            int32_t from = clamp(ceilf(crossings[i]), film->width);
            int32_t to = clamp(floorf(crossings[i + 1]) + 1, film->width);
            for (int32_t x = from; x < to; x++)
                film->distance[(int64_t)y * film->width + x] *= -1;
        }
    }
}

/* 0 below 0, 1 above 1, smooth in between. */
static float smooth_step(float t)
{
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return t * t * (3 - 2 * t);
}

/* How long a ray runs in a round body, t of its radius from the edge; 1 from the middle on. */
static float chord(float t)
{
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return sqrtf(t * (2 - t));
}

void film_fill(Film *film, float *layer, const Spot *spots, int count, Substance substance)
{
    Spot line[MAX_LINE];
    int n = trace(film, spots, count, true, line);
    float edge = 0.6f * film->mm_per_pixel;
    Box box = box_of(film, line, n, 2);
    measure_distance(film, line, n, box, FAR);
    negate_inside(film, line, n, box);
    for (int32_t y = box.top; y < box.bottom; y++) {
        for (int32_t x = box.left; x < box.right; x++) {
            int64_t at = (int64_t)y * film->width + x;
            float depth = -film->distance[at];
            if (depth < -edge)
                continue;
            float amount = substance.body * chord((depth + edge) / (substance.ramp + 2 * edge));
            if (substance.rim_width > 0) {
                float off = (depth - substance.rim_width / 2) / (substance.rim_width / 2);
                amount += substance.rim * expf(-off * off);
            }
            layer[at] += amount * smooth_step((depth + edge) / (2 * edge));
        }
    }
}

void film_stroke(Film *film, float *layer, const Spot *spots, int count, bool is_closed,
                 float width, float amount)
{
    Spot line[MAX_LINE];
    int n = trace(film, spots, count, is_closed, line);
    float reach = width + film->mm_per_pixel;
    Box box = box_of(film, line, n, reach / film->mm_per_pixel);
    measure_distance(film, line, n, box, reach);
    for (int32_t y = box.top; y < box.bottom; y++) {
        for (int32_t x = box.left; x < box.right; x++) {
            int64_t at = (int64_t)y * film->width + x;
            float off = film->distance[at] / (0.6f * width);
            if (film->distance[at] < reach)
                layer[at] += amount * expf(-off * off);
        }
    }
}

void film_cloud(Film *film, float *layer, Spot middle, float radius_x, float radius_y, float amount)
{
    Spot placed = place(film->patient, middle);
    float scale = film->mm_per_pixel;
    Spot corners[2] = {
        {(placed.x - 2.5f * radius_x) / scale, (placed.y - 2.5f * radius_y) / scale},
        {(placed.x + 2.5f * radius_x) / scale, (placed.y + 2.5f * radius_y) / scale}};
    Box box = box_of(film, corners, 2, 0);
    for (int32_t y = box.top; y < box.bottom; y++) {
        for (int32_t x = box.left; x < box.right; x++) {
            float u = (((float)x + 0.5f) * scale - placed.x) / radius_x;
            float v = (((float)y + 0.5f) * scale - placed.y) / radius_y;
            layer[(int64_t)y * film->width + x] += amount * expf(-u * u - v * v);
        }
    }
}

/* ---- developing ------------------------------------------------------------------------------ */

/* Smooth noise, -1 .. 1, one free value each `size` mm. */
static float value_noise(RandomKey key, float x, float y, float size)
{
    float u = x / size + 1000, v = y / size + 1000;
    uint32_t column = (uint32_t)u, row = (uint32_t)v;
    float s = smooth_step(u - (float)column), t = smooth_step(v - (float)row), corner[4];
    for (uint32_t k = 0; k < 4; k++) {
        uint32_t h = (column + (k & 1)) * 0x9E3779B1u ^ (row + (k >> 1)) * 0x85EBCA77u ^ key.key[0];
        h = (h ^ h >> 15) * 0x2C1B3C6Du;
        h = (h ^ h >> 12) * 0x297A2D39u;
        corner[k] = (float)(h >> 8) * 0x1p-23f - 1;
    }
    float upper = corner[0] + s * (corner[1] - corner[0]);
    float lower = corner[2] + s * (corner[3] - corner[2]);
    return upper + t * (lower - upper);
}

/* Spongy bone: four sizes of noise. */
static float trabeculae(RandomKey key, float x, float y)
{
    RandomKey other = {{key.key[0] ^ 0x55555555u, key.key[1]}};
    return 0.4f * value_noise(other, x + 90, y, 14) + 0.5f * value_noise(key, x, y, 3.1f)
           + 0.4f * value_noise(other, x, y, 1.3f) + 0.35f * value_noise(key, x + 50, y, 0.7f);
}

/* A Gaussian over rows, then columns. */
static bool soften(float *values, int32_t width, int32_t height, float sigma)
{
    enum { MOST = 24 };
    int radius = (int)ceilf(2.5f * sigma);
    radius = radius > MOST ? MOST : radius;
    if (sigma < 0.3f)
        return true;
    float weights[MOST + 1], sum = 0;
    for (int k = 0; k <= radius; k++) {
        weights[k] = expf(-0.5f * (float)(k * k) / (sigma * sigma));
        sum += k == 0 ? weights[k] : 2 * weights[k];
    }
    int32_t longest = width > height ? width : height;
    float *line = malloc((size_t)longest * sizeof *line);
    if (line == NULL)
        return false;
    for (int direction = 0; direction < 2; direction++) {
        int32_t n = direction == 0 ? width : height, lines = direction == 0 ? height : width;
        int64_t stride = direction == 0 ? 1 : width, next = direction == 0 ? width : 1;
        for (int32_t i = 0; i < lines; i++) {
            float *start = values + i * next;
            for (int32_t k = 0; k < n; k++)
                line[k] = start[k * stride];
            for (int32_t k = 0; k < n; k++) {
                float total = 0;
                for (int j = -radius; j <= radius; j++) {
                    int32_t at = k + j < 0 ? 0 : k + j >= n ? n - 1 : k + j;
                    total += weights[j < 0 ? -j : j] * line[at];
                }
                start[k * stride] = total / sum;
            }
        }
    }
    free(line);
    return true;
}

/* Light left after absorption darkens the film; scattered light adds a veil that is brightest in
 * the middle; grain is coarser where the film is dark. */
bool film_develop(const Film *film, const Exposure *exposure, uint8_t *grey)
{
    int32_t width = film->width, height = film->height;
    float *light = film->distance; /* its time is over */
    float mm = film->mm_per_pixel;
    float border = exposure->has_border ? 4 + 5 * random_uniform(exposure->key, 1) : -1;
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            int64_t at = (int64_t)y * width + x;
            float u = (float)x * mm, v = (float)y * mm;
            float bone = film->bone[at] * (1 + 0.22f * trabeculae(exposure->key, u, v));
            float soft = film->soft[at] * (1 + 0.06f * value_noise(exposure->key, u, v, 9));
            float total = fmaxf(bone + soft, 0);
            float value = 1 - expf(-exposure->contrast * total);
            float from_middle =
                hypotf(u / (mm * (float)width) - 0.5f, v / (mm * (float)height) - 0.5f);
            value += 0.05f * (0.5f - from_middle) + exposure->brightness;
            float edge = fminf(fminf(u, v), fminf((float)width * mm - u, (float)height * mm - v));
            light[at] = value * (edge < border ? 0.04f : 1);
        }
    }
    if (!soften(light, width, height, exposure->blur_mm / mm))
        return false;
    RandomKey grain_key = {{exposure->key.key[0], exposure->key.key[1] + 1}};
    for (int64_t i = 0; i < (int64_t)width * height; i++) {
        float grain = exposure->grain * random_normal(grain_key, (uint64_t)i);
        float value = 255 * (light[i] + grain * (1.2f - 0.6f * light[i]));
        grey[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5f);
    }
    return true;
}
