/* Where CUDA's libraries are looked for, by name:
 *
 *     driver   libcuda.so.1                    nvcuda.dll
 *     NVRTC    libnvrtc.so.13, .12             nvrtc64_130_0.dll, nvrtc64_120_0.dll
 *     cuBLAS   libcublas.so.13, .12            cublas64_13.dll, cublas64_12.dll
 *
 * NVRTC makes machine code that a driver of its own major version, or a newer one, can load.
 */
#include "cuda_api.h"

#include <stdlib.h>
#include <string.h>

enum { CUDA_OLDEST = 12, CUDA_NEWEST = 13 };

/* Folders below the root of a toolkit, and below site-packages of Python's wheels. */
static const char *const toolkit_folders[] = {
    "lib64", "targets/x86_64-linux/lib", "lib/x86_64-linux-gnu", "bin/x64", "bin", ".",
};
static const char *const wheel_folders[] = {
    "nvidia/cu13/lib",       "nvidia/cuda_nvrtc/lib", "nvidia/cublas/lib", "nvidia/cu13/bin/x86_64",
    "nvidia/cuda_nvrtc/bin", "nvidia/cublas/bin",     "torch/lib",
};

/* ---- search ---------------------------------------------------------------------------------- */

typedef struct Search {
    const char *name;   /* of the library's file */
    OsLibrary *library; /* once it was found */
    char *path;         /* where, CUDA_MOST_PATH bytes */
} Search;

static bool try_path(Search *search, const char *path)
{
    search->library = os_library_open(path);
    if (search->library != NULL)
        snprintf(search->path, CUDA_MOST_PATH, "%s", path);
    return search->library != NULL;
}

/* root/below/name; a root that is no absolute path is never looked into. */
static bool try_folder(Search *search, const char *root, const char *below)
{
    bool is_absolute = root[0] == '/' || root[0] == '\\' || (root[0] != '\0' && root[1] == ':');
    char path[CUDA_MOST_PATH];

    if (!is_absolute)
        return false;
    int length = snprintf(path, sizeof path, "%s/%s/%s", root, below, search->name);
    return length > 0 && (size_t)length < sizeof path && os_exists(path) && try_path(search, path);
}

static bool try_folders(Search *search, const char *root, const char *const *below, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (try_folder(search, root, below[k]))
            return true;
    return false;
}

#define TRY(search, root, below) try_folders(search, root, below, sizeof(below) / sizeof *(below))

/* ENVIRONMENT/lib/python3.N/site-packages, or ENVIRONMENT/Lib/site-packages on Windows. */
static bool try_environment(Search *search, const char *environment)
{
    char *lib = os_join(environment, "lib"), **names = NULL;
    int64_t count = 0;
    bool is_found = false;
    Error ignored = {0};

    if (lib != NULL && os_is_folder(lib) && os_list_folder(lib, &names, &count, &ignored))
        for (int64_t k = 0; k < count; k++) {
            char root[1024];
            bool is_python = strncmp(names[k], "python3", 7) == 0;
            if (!is_found && (is_python || strcmp(names[k], "site-packages") == 0)) {
                snprintf(root, sizeof root, "%s/%s%s", lib, names[k],
                         is_python ? "/site-packages" : "");
                is_found = TRY(search, root, wheel_folders);
            }
            free(names[k]);
        }
    free(names);
    free(lib);
    return is_found;
}

static bool try_variables(Search *search)
{
    static const char *const toolkits[] = {"CUDA_PATH", "CUDA_HOME"};
    static const char *const environments[] = {"VIRTUAL_ENV", "CONDA_PREFIX"};

    for (size_t k = 0; k < sizeof toolkits / sizeof *toolkits; k++) {
        const char *root = getenv(toolkits[k]);
        if (root != NULL && TRY(search, root, toolkit_folders))
            return true;
    }
    for (size_t k = 0; k < sizeof environments / sizeof *environments; k++) {
        const char *root = getenv(environments[k]);
        if (root != NULL && try_environment(search, root))
            return true;
    }
    return false;
}

static bool find_library(Search *search, const char *folder)
{
    char *own = os_executable_folder();
    bool is_found = (folder != NULL && folder[0] != '\0' && TRY(search, folder, toolkit_folders))
                    || (own != NULL && try_folder(search, own, ".")) || try_variables(search)
                    || TRY(search, "/usr/local/cuda", toolkit_folders)
                    || try_path(search, search->name);
    free(own);
    return is_found;
}

/* ---- symbols --------------------------------------------------------------------------------- */

/* Fills `function` (a pointer to a function); false: the library is older than what we call. */
static bool find_symbol(OsLibrary *library, const char *symbol, void *function, const char *path,
                        Error *error)
{
    void *address = os_library_symbol(library, symbol);

    if (address == NULL) {
        error_set(error, ERROR_DEVICE, "%s has no function %s", path, symbol);
        return error_hint(error, "it is too old: CUDA 12.0 (driver 525) or newer is needed");
    }
    memcpy(function, &address, sizeof address);
    return true;
}

static bool find_driver_symbols(CudaApi *api, Error *error)
{
#define DRIVER(name, symbol, parameters)                                                           \
    if (!find_symbol(api->driver, symbol, &api->name, api->driver_path, error))                    \
        return false;
#define NVRTC(name, parameters)
#define CUBLAS(name, symbol, parameters)
#include "cuda_api.def"
#undef DRIVER
#undef NVRTC
#undef CUBLAS
    return true;
}

static bool find_nvrtc_symbols(CudaApi *api, Error *error)
{
#define DRIVER(name, symbol, parameters)
#define NVRTC(name, parameters)                                                                    \
    if (!find_symbol(api->nvrtc, #name, &api->name, api->nvrtc_path, error))                       \
        return false;
#define CUBLAS(name, symbol, parameters)
#include "cuda_api.def"
#undef DRIVER
#undef NVRTC
#undef CUBLAS
    return true;
}

static bool find_cublas_symbols(CudaApi *api, Error *error)
{
#define DRIVER(name, symbol, parameters)
#define NVRTC(name, parameters)
#define CUBLAS(name, symbol, parameters)                                                           \
    if (!find_symbol(api->cublas, symbol, &api->name, api->cublas_path, error))                    \
        return false;
#include "cuda_api.def"
#undef DRIVER
#undef NVRTC
#undef CUBLAS
    return true;
}

/* ---- libraries ------------------------------------------------------------------------------- */

static bool open_driver(CudaApi *api, const char *folder, Error *error)
{
    static const char *const names[] = {"libcuda.so.1", "nvcuda.dll"};

    for (size_t k = 0; k < sizeof names / sizeof *names && api->driver == NULL; k++) {
        Search search = {.name = names[k], .path = api->driver_path};
        if (find_library(&search, folder))
            api->driver = search.library;
    }
    if (api->driver == NULL) {
        error_set(error, ERROR_DEVICE,
                  "the NVIDIA driver (libcuda.so.1, nvcuda.dll) was not found");
        return error_hint(error, "install NVIDIA's driver, 525 or newer; without a card compile "
                                 "for the processor: snug compile --device host");
    }
    return find_driver_symbols(api, error);
}

/* The newest of at most that major version, 0: any; NULL: there is none. The formats make its
 * file's name of the major version, on Linux and on Windows. */
static OsLibrary *open_newest(const char *const formats[2], int most_major, const char *folder,
                              char *path)
{
    for (int major = most_major; major >= CUDA_OLDEST; major--)
        for (int k = 0; k < 2; k++) {
            char name[64];
            snprintf(name, sizeof name, formats[k], major);
            Search search = {.name = name, .path = path};
            if (find_library(&search, folder))
                return search.library;
        }
    return NULL;
}

static int known_major(int most_major)
{
    return most_major == 0 || most_major > CUDA_NEWEST ? CUDA_NEWEST : most_major;
}

bool cuda_api_open_nvrtc(CudaApi *api, const char *folder, int most_major, Error *error)
{
    static const char *const formats[] = {"libnvrtc.so.%d", "nvrtc64_%d0_0.dll"};

    most_major = known_major(most_major);
    api->nvrtc = open_newest(formats, most_major, folder, api->nvrtc_path);
    if (api->nvrtc == NULL) {
        error_set(error, ERROR_DEVICE, "NVRTC (libnvrtc.so.%d, nvrtc64_%d0_0.dll) was not found",
                  most_major, most_major);
        return error_hint(error,
                          "install the CUDA %d toolkit, or its part alone: pip install "
                          "nvidia-cuda-nvrtc%s; --cuda_path FOLDER says where it is",
                          most_major, most_major == 12 ? "-cu12" : "");
    }
    return find_nvrtc_symbols(api, error)
           && (api->nvrtcVersion(&api->nvrtc_major, &api->nvrtc_minor) == 0
               || error_set(error, ERROR_DEVICE, "%s does not say its version", api->nvrtc_path));
}

bool cuda_api_open_cublas(CudaApi *api, const char *folder, Error *error)
{
    static const char *const formats[] = {"libcublas.so.%d", "cublas64_%d.dll"};
    int major = known_major(api->driver_version / 1000);

    api->cublas = open_newest(formats, major, folder, api->cublas_path);
    if (api->cublas == NULL) {
        error_set(error, ERROR_DEVICE, "cuBLAS (libcublas.so.%d, cublas64_%d.dll) was not found",
                  major, major);
        return error_hint(error,
                          "install the CUDA %d toolkit, or its part alone: pip install "
                          "nvidia-cublas%s; --cuda_path FOLDER says where it is; or compile "
                          "with --gemm own",
                          major, major == 12 ? "-cu12" : "");
    }
    return find_cublas_symbols(api, error);
}

bool cuda_api_open(CudaApi *api, const char *folder, Error *error)
{
    *api = (CudaApi){0};
    if (!open_driver(api, folder, error))
        return false;
    CudaResult result = api->cuInit(0);
    if (result == CUDA_NO_DEVICE) {
        error_set(error, ERROR_DEVICE, "the NVIDIA driver finds no card");
        return error_hint(error, "nvidia-smi lists the cards; CUDA_VISIBLE_DEVICES may hide them");
    }
    if (result != 0)
        return cuda_failed(api, result, "the NVIDIA driver cannot be started", error);
    result = api->cuDriverGetVersion(&api->driver_version);
    if (result != 0)
        return cuda_failed(api, result, "the NVIDIA driver does not say its version", error);
    if (api->driver_version < CUDA_OLDEST * 1000) {
        error_set(error, ERROR_DEVICE, "the NVIDIA driver runs CUDA %d.%d, 12.0 is needed",
                  api->driver_version / 1000, api->driver_version % 1000 / 10);
        return error_hint(error, "install driver 525 or newer");
    }
    return cuda_api_open_nvrtc(api, folder, api->driver_version / 1000, error);
}

bool cuda_failed(const CudaApi *api, CudaResult result, const char *what, Error *error)
{
    const char *name = NULL, *text = NULL;

    api->cuGetErrorName(result, &name);
    api->cuGetErrorString(result, &text);
    if (name == NULL)
        return error_set(error, ERROR_DEVICE, "%s: error %d of the CUDA driver", what, result);
    error_set(error, ERROR_DEVICE, "%s: %s", what, name);
    return error_why(error, "%s", text != NULL ? text : "");
}
