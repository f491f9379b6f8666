#pragma once
// Stands in for cuBLAS, as cuda_runtime.h for the runtime: the host's BLAS does the work when the stream gets to it.

#include <cuda_runtime.h>

#include <cstddef>

#include "lapack.hpp"

enum cublasStatus_t
{
    CUBLAS_STATUS_SUCCESS = 0,
    CUBLAS_STATUS_NOT_INITIALIZED = 1,
    CUBLAS_STATUS_ALLOC_FAILED = 3,
    CUBLAS_STATUS_INVALID_VALUE = 7,
};
enum cublasFillMode_t
{
    CUBLAS_FILL_MODE_LOWER = 0,
    CUBLAS_FILL_MODE_UPPER = 1,
};
enum cublasOperation_t
{
    CUBLAS_OP_N = 0,
    CUBLAS_OP_T = 1,
};

struct cublasContext
{
    cudaStream_t stream = nullptr;
};
using cublasHandle_t = cublasContext*;

inline const char* cublasGetStatusName(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_INITIALIZED ? "CUBLAS_STATUS_NOT_INITIALIZED" : status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_INVALID_VALUE";
}
inline const char* cublasGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_INITIALIZED ? "the library was not initialized" : "an unsupported value or parameter was passed to the function";
}

inline cublasStatus_t cublasCreate(cublasHandle_t* handle)
{
    if (emulator::the().devices == 0)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = new cublasContext;
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasDsyrk(cublasHandle_t handle, cublasFillMode_t fill, cublasOperation_t operation, int n, int k, const double* alpha, const double* a,
                                  int lda, const double* beta, double* c, int ldc)
{
    if (n < 0 || k < 0 || lda < (operation == CUBLAS_OP_N ? n : k) || ldc < n)
        return CUBLAS_STATUS_INVALID_VALUE;
    emulator::later(handle->stream, [=, x = *alpha, y = *beta] {
        if (!emulator::touches_device(a) || !emulator::touches_device(c)) {
            emulator::failed(cudaErrorInvalidValue, "cublasDsyrk was given memory of the host");
            return;
        }
        emulator::blas_dsyrk(fill == CUBLAS_FILL_MODE_LOWER ? "L" : "U", operation == CUBLAS_OP_N ? "N" : "T", &n, &k, &x, a, &lda, &y, c, &ldc);
    });
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t left, cublasOperation_t right, int m, int n, int k, const double* alpha,
                                                const double* a, int lda, long long a_stride, const double* b, int ldb, long long b_stride,
                                                const double* beta, double* c, int ldc, long long c_stride, int count)
{
    if (m < 0 || n < 0 || k < 0 || count < 0 || ldc < m || lda < (left == CUBLAS_OP_N ? m : k) || ldb < (right == CUBLAS_OP_N ? k : n))
        return CUBLAS_STATUS_INVALID_VALUE;
    emulator::later(handle->stream, [=, x = *alpha, y = *beta] {
        for (int i = 0; i < count; ++i)
            emulator::blas_dgemm(left == CUBLAS_OP_N ? "N" : "T", right == CUBLAS_OP_N ? "N" : "T", &m, &n, &k, &x, a + i * a_stride, &lda,
                                 b + i * b_stride, &ldb, &y, c + i * c_stride, &ldc);
    });
    return CUBLAS_STATUS_SUCCESS;
}
