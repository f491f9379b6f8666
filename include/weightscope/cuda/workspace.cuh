#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/cuda/memory.cuh>

namespace weightscope {

namespace detail {

// Memory that calls take piece by piece and give back all at once, from Source()(bytes): one block, which grows to what the most demanding call
// has needed.
template <class Source>
class reused_memory
{
public:
    explicit reused_memory(Source source) : source_(source) {}

    [[nodiscard]] std::size_t held_bytes() const noexcept { return block_.size() + overflow_bytes_; }

    void give_back_all()
    {
        if (!overflow_.empty()) {  // one block that would have been enough
            const std::size_t wanted = held_bytes();
            overflow_.clear();
            overflow_bytes_ = 0;
            block_ = {};
            block_ = source_(wanted);
        }
        used_ = 0;
    }

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
        overflow_.push_back(source_(bytes));
        overflow_bytes_ += bytes;
        return reinterpret_cast<T*>(overflow_.back().data());
    }

private:
    using block = std::invoke_result_t<Source, std::size_t>;

    static constexpr std::size_t alignment = 256;

    Source source_;
    block block_;
    std::vector<block> overflow_;
    std::size_t used_ = 0, overflow_bytes_ = 0;
};

struct device_bytes
{
    cudaStream_t stream;
    device_memory<std::byte> operator()(std::size_t bytes) const { return {bytes, stream}; }
};

struct pinned_bytes
{
    pinned_memory<std::byte> operator()(std::size_t bytes) const { return pinned_memory<std::byte>(bytes); }
};

}  // namespace detail

/// Memory of the device and pinned memory of the host that calls reuse, and what the device can do. One for each stream that is at work at a time.
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
    explicit cuda_workspace(cudaStream_t stream = nullptr) : stream_(stream), on_device_(detail::device_bytes{stream}), on_host_(detail::pinned_bytes{})
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
    [[nodiscard]] std::size_t held_bytes() const noexcept { return on_device_.held_bytes(); }

    /// Takes back everything that was taken; the stream's order keeps work that still uses memory of the device safe, and calls that copy to the
    /// host wait for what they copied.
    void start_call()
    {
        on_device_.give_back_all();
        on_host_.give_back_all();
    }

    /// Memory for `count` numbers until the next start_call(), aligned to 256 bytes, not initialised.
    template <class T>
    [[nodiscard]] T* take(std::size_t count)
    {
        return on_device_.take<T>(count);
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

    /// Gives the stream a copy of numbers on the device. They are there when the stream has been waited for, until the next start_call().
    template <class T>
    [[nodiscard]] std::span<const T> to_host(const T* from, std::size_t count)
    {
        const std::span<T> to(on_host_.take<T>(count), count);
        copy_to_host(from, to, stream_);
        return to;
    }

private:
    cudaStream_t stream_;
    int multiprocessors_ = 1, shared_bytes_ = 0, threads_ = 256;
    detail::reused_memory<detail::device_bytes> on_device_;
    detail::reused_memory<detail::pinned_bytes> on_host_;
};

}  // namespace weightscope
