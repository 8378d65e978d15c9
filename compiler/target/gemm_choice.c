/* Our own kernel against cuBLAS, by the estimates of both. */
#include "gemm_choice.h"

#include "cost.h"
#include "gemm.h"
#include "tiles.h"

enum { LEAST_GAIN_PERCENT = 5 }; /* estimates are coarse, and the library wants a workspace */

static double whole_tiles(int32_t extent, int32_t tile)
{
    return (double)(divide_up(extent, tile) * tile);
}

/* The share by which whole tiles of our own kernel are more than its result. */
static double own_waste(const Card *card, const SnugKernel *kernel)
{
    const SnugWindow *window = &kernel->window;
    ConvTile conv;
    WgradTile wgrad;

    if (kernel->kind == SNUG_KERNEL_conv_wgrad)
        return choose_wgrad_tile(card, kernel, &wgrad)
                   ? whole_tiles(window->y.c, wgrad.y_channels)
                         * whole_tiles(window->x.c, wgrad.x_channels)
                         / ((double)window->y.c * window->x.c)
                   : 0;
    SnugShape result = result_domain(kernel);
    return choose_conv_tile(card, kernel, &conv)
               ? (double)conv.grid_parts * conv.block.rows * conv.block.columns
                     * (double)conv.grid_channels * conv.channels
                     / ((double)result.n * result.h * result.w * result.c)
               : 0;
}

bool choose_gemm(const Target *target, const SnugKernel *kernel)
{
    SnugKernel own = *kernel, library = *kernel;
    SnugGemm gemm;

    if (target->gemm == GEMM_own || !kernel_as_gemm(kernel, &gemm))
        return false;
    if (target->gemm == GEMM_cublas)
        return true;
    own.is_gemm = 0;
    library.is_gemm = 1;
    Roofline us = kernel_roofline(target, &own);
    double waste = own_waste(target->card, &own);
    if (waste == 0)
        return true;
    double own_us = (us.compute * waste > us.memory ? us.compute * waste : us.memory) + us.launch;
    return kernel_time_us(target, &library) * (100 + LEAST_GAIN_PERCENT) / 100 < own_us;
}
