/* What every file of the compiler may rely on: integers, checked sizes, BUG(), exit status.
 *
 * Sizes and offsets are int64_t bytes. A product of sizes read from a model file goes through
 * checked_mul: 2^63 is reached by three large numbers on one line.
 */
#ifndef SNUG_BASE_H
#define SNUG_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN                __attribute__((noreturn))
#else
#define PRINTF_LIKE(fmt, first)
#define NORETURN __declspec(noreturn)
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The exit status of every command, also of the generated trainer (runtime/system/error.h has the
 * same). */
typedef enum ExitStatus {
    EXIT_STATUS_ok = 0,
    EXIT_STATUS_diagnostics = 1, /* the input has errors */
    EXIT_STATUS_usage = 2,       /* the command line is wrong */
    EXIT_STATUS_memory = 3,      /* the model does not fit the budget */
    EXIT_STATUS_files = 4,       /* a file cannot be read or written */
    EXIT_STATUS_device = 5,      /* device, driver or C compiler */
    EXIT_STATUS_internal = 70    /* our own bug, or out of host memory */
} ExitStatus;

/* An invariant of ours does not hold: says where and how to report it, exits 70. Stays in release
 * builds: a wrong plan is worse than no plan. */
NORETURN void bug(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define BUG(...) bug(__FILE__, __LINE__, __VA_ARGS__)

/* Rounds up to a multiple of `alignment`, which is a power of two. */
static inline int64_t align_up(int64_t value, int64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* a >= 0, b > 0. */
static inline int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Both need non-negative operands and return false, *result untouched, where 2^63 - 1 is passed. */
static inline bool checked_mul(int64_t a, int64_t b, int64_t *result)
{
    if (a != 0 && b > INT64_MAX / a)
        return false;
    *result = a * b;
    return true;
}

static inline bool checked_add(int64_t a, int64_t b, int64_t *result)
{
    if (b > INT64_MAX - a)
        return false;
    *result = a + b;
    return true;
}

/* Position of the lowest bit that is set; bits is not 0. */
static inline uint32_t lowest_bit(uint64_t bits)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctzll(bits);
#else
    uint32_t at = 0;
    for (; (bits & 1) == 0; bits >>= 1)
        at++;
    return at;
#endif
}

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
