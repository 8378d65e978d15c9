/* Generalised Procrustes analysis (Gower, 1975) of the landmarks, with points as complex numbers:
 * a similarity is z -> a z + b, and its least-squares fit onto the mean shape m is
 *
 *     a = sum conj(z - z') (m - m') / sum |z - z'|^2        b = m' - a z'
 *
 * where z' and m' are means over the points that the picture has. It is fitted again and again with
 * weights that fall with a point's distance.
 */
#include "outliers.h"

#include <math.h>
#include <stdlib.h>

typedef struct Spot {
    double x, y;
} Spot;

/* All pictures of all sets in one list. */
typedef struct Shapes {
    const Dataset *const *sets;
    int32_t set_count;
    int32_t item_count, point_count;
    Spot *mean;    /* {point_count} */
    Spot *placed;  /* {item_count, point_count}: on the mean shape; NaN where a point is missing */
    double *usual; /* {point_count}: median distance from the mean shape */
    double *scratch; /* {item_count} */
} Shapes;

static const Item *item_at(const Shapes *shapes, int32_t item, int32_t *set)
{
    for (*set = 0; item >= shapes->sets[*set]->item_count; ++*set)
        item -= shapes->sets[*set]->item_count;
    return &shapes->sets[*set]->items[item];
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/* A picture takes part with at least half of its points, and two. */
static bool is_usable(const Item *item, int32_t point_count)
{
    int32_t count = 0;

    for (int32_t k = 0; k < point_count; k++)
        count += item->points[k].weight > 0;
    return count >= 2 && 2 * count >= point_count;
}

/* z -> a z + b */
typedef struct Similarity {
    Spot a, b;
} Similarity;

static Spot apply(Similarity map, const Point *p)
{
    double x = (double)p->x, y = (double)p->y;
    return (Spot){map.a.x * x - map.a.y * y + map.b.x, map.a.x * y + map.a.y * x + map.b.y};
}

/* The weighted least-squares similarity from the points onto the mean shape. */
static Similarity fit(const Shapes *shapes, const Point *points, const double *weights)
{
    Spot from = {0, 0}, to = {0, 0}, a = {0, 0};
    double total = 0, norm = 0;

    for (int32_t k = 0; k < shapes->point_count; k++) {
        from.x += weights[k] * (double)points[k].x;
        from.y += weights[k] * (double)points[k].y;
        to.x += weights[k] * shapes->mean[k].x;
        to.y += weights[k] * shapes->mean[k].y;
        total += weights[k];
    }
    from = (Spot){from.x / total, from.y / total};
    to = (Spot){to.x / total, to.y / total};
    for (int32_t k = 0; k < shapes->point_count; k++) {
        double x = (double)points[k].x - from.x, y = (double)points[k].y - from.y;
        double u = shapes->mean[k].x - to.x, v = shapes->mean[k].y - to.y;
        a.x += weights[k] * (x * u + y * v);
        a.y += weights[k] * (x * v - y * u);
        norm += weights[k] * (x * x + y * y);
    }
    a = (Spot){a.x / norm, a.y / norm};
    return (Similarity){
        a,
        {to.x - (a.x * from.x - a.y * from.y), to.y - (a.x * from.y + a.y * from.x)}};
}

/* Points that fit badly count less at the next fit: one wrong point does not drag the others off.
 */
static void weigh(const Shapes *shapes, const Point *points, Similarity map, double *weights)
{
    double distances[DATA_MAX_POINTS], sorted[DATA_MAX_POINTS];
    int32_t count = 0;

    for (int32_t k = 0; k < shapes->point_count; k++) {
        Spot spot = apply(map, &points[k]);
        distances[k] = hypot(spot.x - shapes->mean[k].x, spot.y - shapes->mean[k].y);
        if (points[k].weight > 0)
            sorted[count++] = distances[k];
    }
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    double usual = 2 * sorted[count / 2];
    for (int32_t k = 0; k < shapes->point_count; k++)
        if (points[k].weight > 0 && usual > 0)
            weights[k] = 1 / pow(1 + pow(distances[k] / usual, 2), 2);
}

/* Places the picture's points on the mean shape; missing ones as NaN, and all of a picture that has
 * too few. */
static void place(Shapes *shapes, int32_t i)
{
    enum { FITS = 8 };
    int32_t set;
    const Item *item = item_at(shapes, i, &set);
    Spot *placed = &shapes->placed[(int64_t)i * shapes->point_count];
    double weights[DATA_MAX_POINTS];
    Similarity map = {{0, 0}, {0, 0}};
    bool is_in = is_usable(item, shapes->point_count);

    for (int32_t k = 0; k < shapes->point_count; k++)
        weights[k] = item->points[k].weight > 0;
    for (int round = 0; is_in && round < FITS; round++) {
        map = fit(shapes, item->points, weights);
        weigh(shapes, item->points, map, weights);
    }
    for (int32_t k = 0; k < shapes->point_count; k++)
        placed[k] =
            is_in && item->points[k].weight > 0 ? apply(map, &item->points[k]) : (Spot){NAN, NAN};
}

/* The mean of the placed points, moved to the origin and brought to size 1. */
static void take_mean(Shapes *shapes)
{
    Spot middle = {0, 0};
    double size = 0;

    for (int32_t k = 0; k < shapes->point_count; k++) {
        Spot sum = {0, 0};
        int32_t count = 0;
        for (int32_t i = 0; i < shapes->item_count; i++) {
            Spot spot = shapes->placed[(int64_t)i * shapes->point_count + k];
            if (isnan(spot.x))
                continue;
            sum.x += spot.x;
            sum.y += spot.y;
            count++;
        }
        if (count > 0)
            shapes->mean[k] = (Spot){sum.x / count, sum.y / count};
        middle.x += shapes->mean[k].x / shapes->point_count;
        middle.y += shapes->mean[k].y / shapes->point_count;
    }
    for (int32_t k = 0; k < shapes->point_count; k++) {
        shapes->mean[k].x -= middle.x;
        shapes->mean[k].y -= middle.y;
        size += shapes->mean[k].x * shapes->mean[k].x + shapes->mean[k].y * shapes->mean[k].y;
    }
    for (int32_t k = 0; size > 0 && k < shapes->point_count; k++) {
        shapes->mean[k].x /= sqrt(size);
        shapes->mean[k].y /= sqrt(size);
    }
}

/* Starts from the first picture that has all points. False: there is none. */
static bool start_mean(Shapes *shapes)
{
    for (int32_t i = 0; i < shapes->item_count; i++) {
        int32_t set, k = 0;
        const Point *points = item_at(shapes, i, &set)->points;
        for (; k < shapes->point_count && points[k].weight > 0; k++)
            shapes->mean[k] = (Spot){(double)points[k].x, (double)points[k].y};
        if (k == shapes->point_count)
            return true;
    }
    return false;
}

static double off(const Shapes *shapes, int32_t i, int32_t from, int32_t to)
{
    Spot spot = shapes->placed[(int64_t)i * shapes->point_count + from];
    return hypot(spot.x - shapes->mean[to].x, spot.y - shapes->mean[to].y);
}

static void take_usual(Shapes *shapes)
{
    for (int32_t k = 0; k < shapes->point_count; k++) {
        int32_t count = 0;
        for (int32_t i = 0; i < shapes->item_count; i++) {
            double distance = off(shapes, i, k, k);
            if (!isnan(distance))
                shapes->scratch[count++] = distance;
        }
        qsort(shapes->scratch, (size_t)count, sizeof *shapes->scratch, by_value);
        shapes->usual[k] = count > 0 ? shapes->scratch[count / 2] : 0;
    }
}

/* The point whose place this one has while this one's place is that one's; -1: none. Only points
 * that are far from their own places are asked. */
static int32_t find_swapped(const Shapes *shapes, int32_t i, int32_t k)
{
    for (int32_t other = 0; other < shapes->point_count; other++) {
        if (other == k || !(off(shapes, i, other, other) > SHAPE_LIMIT * shapes->usual[other]))
            continue;
        if (off(shapes, i, k, other) < 0.5 * off(shapes, i, k, k)
            && off(shapes, i, other, k) < 0.5 * off(shapes, i, other, other))
            return other;
    }
    return -1;
}

static int32_t list_faults(const Shapes *shapes, ShapeFault *faults, int32_t most)
{
    int32_t count = 0, set = 0;

    for (int32_t i = 0; i < shapes->item_count; i++) {
        const Item *item = item_at(shapes, i, &set);
        for (int32_t k = 0; k < shapes->point_count; k++) {
            double distance = off(shapes, i, k, k);
            if (!(distance > SHAPE_LIMIT * shapes->usual[k]) || !(shapes->usual[k] > 0))
                continue;
            int32_t other = find_swapped(shapes, i, k);
            if (other >= 0 && other < k)
                continue; /* told with the other one */
            if (count < most)
                faults[count] = (ShapeFault){set, (int32_t)(item - shapes->sets[set]->items), k,
                                             other, distance / shapes->usual[k]};
            count++;
        }
    }
    return count;
}

int32_t shapes_check(const Dataset *const *sets, int32_t set_count, ShapeFault *faults,
                     int32_t most)
{
    enum { ROUNDS = 4 };
    Shapes shapes = {.sets = sets, .set_count = set_count};
    int32_t count = -1;

    for (int32_t s = 0; s < set_count; s++)
        shapes.item_count += sets[s]->item_count;
    if (shapes.item_count < SHAPE_LEAST_ITEMS)
        return 0;
    shapes.point_count = sets[0]->point_count;
    size_t items = (size_t)shapes.item_count, points = (size_t)shapes.point_count;
    shapes.mean = calloc(points, sizeof *shapes.mean);
    shapes.placed = calloc(items * points, sizeof *shapes.placed);
    shapes.usual = calloc(points, sizeof *shapes.usual);
    shapes.scratch = calloc(items, sizeof *shapes.scratch);
    if (shapes.mean && shapes.placed && shapes.usual && shapes.scratch) {
        count = 0;
        if (start_mean(&shapes)) {
            for (int round = 0; round < ROUNDS; round++) {
                for (int32_t i = 0; i < shapes.item_count; i++)
                    place(&shapes, i);
                take_mean(&shapes);
            }
            take_usual(&shapes);
            count = list_faults(&shapes, faults, most);
        }
    }
    free(shapes.mean);
    free(shapes.placed);
    free(shapes.usual);
    free(shapes.scratch);
    return count;
}
