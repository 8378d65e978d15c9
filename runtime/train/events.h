/* TensorBoard's event files: scalars over updates. */
#ifndef SNUG_EVENTS_H
#define SNUG_EVENTS_H

#include <stdint.h>
#include <stdio.h>

#include "runtime/system/error.h"

typedef struct EventScalar {
    const char *tag;
    float value;
} EventScalar;

enum { EVENTS_MAX_BYTES = 4096 };

/* A new file in folder, events.out.tfevents.SECONDS.snug.0.N; a resumed run makes another one and
 * tells TensorBoard to forget what comes after `update`. */
bool events_open(FILE **file, const char *folder, int64_t update, Error *error);
/* At most 32 scalars with tags of at most 64 bytes, as one event. */
bool events_write(FILE *file, double wall_time, int64_t update, const EventScalar *scalars,
                  int count);

/* The parts, for tests: a record {wall_time, version} or {wall_time, update, scalars}, with its
 * length and checksums. Returns its bytes. */
size_t events_version_record(uint8_t *record, double wall_time, const char *version);
size_t events_scalar_record(uint8_t *record, double wall_time, int64_t update,
                            const EventScalar *scalars, int count);
uint32_t events_crc32c(const uint8_t *bytes, size_t size);

#endif
