#pragma once

#include <weightscope/cuda/error.cuh>

#include <cublas_v2.h>
#include <cusolverDn.h>

#include <utility>

#include <fmt/format.h>

#include <weightscope/cuda/workspace.cuh>

namespace weightscope {

/// Throws cuda_error unless a call of cuBLAS succeeded.
inline void check_cublas(cublasStatus_t status, const char* call, const char* file = __builtin_FILE(), int line = __builtin_LINE())
{
    if (status != CUBLAS_STATUS_SUCCESS)
        throw cuda_error(call, cublasGetStatusName(status), cublasGetStatusString(status), file, line);
}

/// Throws cuda_error unless a call of cuSOLVER succeeded.
inline void check_cusolver(cusolverStatus_t status, const char* call, const char* file = __builtin_FILE(), int line = __builtin_LINE())
{
    if (status != CUSOLVER_STATUS_SUCCESS)
        throw cuda_error(call, fmt::format("cusolverStatus_t {}", static_cast<int>(status)), "see cusolverStatus_t in the manual of cuSOLVER", file, line);
}

/// cuBLAS and cuSOLVER on one stream, with memory that calls reuse. Making one takes milliseconds: keep it.
class cuda_solver
{
public:
    explicit cuda_solver(cudaStream_t stream = nullptr) : workspace_(stream)
    {
        check_cublas(cublasCreate(&cublas_.handle), "cublasCreate");
        check_cublas(cublasSetStream(cublas_.handle, stream), "cublasSetStream");
        check_cusolver(cusolverDnCreate(&cusolver_.handle), "cusolverDnCreate");
        check_cusolver(cusolverDnSetStream(cusolver_.handle, stream), "cusolverDnSetStream");
        check_cusolver(cusolverDnCreateParams(&params_.handle), "cusolverDnCreateParams");
    }
    cuda_solver(cuda_solver&&) noexcept = default;
    cuda_solver& operator=(cuda_solver&&) noexcept = default;

    [[nodiscard]] cudaStream_t stream() const noexcept { return workspace_.stream(); }
    [[nodiscard]] cuda_workspace& workspace() noexcept { return workspace_; }
    [[nodiscard]] cublasHandle_t cublas() const noexcept { return cublas_.handle; }
    [[nodiscard]] cusolverDnHandle_t cusolver() const noexcept { return cusolver_.handle; }
    [[nodiscard]] cusolverDnParams_t params() const noexcept { return params_.handle; }

private:
    // Each lets go of itself, also where the next one cannot be made.
    template <class Handle, auto Destroy>
    struct owned
    {
        owned() = default;
        owned(owned&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
        owned& operator=(owned&& other) noexcept
        {
            std::swap(handle, other.handle);
            return *this;
        }
        ~owned()
        {
            if (handle)
                static_cast<void>(Destroy(handle));
        }
        Handle handle = nullptr;
    };

    cuda_workspace workspace_;
    owned<cublasHandle_t, cublasDestroy> cublas_;
    owned<cusolverDnHandle_t, cusolverDnDestroy> cusolver_;
    owned<cusolverDnParams_t, cusolverDnDestroyParams> params_;
};

}  // namespace weightscope
