/* Small programs in the language that C and CUDA C share: compiled by NVRTC for the software GPU
 * and by the C compiler for the host; both must give the same bits. Each takes two integers and two
 * floats. What C leaves open (overflow of int, shifts too far, NaN to int) is avoided. */
#ifdef __CUDACC__
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
#define PROGRAM static __device__
#define APART static __device__ __noinline__ /* a call in the text */
#define TABLE static __device__ const
#else
#define PROGRAM static
#define APART static
#define TABLE static const
#endif

typedef struct Pair {
    u32 a, b;
} Pair;

TABLE u32 primes[16] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53};

PROGRAM u32 bits_of(float x)
{
    union {
        float f;
        u32 u;
    } both;
    both.f = x;
    return both.u;
}

PROGRAM u32 division(u32 a, u32 b, float x, float y)
{
    s32 c = (s32)(a >> 1), d = (s32)(b >> 1) | 1;
    return a / (b | 1) + a % (b | 1) * 3 + (u32)(c / -d) + (u32)(-c % d) + bits_of(x / (y + 1.5f));
}

PROGRAM u32 wide_division(u32 a, u32 b, float x, float y)
{
    u64 c = (u64)a << 20 | b, d = (u64)b * 77 + 1;
    s64 e = (s64)c - (s64)(d << 3), f = (s64)(b | 1) - 0x80000000ll;
    return (u32)(c / d) ^ (u32)(c % d) ^ (u32)(e / (f | 1)) ^ (u32)(e % (f | 1)) ^
           (u32)((c * d) >> 32) ^ bits_of(x * y);
}

PROGRAM u32 bits(u32 a, u32 b, float x, float y)
{
    u32 c = a;
    for (int i = 0; i < 8; i++) {
        c ^= c << (b + (u32)i) % 32;
        c = (c >> 7 | c << 25) + (c & b);
        c = (c & 0xff00ff00) >> 8 | (c & 0x00ff00ff) << 8;
    }
    return c ^ ~(a | b) ^ bits_of(x + y);
}

PROGRAM u32 cases(u32 a, u32 b, float x, float y)
{
    switch (a % 11) {
    case 0: return b;
    case 1: return b * 3;
    case 2: return bits_of(x);
    case 3: return primes[b % 16];
    case 4: return b < 1000 ? 1 : 2;
    case 5: return bits_of(x < y ? x : y);
    case 6: return a / 3;
    case 7: return (b >> 3) + primes[a / 7 % 16];
    case 8: return bits_of(y * 2.5f);
    default: return a ^ b;
    }
}

PROGRAM u32 loops(u32 a, u32 b, float x, float y)
{
    u32 sum = 0;
    for (u32 i = 0; i < a % 37; i++) {
        if (i % 5 == b % 5)
            continue;
        for (u32 j = i; j < b % 23; j++) {
            sum += i * j;
            if ((sum & 63) == 9)
                break;
        }
        if (sum > 5000)
            return sum ^ bits_of(x);
    }
    return sum ^ bits_of(y);
}

/* An array that is indexed by what is not known: local memory. */
PROGRAM u32 own_memory(u32 a, u32 b, float x, float y)
{
    u32 heap[16];
    float floats[8];
    for (int i = 0; i < 16; i++)
        heap[i] = primes[(a + (u32)i) % 16] * (b % 1000);
    for (int i = 1; i < 16; i++)
        for (int j = i; j > 0 && heap[j - 1] > heap[j]; j--) {
            u32 swap = heap[j];
            heap[j] = heap[j - 1];
            heap[j - 1] = swap;
        }
    for (int i = 0; i < 8; i++)
        floats[i] = (float)heap[2 * i] * x;
    return heap[a % 16] + bits_of(floats[b % 8] + y);
}

APART Pair swap_add(Pair p, u32 n)
{
    Pair q;
    q.a = p.b + n;
    q.b = p.a ^ n;
    return q;
}

APART float horner(float x, s32 n)
{
    float sum = 0;
    if (n < 0)
        return x;
    for (s32 i = 0; i < n; i++)
        sum = sum * x + 1.0f;
    return sum;
}

PROGRAM u32 calls(u32 a, u32 b, float x, float y)
{
    Pair p;
    p.a = a;
    p.b = b;
    for (u32 i = 0; i < a % 6; i++)
        p = swap_add(p, i);
    return p.a + p.b * 3 + bits_of(horner(x * 0.01f, (s32)(b % 7) - 1)) +
           bits_of(horner(y * 0.01f, 3));
}

PROGRAM u32 conversions(u32 a, u32 b, float x, float y)
{
    float c = (float)a, d = (float)(s32)b;
    double e = (double)a * 0.1 + (double)x;
    s32 narrow = (signed char)(a >> 3);
    s32 half = (short)(b >> 5);
    u32 f = (u32)(s32)(x * 100.0f), g = (u32)((y < 0 ? -y : y) * 7.0f);
    return bits_of(c) ^ bits_of(d) ^ bits_of((float)e) ^ (u32)narrow ^ (u32)half ^ f ^ g ^
           bits_of((float)((u64)a * b)) ^ (u32)(u64)(e < 0 ? -e : e);
}

PROGRAM u32 doubles(u32 a, u32 b, float x, float y)
{
    double c = (double)x, d = (double)y, e = c * d - (double)a / ((double)b + 0.5);
    for (int i = 0; i < 5; i++)
        e = e * 0.5 + c / (d * d + 1.0);
    return bits_of((float)e) ^ (e > c) ^ (u32)(e <= d) << 1;
}

PROGRAM u32 comparisons(u32 a, u32 b, float x, float y)
{
    u32 c = 0;
    c = c << 1 | (x < y);
    c = c << 1 | (x <= y);
    c = c << 1 | (x == y);
    c = c << 1 | !(x >= y);
    c = c << 1 | (x != y && a > b);
    c = c << 1 | ((s32)a < (s32)b || x > 0.0f);
    c = c << 1 | (((u64)a << 32 | b) < ((u64)b << 32 | a));
    return c + (a > b ? a - b : b - a) + (x > y ? bits_of(x - y) : bits_of(y - x));
}

#define PROGRAMS(OF)                                                                               \
    OF(division) OF(wide_division) OF(bits) OF(cases) OF(loops) OF(own_memory) OF(calls)           \
    OF(conversions) OF(doubles) OF(comparisons)

#ifdef __CUDACC__
#define KERNEL(name)                                                                               \
    extern "C" __global__ void run_##name(const u32 *a, const u32 *b, const float *x,              \
                                          const float *y, u32 *out, int n)                         \
    {                                                                                              \
        int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);                                      \
        if (i < n)                                                                                 \
            out[i] = name(a[i], b[i], x[i], y[i]);                                                 \
    }
PROGRAMS(KERNEL)
#endif
