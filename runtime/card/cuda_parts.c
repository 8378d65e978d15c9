/* What of CUDA this machine has: every part is opened, nothing is assumed. */
#include "cuda_api.h"
#include "runtime/machine.h"
#include "runtime/program.h"

#include <stdlib.h>
#include <string.h>

static void find_card(const CudaApi *api, SnugCudaParts *parts)
{
    CudaDevice card;
    CudaContext context;
    int major = 0, minor = 0;
    size_t free_bytes = 0, all_bytes = 0;

    if (api->cuDeviceGet(&card, 0) != 0)
        return;
    api->cuDeviceGetName(parts->card, sizeof parts->card, card);
    api->cuDeviceGetAttribute(&major, CUDA_ATTRIBUTE_CAPABILITY_MAJOR, card);
    api->cuDeviceGetAttribute(&minor, CUDA_ATTRIBUTE_CAPABILITY_MINOR, card);
    parts->capability = 10 * major + minor;
    if (api->cuDevicePrimaryCtxRetain(&context, card) != 0)
        return;
    if (api->cuCtxSetCurrent(context) == 0 && api->cuMemGetInfo(&free_bytes, &all_bytes) == 0) {
        parts->free_bytes = (int64_t)free_bytes;
        parts->card_bytes = (int64_t)all_bytes;
    }
    api->cuDevicePrimaryCtxRelease(card);
}

void snug_find_cuda(const char *folder, SnugCudaParts *parts)
{
    CudaApi api;
    Error error = {0};
    bool ok = cuda_api_open(&api, folder, &error);

    memset(parts, 0, sizeof *parts);
    if (!ok)
        snprintf(parts->problem, sizeof parts->problem, "%s", error.what);
    if (!ok
        && api.nvrtc == NULL) { /* the driver may be what is missing: NVRTC is a part of its own */
        Error ignored = {0};
        cuda_api_open_nvrtc(&api, folder, api.driver_version / 1000, &ignored);
    }
    snprintf(parts->driver, sizeof parts->driver, "%s", api.driver_path);
    snprintf(parts->nvrtc, sizeof parts->nvrtc, "%s", api.nvrtc_path);
    parts->driver_version = api.driver_version;
    parts->nvrtc_version = 1000 * api.nvrtc_major + 10 * api.nvrtc_minor;
    if (ok || api.driver_version > 0) /* a card without NVRTC is there all the same */
        find_card(&api, parts);
}
