#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <limits>
#include <new>
#include <vector>

#include <weightscope/cuda/memory.cuh>

namespace weightscope {

/// Memory of the device that calls reuse, and what the device can do. One for each stream that is at work at a time.
///
///     cuda_workspace workspace(stream);
///     for (const auto& w : views)                        // on that stream
///         results.push_back(analyze_elements(w, {}, workspace));
///
/// It grows to what the most demanding call has needed and keeps that. Functions that are not given one make one and let it go,
/// which costs an allocation.
class cuda_workspace
{
public:
    explicit cuda_workspace(cudaStream_t stream = nullptr) : stream_(stream)
    {
        int device = 0;
        check_cuda(cudaGetDevice(&device), "cudaGetDevice");
        check_cuda(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
        check_cuda(cudaDeviceGetAttribute(&shared_bytes_, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
        check_cuda(cudaDeviceGetAttribute(&threads_, cudaDevAttrMaxThreadsPerBlock, device), "cudaDeviceGetAttribute");
    }

    [[nodiscard]] cudaStream_t stream() const noexcept { return stream_; }
    [[nodiscard]] unsigned multiprocessors() const noexcept { return static_cast<unsigned>(multiprocessors_); }
    /// Of a block: `wanted`, or what the device can do.
    [[nodiscard]] unsigned threads(unsigned wanted) const noexcept { return wanted < static_cast<unsigned>(threads_) ? wanted : static_cast<unsigned>(threads_); }
    /// That one block may use.
    [[nodiscard]] std::size_t shared_bytes() const noexcept { return static_cast<std::size_t>(shared_bytes_); }
    /// Bytes of device memory that it holds.
    [[nodiscard]] std::size_t held_bytes() const noexcept { return block_.size() + overflow_bytes_; }

    /// Takes back everything that was taken; the stream's order keeps work that still uses it safe.
    void start_call()
    {
        if (!overflow_.empty()) {  // one block that would have been enough
            const std::size_t wanted = held_bytes();
            overflow_.clear();
            overflow_bytes_ = 0;
            block_ = {};
            block_ = device_memory<std::byte>(wanted, stream_);
        }
        used_ = 0;
    }

    /// Memory for `count` numbers until the next start_call(), aligned to 256 bytes, not initialised.
    template <class T>
    [[nodiscard]] T* take(std::size_t count)
    {
        if (count > (std::numeric_limits<std::size_t>::max() - alignment) / sizeof(T))
            throw std::bad_array_new_length();
        const std::size_t bytes = (count * sizeof(T) + alignment - 1) / alignment * alignment;
        if (bytes <= block_.size() - used_) {
            std::byte* const place = block_.data() + used_;
            used_ += bytes;
            return reinterpret_cast<T*>(place);
        }
        overflow_.emplace_back(bytes, stream_);
        overflow_bytes_ += bytes;
        return reinterpret_cast<T*>(overflow_.back().data());
    }

    /// The same, filled with zero bytes.
    template <class T>
    [[nodiscard]] T* take_zeros(std::size_t count)
    {
        T* const place = take<T>(count);
        if (count > 0)
            check_cuda(cudaMemsetAsync(place, 0, count * sizeof(T), stream_), "cudaMemsetAsync");
        return place;
    }

private:
    static constexpr std::size_t alignment = 256;

    cudaStream_t stream_;
    int multiprocessors_ = 1, shared_bytes_ = 0, threads_ = 256;
    device_memory<std::byte> block_;
    std::vector<device_memory<std::byte>> overflow_;
    std::size_t used_ = 0, overflow_bytes_ = 0;
};

}  // namespace weightscope
