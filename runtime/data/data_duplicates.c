/* Which pictures of a data set are the same? Equal by pixel, whatever their formats: Aariz has 18
 * such pairs, 6 of them across splits, where the test then knows what was trained on.
 *
 * Only pictures of equal size can be equal, and sizes are cheap to read; of the others the pixels
 * are decoded and hashed, on all processors.
 */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "data.h"
#include "image.h"
#include "runtime/system/os.h"

typedef struct Entry {
    const Dataset *set;
    const Item *item;
    int32_t number;        /* in the order of sets and items */
    int32_t width, height; /* 0: unreadable, equal to nothing */
    uint64_t hash;
    bool is_alone; /* no other picture has its size */
} Entry;

typedef struct Work {
    Entry *entries;
    int32_t count, next;
    void (*measure)(Entry *entry);
    OsMutex *mutex;
} Work;

static void measure_size(Entry *entry)
{
    Image image;
    Error ignored = {0};
    if (!image_read_size(&image, entry->item->image_path, &ignored))
        return;
    entry->width = image.width;
    entry->height = image.height;
}

static void measure_pixels(Entry *entry)
{
    Image image;
    Error ignored = {0};
    if (entry->width == 0 || entry->is_alone)
        return;
    if (!image_read(&image, entry->item->image_path, entry->set->bits, &ignored)) {
        entry->width = 0;
        return;
    }
    size_t bytes = (size_t)image.width * (size_t)image.height * (size_t)image.channels;
    entry->hash = XXH3_64bits_withSeed(image.pixels, bytes, (uint64_t)image.channels);
    image_free(&image);
}

static void work(void *context)
{
    Work *shared = context;
    for (;;) {
        os_mutex_lock(shared->mutex);
        int32_t i = shared->next++;
        os_mutex_unlock(shared->mutex);
        if (i >= shared->count)
            return;
        shared->measure(&shared->entries[i]);
    }
}

/* Calls measure for each entry, on all processors; the caller is one of them. */
static void measure_all(Work *shared, void (*measure)(Entry *entry))
{
    enum { MOST = 64 };
    OsThread *threads[MOST];
    int count = os_processor_count() - 1;
    count = count > MOST ? MOST : count;
    shared->next = 0;
    shared->measure = measure;
    for (int i = 0; i < count; i++)
        threads[i] = os_thread_start(work, shared);
    work(shared);
    for (int i = 0; i < count; i++)
        os_thread_join(threads[i]);
}

static int compare_three_ways(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Equal pictures come together, in the order of their numbers. */
static int compare_entries(const void *a, const void *b)
{
    const Entry *left = a, *right = b;
    int order = compare_three_ways((uint64_t)left->width, (uint64_t)right->width);
    if (order == 0)
        order = compare_three_ways((uint64_t)left->height, (uint64_t)right->height);
    if (order == 0)
        order = compare_three_ways(left->hash, right->hash);
    return order != 0 ? order : left->number - right->number;
}

static bool have_equal_size(const Entry *a, const Entry *b)
{
    return a->width != 0 && a->width == b->width && a->height == b->height;
}

static bool are_equal(const Entry *a, const Entry *b)
{
    return have_equal_size(a, b) && a->hash == b->hash;
}

/* "train/a = valid/b" for each group of equal pictures. Requires: sorted. */
static bool tell_groups(const Entry *entries, int32_t count,
                        bool (*tell)(void *context, const char *line), void *context)
{
    bool ok = true;
    for (int32_t first = 0, last; ok && first < count; first = last) {
        for (last = first + 1; last < count && are_equal(&entries[first], &entries[last]);)
            last++;
        if (last == first + 1)
            continue;
        char line[1024] = "equal pictures:";
        for (int32_t i = first; i < last; i++) {
            size_t used = strlen(line);
            snprintf(line + used, sizeof line - used, "%s%s/%s", i == first ? " " : " = ",
                     entries[i].set->split, entries[i].item->id);
        }
        ok = tell(context, line);
    }
    return ok;
}

bool dataset_find_duplicates(const Dataset *const *sets, int32_t set_count,
                             bool (*tell)(void *context, const char *line), void *context,
                             Error *error)
{
    int32_t count = 0, number = 0;
    for (int32_t s = 0; s < set_count; s++)
        count += sets[s]->item_count;
    Work shared = {.entries = calloc((size_t)count + 1, sizeof(Entry)),
                   .count = count,
                   .mutex = os_mutex_create()};
    bool ok = shared.entries != NULL && shared.mutex != NULL;
    if (ok) {
        Entry *entries = shared.entries;
        for (int32_t s = 0; s < set_count; s++)
            for (int32_t i = 0; i < sets[s]->item_count; i++, number++)
                entries[number] =
                    (Entry){.set = sets[s], .item = &sets[s]->items[i], .number = number};
        measure_all(&shared, measure_size);
        qsort(entries, (size_t)count, sizeof *entries, compare_entries);
        for (int32_t i = 0; i < count; i++)
            entries[i].is_alone =
                !(i > 0 && have_equal_size(&entries[i - 1], &entries[i]))
                && !(i + 1 < count && have_equal_size(&entries[i], &entries[i + 1]));
        measure_all(&shared, measure_pixels);
        qsort(entries, (size_t)count, sizeof *entries, compare_entries);
        ok = tell_groups(entries, count, tell, context)
             || error_set(error, ERROR_MEMORY, "no memory for what was found");
    } else {
        error_set(error, ERROR_MEMORY, "no memory to compare %d pictures", count);
    }
    os_mutex_destroy(shared.mutex);
    free(shared.entries);
    return ok;
}
