/* An event file is a sequence of records
 *
 *     u64 length | u32 masked crc of the length | bytes | u32 masked crc of the bytes
 *
 * whose bytes are protocol buffers of type Event: wall_time = 1 (double), step = 2 (varint),
 * file_version = 3 (text), summary = 5, session_log = 7. Summary: value = 1; Value: tag = 1 (text),
 * simple_value = 2 (float). SessionLog: status = 1; START is 1: TensorBoard drops what an earlier
 * file holds from that step on.
 */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/os.h"

/* Castagnoli's polynomial, reflected. */
uint32_t events_crc32c(const uint8_t *bytes, size_t size)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1)));
    }
    return ~crc;
}

/* TFRecord's mask: a checksum of bytes that hold checksums stays good. */
static uint32_t masked_crc(const uint8_t *bytes, size_t size)
{
    uint32_t crc = events_crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ---- protocol buffers ------------------------------------------------------------------------ */

typedef struct Message {
    uint8_t bytes[EVENTS_MAX_BYTES];
    size_t size;
} Message;

static void put_byte(Message *message, uint8_t byte)
{
    if (message->size < sizeof message->bytes)
        message->bytes[message->size++] = byte;
}

static void put_varint(Message *message, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(message, (uint8_t)(value | 0x80));
    put_byte(message, (uint8_t)value);
}

static void put_little_endian(Message *message, uint64_t bits, int bytes)
{
    for (int k = 0; k < bytes; k++)
        put_byte(message, (uint8_t)(bits >> 8 * k));
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_key(Message *message, int field, int wire)
{
    put_varint(message, (uint64_t)(field << 3 | wire));
}

static void put_double(Message *message, int field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put_key(message, field, WIRE_64);
    put_little_endian(message, bits, 8);
}

static void put_float(Message *message, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    put_key(message, field, WIRE_32);
    put_little_endian(message, bits, 4);
}

static void put_bytes(Message *message, int field, const void *bytes, size_t size)
{
    put_key(message, field, WIRE_BYTES);
    put_varint(message, size);
    for (size_t k = 0; k < size; k++)
        put_byte(message, ((const uint8_t *)bytes)[k]);
}

/* ---- records --------------------------------------------------------------------------------- */

static size_t make_record(uint8_t *record, const Message *event)
{
    Message head = {.size = 0}, tail = {.size = 0};

    put_little_endian(&head, event->size, 8);
    put_little_endian(&head, masked_crc(head.bytes, 8), 4);
    put_little_endian(&tail, masked_crc(event->bytes, event->size), 4);
    memcpy(record, head.bytes, 12);
    memcpy(record + 12, event->bytes, event->size);
    memcpy(record + 12 + event->size, tail.bytes, 4);
    return event->size + 16;
}

size_t events_version_record(uint8_t *record, double wall_time, const char *version)
{
    Message event = {.size = 0};

    put_double(&event, 1, wall_time);
    put_bytes(&event, 3, version, strlen(version));
    return make_record(record, &event);
}

size_t events_scalar_record(uint8_t *record, double wall_time, int64_t update,
                            const EventScalar *scalars, int count)
{
    Message event = {.size = 0}, summary = {.size = 0};

    for (int k = 0; k < count; k++) {
        Message value = {.size = 0};
        put_bytes(&value, 1, scalars[k].tag, strlen(scalars[k].tag));
        put_float(&value, 2, scalars[k].value);
        put_bytes(&summary, 1, value.bytes, value.size);
    }
    put_double(&event, 1, wall_time);
    put_key(&event, 2, WIRE_VARINT);
    put_varint(&event, (uint64_t)update);
    put_bytes(&event, 5, summary.bytes, summary.size);
    return make_record(record, &event);
}

static size_t start_record(uint8_t *record, double wall_time, int64_t update)
{
    Message event = {.size = 0};

    put_double(&event, 1, wall_time);
    put_key(&event, 2, WIRE_VARINT);
    put_varint(&event, (uint64_t)update);
    put_bytes(&event, 7, "\x08\x01", 2);
    return make_record(record, &event);
}

/* ---- files ----------------------------------------------------------------------------------- */

bool events_write(FILE *file, double wall_time, int64_t update, const EventScalar *scalars,
                  int count)
{
    uint8_t record[EVENTS_MAX_BYTES + 16];
    size_t size = events_scalar_record(record, wall_time, update, scalars, count);
    return fwrite(record, 1, size, file) == size;
}

/* The first path of this form that is free; malloc'ed. */
static char *free_path(const char *folder, int64_t seconds)
{
    char name[96];

    for (int n = 0;; n++) {
        snprintf(name, sizeof name, "events.out.tfevents.%lld.snug.0.%d", (long long)seconds, n);
        char *path = os_join(folder, name);
        if (path == NULL || !os_exists(path))
            return path;
        free(path);
    }
}

bool events_open(FILE **file, const char *folder, int64_t update, Error *error)
{
    uint8_t record[EVENTS_MAX_BYTES + 16];
    int64_t seconds = os_unix_seconds();
    char *path = free_path(folder, seconds);

    *file = NULL;
    if (path == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for a path");
    *file = os_fopen(path, "wb");
    bool ok = *file != NULL;
    if (ok) {
        size_t size = events_version_record(record, (double)seconds, "brain.Event:2");
        ok = fwrite(record, 1, size, *file) == size;
    }
    if (ok && update > 0) {
        size_t size = start_record(record, (double)seconds, update + 1);
        ok = fwrite(record, 1, size, *file) == size;
    }
    if (!ok) {
        error_set(error, ERROR_FILES, "cannot write %s", path);
        error_why_errno(error, errno);
    }
    free(path);
    return ok;
}
