#pragma once
// The door to CUDA's runtime: every call goes through check_cuda.

#include <cuda_runtime.h>

#if !defined(__CUDACC__) && !defined(WEIGHTSCOPE_CUDA_EMULATION)
#error "weightscope/cuda holds kernels: include it from a .cu file, which nvcc compiles"
#endif

// fmt 9 takes nvcc for a compiler without constexpr functions, and then its check of format strings fails
#if defined(__NVCC__) && !defined(FMT_USE_CONSTEXPR)
#define FMT_USE_CONSTEXPR 1
#endif

// in headers of the host: pragmas of GCC, which the host's compiler reads, what follows an `if constexpr` that returned, and a conversion
// to itself that one instantiation of a template has
#if defined(__NVCC__)
#pragma nv_diag_suppress 1675, 128, 554
#endif

#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace weightscope {

/// A call of CUDA, cuBLAS or cuSOLVER that failed.
/// what() is one line: "weightscope: CALL: NAME: TEXT (FILE:LINE)".
class cuda_error : public std::runtime_error
{
public:
    cuda_error(std::string_view call, std::string_view name, std::string_view text, std::string_view file, int line)
        : std::runtime_error(fmt::format("weightscope: {}: {}: {} ({}:{})", call, name, text, short_name(file), line)),
          name_(name)
    {
    }

    /// Such as "cudaErrorMemoryAllocation".
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    // from "weightscope/" on, which is the same on every machine
    static std::string_view short_name(std::string_view file)
    {
        const auto at = file.rfind("weightscope/cuda/");
        return at == std::string_view::npos ? file : file.substr(at);
    }

    std::string name_;
};

/// Throws cuda_error unless a call of the CUDA runtime succeeded.
///
/// @param call  its name, for the message
/// @param file  where it is, left to the compiler, as is `line`
inline void check_cuda(cudaError_t status, const char* call, const char* file = __builtin_FILE(), int line = __builtin_LINE())
{
    if (status == cudaSuccess)
        return;
    static_cast<void>(cudaGetLastError());  // or the next call would be blamed for this one
    throw cuda_error(call, cudaGetErrorName(status), cudaGetErrorString(status), file, line);
}

/// Whether there is a device to run on.
[[nodiscard]] inline bool has_cuda_device()
{
    int count = 0;
    const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    if (!found)
        static_cast<void>(cudaGetLastError());
    return found;
}

}  // namespace weightscope
