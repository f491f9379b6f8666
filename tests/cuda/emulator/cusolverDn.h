#pragma once
// Stands in for cuSOLVER, as cuda_runtime.h for the runtime: the host's LAPACK does the work when the stream gets to it. Lengths of
// workspaces are checked, and filled, so that a caller who gives less is found.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cublas_v2.h"
#include "lapack.hpp"

#define CUSOLVER_VERSION 12000

enum cusolverStatus_t
{
    CUSOLVER_STATUS_SUCCESS = 0,
    CUSOLVER_STATUS_NOT_INITIALIZED = 1,
    CUSOLVER_STATUS_INVALID_VALUE = 3,
};
enum cusolverEigMode_t
{
    CUSOLVER_EIG_MODE_NOVECTOR = 0,
    CUSOLVER_EIG_MODE_VECTOR = 1,
};
enum cudaDataType
{
    CUDA_R_64F = 1,
};

struct cusolverDnContext
{
    cudaStream_t stream = nullptr;
};
using cusolverDnHandle_t = cusolverDnContext*;
struct cusolverDnParams
{
};
using cusolverDnParams_t = cusolverDnParams*;

inline cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle)
{
    if (emulator::the().devices == 0)
        return CUSOLVER_STATUS_NOT_INITIALIZED;
    *handle = new cusolverDnContext;
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle)
{
    delete handle;
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* params)
{
    *params = new cusolverDnParams;
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params)
{
    delete params;
    return CUSOLVER_STATUS_SUCCESS;
}

namespace emulator {

inline int eigenvalues_of(int n, double* a, int lda, double* w)
{
    const int work_size = 2 * n + 1, integer_size = 1;
    std::vector<double> work(static_cast<std::size_t>(work_size));
    int integer = 0, info = 0;
    lapack_dsyevd("N", "L", &n, a, &lda, w, work.data(), &work_size, &integer, &integer_size, &info);
    return info;
}

// The workspace that was asked for, spoilt.
inline bool spoil(double* work, int size, int asked)
{
    if (size < asked || !within(the().allocations, work, static_cast<std::size_t>(asked) * sizeof(double))) {
        failed(cudaErrorInvalidValue, "a workspace of cuSOLVER is too small, or not the device's");
        return false;
    }
    std::fill_n(work, asked, -1e300);
    return true;
}

}  // namespace emulator

inline cusolverStatus_t cusolverDnDsyevd_bufferSize(cusolverDnHandle_t, cusolverEigMode_t, cublasFillMode_t, int n, const double*, int, const double*, int* size)
{
    *size = 3 * n + 7;
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnDsyevd(cusolverDnHandle_t handle, cusolverEigMode_t mode, cublasFillMode_t fill, int n, double* a, int lda, double* w,
                                         double* work, int size, int* info)
{
    if (mode != CUSOLVER_EIG_MODE_NOVECTOR || fill != CUBLAS_FILL_MODE_LOWER || n < 1 || lda < n)
        return CUSOLVER_STATUS_INVALID_VALUE;
    emulator::later(handle->stream, [=] {
        if (emulator::spoil(work, size, 3 * n + 7))
            *info = emulator::eigenvalues_of(n, a, lda, w);
    });
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnXsyevBatched_bufferSize(cusolverDnHandle_t, cusolverDnParams_t, cusolverEigMode_t, cublasFillMode_t, std::int64_t n, cudaDataType,
                                                          const void*, std::int64_t, cudaDataType, const void*, cudaDataType, std::size_t* on_device,
                                                          std::size_t* on_host, std::int64_t count)
{
    *on_device = static_cast<std::size_t>((3 * n + 7) * count) * sizeof(double);
    *on_host = 16;
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnXsyevBatched(cusolverDnHandle_t handle, cusolverDnParams_t, cusolverEigMode_t, cublasFillMode_t, std::int64_t n, cudaDataType,
                                               void* a, std::int64_t lda, cudaDataType, void* w, cudaDataType, void* work, std::size_t size, void* host_work,
                                               std::size_t host_size, int* info, std::int64_t count)
{
    if (n < 1 || lda < n || host_size < 16 || host_work == nullptr)
        return CUSOLVER_STATUS_INVALID_VALUE;
    emulator::later(handle->stream, [=] {
        if (!emulator::spoil(static_cast<double*>(work), static_cast<int>(size / sizeof(double)), static_cast<int>((3 * n + 7) * count)))
            return;
        for (std::int64_t i = 0; i < count; ++i)
            info[i] = emulator::eigenvalues_of(static_cast<int>(n), static_cast<double*>(a) + i * lda * n, static_cast<int>(lda), static_cast<double*>(w) + i * n);
    });
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnDgeqrf_bufferSize(cusolverDnHandle_t, int, int n, double*, int, int* size)
{
    *size = 64 * n;
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnDgeqrf(cusolverDnHandle_t handle, int m, int n, double* a, int lda, double* tau, double* work, int size, int* info)
{
    if (m < 1 || n < 1 || lda < m)
        return CUSOLVER_STATUS_INVALID_VALUE;
    emulator::later(handle->stream, [=] {
        if (emulator::spoil(work, size, 64 * n))
            emulator::lapack_dgeqrf(&m, &n, a, &lda, tau, work, &size, info);
    });
    return CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnDgesvd_bufferSize(cusolverDnHandle_t, int m, int n, int* size)
{
    *size = 8 * std::max(m, n);
    return m < n ? CUSOLVER_STATUS_INVALID_VALUE : CUSOLVER_STATUS_SUCCESS;
}

inline cusolverStatus_t cusolverDnDgesvd(cusolverDnHandle_t handle, signed char jobu, signed char jobvt, int m, int n, double* a, int lda, double* s, double* u,
                                         int ldu, double* vt, int ldvt, double* work, int size, double*, int* info)
{
    if (m < n || lda < m || jobu != 'N' || jobvt != 'N')
        return CUSOLVER_STATUS_INVALID_VALUE;
    emulator::later(handle->stream, [=] {
        if (emulator::spoil(work, size, 8 * std::max(m, n)))
            emulator::lapack_dgesvd("N", "N", &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &size, info);
    });
    return CUSOLVER_STATUS_SUCCESS;
}
