/* Any bytes as PTX: the software GPU loads them, or says which line it does not understand. */
#include <stdlib.h>
#include <string.h>

#include "../softgpu/softgpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    SoftGpu *gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 20});
    char *text = malloc(length + 1);

    if (!gpu || !text)
        abort();
    memcpy(text, bytes, length);
    text[length] = '\0';
    if (!softgpu_load(gpu, text, "fuzz.ptx") && strncmp(softgpu_report(gpu), "fuzz.ptx:", 9) != 0)
        abort();
    free(text);
    softgpu_destroy(gpu);
    return 0;
}
