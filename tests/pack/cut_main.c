/* Prints a packing problem without slack, as snug pack and MiniMalloc read it.
 *
 *   cut SHAPE COUNT SEED [LIFE HEIGHT]      SHAPE: large, any, bricks, stacks
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"

enum { COUNT_MOST = 32768 };

int main(int argc, char **argv)
{
    static PackItem items[COUNT_MOST];
    int shape = 0;

    while (argc > 1 && shape < CUT_SHAPE_COUNT && strcmp(argv[1], cut_shapes[shape]) != 0)
        shape++;
    long long count = argc > 2 ? atoll(argv[2]) : 0, seed = argc > 3 ? atoll(argv[3]) : 0;
    long long life = argc > 4 ? atoll(argv[4]) : 1 << 16;
    long long height = argc > 5 ? atoll(argv[5]) : 1 << 20;
    if (argc < 4 || shape == CUT_SHAPE_COUNT || count < 1 || count > COUNT_MOST || count > life
        || count > height) {
        fprintf(stderr,
                "usage: cut large|any|bricks|stacks COUNT SEED [LIFE HEIGHT], "
                "COUNT at most %d, LIFE and HEIGHT\n",
                COUNT_MOST);
        return 2;
    }
    cut_rectangle(items, (uint32_t)count, (CutShape)shape, life, height, (uint64_t)seed);
    printf("id,lower,upper,size\n");
    for (long long k = 0; k < count; k++)
        printf("%lld,%lld,%lld,%lld\n", k, (long long)items[k].first, (long long)items[k].last,
               (long long)items[k].size);
    return 0;
}
