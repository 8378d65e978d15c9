/* Each instruction against plain C, over edge cases of its operands: zeros, signs, limits, NaN,
 * Inf, denormals, ties of rounding. The PTX is written here, so no NVRTC is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softgpu.h"

#ifndef IS_ON_CARD /* tests/gpu: 1 */
#define IS_ON_CARD 0
#endif

__extension__ typedef unsigned __int128 Unsigned128;
__extension__ typedef __int128 Signed128;
__extension__ typedef _Float16 Half;   /* the compiler's own rounding: not that of half.c */
__extension__ typedef __float128 Wide; /* every sum of products of fp16 or bf16 is exact */

/* ---- numbers from bits and back -------------------------------------------------------------- */

static float f(uint64_t bits)
{
    uint32_t narrow = (uint32_t)bits;
    float x;

    memcpy(&x, &narrow, sizeof x);
    return x;
}

static uint64_t F(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double d(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t D(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double h(uint64_t bits)
{
    uint16_t narrow = (uint16_t)bits;
    Half x;

    memcpy(&x, &narrow, sizeof x);
    return (double)x;
}

static uint64_t H(Wide x)
{
    Half narrow = (Half)x;
    uint16_t bits;

    memcpy(&bits, &narrow, sizeof bits);
    return bits;
}

static uint64_t H2(Wide low, Wide high)
{
    return H(low) | H(high) << 16;
}

static double bf(uint64_t bits)
{
    return (double)f(bits << 16 & 0xffffffff);
}

static Wide distance(Wide x, uint64_t bits)
{
    /* Inf counts as the power of two behind the largest number, as rounding does */
    Wide y = (bits & 0x7fff) == 0x7f80 ? (Wide)0x1p127 * 2 : (Wide)fabs(bf(bits));

    return x > y ? x - y : y - x;
}

/* The nearest bf16 among three neighbours; ties to the even one. */
static uint64_t B(Wide x)
{
    if (x != x)
        return 0x7fff;
    uint64_t sign = x < 0 || (x == 0 && signbit((double)x)) ? 0x8000 : 0;
    x = x < 0 ? -x : x;
    float narrow = x > (Wide)3.4e38f ? INFINITY : (float)x;
    uint64_t middle = F(narrow) >> 16, best = middle;
    for (uint64_t other = middle ? middle - 1 : 0; other <= middle + 1 && other <= 0x7f80;
         other++) {
        Wide old = distance(x, best), new = distance(x, other);
        if (new < old || (new == old && !(other & 1)))
            best = other;
    }
    return sign | best;
}

/* ---- words of the case list ------------------------------------------------------------------ */

static int64_t s16(uint64_t a)
{
    return (int16_t)a;
}

static int64_t s32(uint64_t a)
{
    return (int32_t)a;
}

static int64_t s64(uint64_t a)
{
    return (int64_t)a;
}

static int64_t clamp32(int64_t x)
{
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x;
}

static uint64_t dot4(uint64_t a, uint64_t b, int a_signed, int b_signed)
{
    int64_t sum = 0;

    for (int k = 0; k < 32; k += 8)
        sum += (a_signed ? (int64_t)(int8_t)(a >> k) : (int64_t)(uint8_t)(a >> k))
               * (b_signed ? (int64_t)(int8_t)(b >> k) : (int64_t)(uint8_t)(b >> k));
    return (uint64_t)sum;
}

static uint64_t field(uint64_t a, uint64_t position, uint64_t length, uint64_t bits, int is_signed)
{
    uint64_t out = 0;

    for (uint64_t i = 0; i < bits; i++) {
        uint64_t from = position + (i < length ? i : length - 1);
        if (i < length ? from < bits : is_signed && length > 0)
            out |= (a >> (from < bits ? from : bits - 1) & 1) << i;
        else if (is_signed && length > 0)
            out |= (a >> (bits - 1) & 1) << i;
    }
    return out;
}

static uint64_t put_field(uint64_t a, uint64_t b, uint64_t position, uint64_t length, uint64_t bits)
{
    for (uint64_t i = 0; i < length; i++)
        if (position + i < bits) {
            uint64_t bit = UINT64_C(1) << (position + i);
            b = a >> i & 1 ? b | bit : b & ~bit;
        }
    return b;
}

static uint64_t bytes(uint64_t a, uint64_t b, uint64_t selectors)
{
    uint64_t out = 0, pair = b << 32 | a;

    for (int k = 0; k < 4; k++) {
        uint64_t selector = selectors >> 4 * k & 15, byte = pair >> 8 * (selector & 7) & 255;
        if (selector & 8)
            byte = byte & 128 ? 255 : 0;
        out |= byte << 8 * k;
    }
    return out;
}

static uint64_t ones(uint64_t a)
{
    uint64_t count = 0;

    for (; a; a >>= 1)
        count += a & 1;
    return count;
}

static int64_t highest(uint64_t a)
{
    int64_t at = -1;

    for (; a; a >>= 1)
        at++;
    return at;
}

static uint64_t mirrored(uint64_t a, int bits)
{
    uint64_t out = 0;

    for (int i = 0; i < bits; i++)
        out = out << 1 | (a >> i & 1);
    return out;
}

static float ftz(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static float saturated(float x)
{
    return isnan(x) || x <= 0 ? 0 : x > 1 ? 1 : x;
}

static float directed(char what, uint64_t a, uint64_t b, int mode)
{
    volatile float x = f(a), y = f(b), z;

    fesetround(mode);
    z = what == '+' ? x + y : what == '*' ? x * y : x / y;
    fesetround(FE_TONEAREST);
    return z;
}

/* a * b + c of bf16. Where c is so small that 113 bits would lose it, any number of its sign that
 * is far below the last bit says the same. */
static Wide bf_fma(uint64_t a, uint64_t b, uint64_t c)
{
    Wide product = (Wide)bf(a) * bf(b), addend = bf(c), size = product < 0 ? -product : product;

    if (addend != 0 && size < 0x1p300 && addend < size * 0x1p-60 && addend > size * -0x1p-60)
        addend = addend < 0 ? size * -0x1p-60 : size * 0x1p-60;
    return product + addend;
}

/* The other one where one is NaN; -0 < +0. */
static double extreme(double x, double y, int which)
{
    if (isnan(x) || isnan(y))
        return isnan(x) ? y : x;
    if (x == 0 && y == 0)
        return which < 0 ? (signbit(x) ? x : y) : (signbit(x) ? y : x);
    return which < 0 ? (x < y ? x : y) : (x > y ? x : y);
}

static Wide relu(Wide x)
{
    return x <= 0 ? 0 : x;
}

static uint64_t half_toward_zero(float x)
{
    uint64_t near = H((Wide)x);

    if (isnan(x) || isinf(x))
        return near;
    if (isinf(h(near)))
        return (near & 0x8000) | 0x7bff;
    return fabs(h(near)) > fabs((double)x) ? near - 1 : near;
}

static uint64_t tf32_away(uint64_t a)
{
    if (isnan(f(a)) || isinf(f(a)))
        return a;
    return ((a & 0x7fffffff) + 0x1000) & 0x7fffe000
               ? (a & 0x80000000) | (((a & 0x7fffffff) + 0x1000) & 0x7fffe000)
               : a & 0x80000000;
}

static int64_t to_s32(double x)
{
    return isnan(x) ? 0 : x >= 0x1p31 ? INT32_MAX : x < -0x1p31 ? INT32_MIN : (int64_t)x;
}

static int64_t to_u32(double x)
{
    return isnan(x) ? 0 : x >= 0x1p32 ? UINT32_MAX : x < 0 ? 0 : (int64_t)x;
}

static int64_t to_s64(double x)
{
    return isnan(x) ? INT64_MIN : x >= 0x1p63 ? INT64_MAX : x < -0x1p63 ? INT64_MIN : (int64_t)x;
}

/* ---- the cases ------------------------------------------------------------------------------- */

#define CASE(name, mnemonic, operands, expression)                                                 \
    static uint64_t case_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t e)                    \
    {                                                                                              \
        (void)a, (void)b, (void)c, (void)e;                                                        \
        return (uint64_t)(expression);                                                             \
    }
#include "instruction_cases.def"
#undef CASE

typedef struct Case {
    const char *mnemonic, *operands;
    uint64_t (*expected)(uint64_t a, uint64_t b, uint64_t c, uint64_t e);
} Case;

static const Case cases[] = {
#define CASE(name, mnemonic, operands, expression) {mnemonic, operands, case_##name},
#include "instruction_cases.def"
#undef CASE
};

/* Edge cases of each width; what a family does not care about costs it nothing. */
static const uint64_t values16[] = {0,      0x8000, 1,      0x8001, 0x03ff, 0x0400, 0x3c00,
                                    0xbc00, 0x3c01, 0x3555, 0x7bff, 0xfbff, 0x7c00, 0xfc00,
                                    0x7e00, 0x0801, 0x6400, 0x7fff, 0xffff, 0x5bff, 0x3f80,
                                    0x7f7f, 0x1003, 15,     16,     17};
static const uint64_t values32[] = {
    0,          0x80000000, 1,          2,          31,         32,         33,
    0xffffffff, 0x7fffffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000, 0xbf800000,
    0x3f000000, 0x3f800001, 0x00000fff, 0x00800000, 0x007fffff, 0x807fffff, 0x7f7fffff,
    0x477fe000, 0x477ff000, 0x477fefff, 0x33000000, 0x33000001, 0x38802000, 0x38801000,
    0x38803000, 0x4b000001, 0x4f000000, 0xcf000000, 0x4f800000, 0x5f000000, 0x40200000,
    0x40600000, 0xc0200000, 0x3c003c00, 0x7bff0001, 0x7e00fc00, 0x83ff0400, 0x12345678,
    0xdeadbeef, 0x3210,     0x00fe8c47, 0x3f808000, 0x3f818000, 0x7f7fc000, 0x80000fff};
static const uint64_t values64[] = {0,
                                    1,
                                    2,
                                    63,
                                    64,
                                    0xffffffff,
                                    0x100000000,
                                    0x8000000000000000,
                                    0x7fffffffffffffff,
                                    ~UINT64_C(0),
                                    0x3ff0000000000000,
                                    0xbff0000000000000,
                                    0x7ff0000000000000,
                                    0x7ff8000000000000,
                                    0x000fffffffffffff,
                                    0x3f10000000000000,
                                    0x40effdffffffffff,
                                    0x40effe0000000000,
                                    0x3e60000000000001,
                                    0x123456789abcdef0,
                                    0x0020000000000001,
                                    0x0020000000000003,
                                    0x4330000000000001,
                                    0xffe1};

static uint64_t value_of(char width, uint32_t index)
{
    switch (width) {
    case 'p': return index % 2;
    case '2': return values16[index % (sizeof values16 / sizeof values16[0])];
    case '4': return values32[index % (sizeof values32 / sizeof values32[0])];
    default: return values64[index % (sizeof values64 / sizeof values64[0])];
    }
}

enum { PER_SOURCE = 49, THIRDS = 16, COUNT = PER_SOURCE * PER_SOURCE * THIRDS };

/* One source of thread i: all pairs of the first two, a walk through the others. */
static uint64_t source_of(const char *letters, int k, uint32_t i)
{
    uint32_t index = k == 0   ? i % PER_SOURCE
                     : k == 1 ? i / PER_SOURCE % PER_SOURCE
                     : k == 2 ? i / (PER_SOURCE * PER_SOURCE) * 7 + i / 3
                              : i / (PER_SOURCE * PER_SOURCE) + i % 5;

    return value_of(letters[k], index);
}

/* ---- the kernel around an instruction -------------------------------------------------------- */

static const char *register_of(char width)
{
    return width == 'p' ? "%p" : width == '2' ? "%h" : width == '4' ? "%r" : "%d";
}

/* Loads source k from %ptr + 8 k into register k + 1 of its width. */
static int print_load(char *text, size_t size, char width, int k)
{
    const char *reg = register_of(width);

    if (width == 'p')
        return snprintf(text, size, "ld.global.u32 %%r9, [%%d9+%d];\nsetp.ne.u32 %%p%d, %%r9, 0;\n",
                        8 * k, k + 1);
    return snprintf(text, size, "ld.global.b%d %s%d, [%%d9+%d];\n", 8 * (width - '0'), reg, k + 1,
                    8 * k);
}

static void print_kernel(char *text, size_t size, const Case *one)
{
    const char *sources = strchr(one->operands, '=') + 1;
    char result = one->operands[0];
    size_t used = (size_t)snprintf(
        text, size,
        ".version 8.0\n.target sm_86\n.address_size 64\n.visible .entry k(.param .u64 in, .param "
        ".u64 out)\n{\n"
        ".reg .pred %%p<10>;\n.reg .b16 %%h<10>;\n.reg .b32 %%r<10>;\n.reg .b64 %%d<12>;\n"
        "mov.u32 %%r1, %%ctaid.x;\nmov.u32 %%r2, %%ntid.x;\nmov.u32 %%r3, %%tid.x;\n"
        "mad.lo.s32 %%r0, %%r1, %%r2, %%r3;\nld.param.u64 %%d9, [in];\nld.param.u64 %%d10, [out];\n"
        "mul.wide.u32 %%d8, %%r0, 32;\nadd.s64 %%d9, %%d9, %%d8;\n"
        "mul.wide.u32 %%d8, %%r0, 8;\nadd.s64 %%d10, %%d10, %%d8;\n");

    for (int k = 0; sources[k]; k++)
        used += (size_t)print_load(text + used, size - used, sources[k], k);
    used +=
        (size_t)snprintf(text + used, size - used, "%s %s0", one->mnemonic, register_of(result));
    for (int k = 0; sources[k]; k++)
        used +=
            (size_t)snprintf(text + used, size - used, ", %s%d", register_of(sources[k]), k + 1);
    if (result == 'p')
        snprintf(text + used, size - used,
                 ";\nselp.b64 %%d8, 1, 0, %%p0;\nst.global.u64 [%%d10], %%d8;\nret;\n}\n");
    else
        snprintf(text + used, size - used,
                 ";\nmov.b64 %%d8, 0;\nst.global.u64 [%%d10], %%d8;\nst.global.b%d [%%d10], "
                 "%s0;\nret;\n}\n",
                 8 * (result - '0'), register_of(result));
}

/* NaNs are equal to each other; each half of a pair alone. */
static bool same_number(const Case *one, uint64_t x, uint64_t y)
{
    const char *m = one->mnemonic;

    if (x == y)
        return true;
    if (strstr(m, "f16x2")) {
        bool is_half = !strstr(m, "bf16x2");
        for (int shift = 0; shift < 32; shift += 16) {
            double a = is_half ? h(x >> shift) : bf(x >> shift),
                   b = is_half ? h(y >> shift) : bf(y >> shift);
            if ((x >> shift & 0xffff) != (y >> shift & 0xffff) && !(isnan(a) && isnan(b)))
                return false;
        }
        return true;
    }
    if (strstr(m, "bf16") && one->operands[0] == '2')
        return isnan(bf(x)) && isnan(bf(y));
    if (strstr(m, "f16") && one->operands[0] == '2')
        return isnan(h(x)) && isnan(h(y));
    if ((strstr(m, "f32")) && one->operands[0] == '4')
        return isnan(f(x)) && isnan(f(y));
    return strstr(m, "f64") && isnan(d(x)) && isnan(d(y));
}

/* Division of integers by zero is what a card makes it: PTX leaves it open. */
static bool is_left_open(const Case *one, const uint64_t in[4])
{
    bool divides = strncmp(one->mnemonic, "div.", 4) == 0 || strncmp(one->mnemonic, "rem.", 4) == 0;
    int bytes = one->operands[0] - '0';

    return divides && strchr(one->mnemonic, 'f') == NULL && bytes > 0
           && (bytes == 8 ? in[1] : in[1] & ((UINT64_C(1) << 8 * bytes) - 1)) == 0;
}

static int check_case(const Case *one)
{
    static uint64_t in[COUNT][4], out[COUNT];
    const char *sources = strchr(one->operands, '=') + 1;
    uint64_t keep = one->operands[0] == 'p'   ? 1
                    : one->operands[0] == '8' ? ~UINT64_C(0)
                                              : (UINT64_C(1) << 8 * (one->operands[0] - '0')) - 1;
    char text[4096];
    SoftGpu *gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 24});
    int wrong = 0;

    print_kernel(text, sizeof text, one);
    SoftGpuModule *module = softgpu_load(gpu, text, one->mnemonic);
    if (!module)
        fail_msg("%s", softgpu_report(gpu));
    for (uint32_t i = 0; i < COUNT; i++)
        for (int k = 0; k < 4; k++)
            in[i][k] = k < (int)strlen(sources) ? source_of(sources, k, i) : 0;
    uint64_t in_at = softgpu_allocate(gpu, sizeof in), out_at = softgpu_allocate(gpu, sizeof out);
    assert_true(softgpu_upload(gpu, in_at, in, sizeof in));
    void *args[] = {&in_at, &out_at};
    SoftGpuLaunch launch = {.grid = {PER_SOURCE * 7, 1, 1},
                            .block = {COUNT / PER_SOURCE / 7, 1, 1}};
    if (softgpu_launch(gpu, softgpu_kernel(module, "k"), &launch, args) != SOFTGPU_OK)
        fail_msg("%s", softgpu_report(gpu));
    assert_true(softgpu_download(gpu, out, out_at, sizeof out));
    for (uint32_t i = 0; i < COUNT; i++) {
        uint64_t expected = one->expected(in[i][0], in[i][1], in[i][2], in[i][3]) & keep;
        if (same_number(one, out[i], expected) || (IS_ON_CARD && is_left_open(one, in[i])))
            continue;
        if (wrong++ < 3)
            print_error("%s 0x%llx 0x%llx 0x%llx 0x%llx: 0x%llx, expected 0x%llx\n", one->mnemonic,
                        (unsigned long long)in[i][0], (unsigned long long)in[i][1],
                        (unsigned long long)in[i][2], (unsigned long long)in[i][3],
                        (unsigned long long)out[i], (unsigned long long)expected);
    }
    softgpu_destroy(gpu);
    return wrong;
}

static void every_instruction_computes_what_c_does(void **state)
{
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        wrong += check_case(&cases[i]) > 0;
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_computes_what_c_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
