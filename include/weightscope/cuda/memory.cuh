#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace weightscope {

/// Memory of the device for `size` numbers, given back in the order of its stream.
///
/// The numbers are not initialised. T is what can be copied byte by byte.
template <class T>
class device_memory
{
    static_assert(std::is_trivially_copyable_v<T>, "device_memory<T>: T must be trivially copyable, as bytes are what devices copy");

public:
    device_memory() = default;
    /// @param stream  work that uses the memory must run there, or wait for it
    device_memory(std::size_t size, cudaStream_t stream) : size_(size), stream_(stream)
    {
        if (size > std::numeric_limits<std::size_t>::max() / sizeof(T))
            throw std::bad_array_new_length();
        if (size > 0)
            check_cuda(cudaMallocAsync(&data_, size * sizeof(T), stream), "cudaMallocAsync");
    }
    /// A copy of numbers of the host, which are read before this returns or, if they are pinned, when the stream gets to it.
    device_memory(std::span<const T> numbers, cudaStream_t stream) : device_memory(numbers.size(), stream)
    {
        if (size_ > 0)
            check_cuda(cudaMemcpyAsync(data_, numbers.data(), numbers.size_bytes(), cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
    }
    device_memory(device_memory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), stream_(other.stream_)
    {
    }
    device_memory& operator=(device_memory&& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(stream_, other.stream_);
        return *this;
    }
    device_memory(const device_memory&) = delete;
    device_memory& operator=(const device_memory&) = delete;
    ~device_memory()
    {
        if (data_)
            static_cast<void>(cudaFreeAsync(data_, stream_));
    }

    [[nodiscard]] T* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
    cudaStream_t stream_ = nullptr;
};

/// Memory of the host that the device can copy to and from while both go on with other work.
template <class T>
class pinned_memory
{
    static_assert(std::is_trivially_copyable_v<T>, "pinned_memory<T>: T must be trivially copyable, as bytes are what devices copy");

public:
    pinned_memory() = default;
    explicit pinned_memory(std::size_t size) : size_(size)
    {
        if (size > std::numeric_limits<std::size_t>::max() / sizeof(T))
            throw std::bad_array_new_length();
        if (size > 0)
            check_cuda(cudaMallocHost(&data_, size * sizeof(T)), "cudaMallocHost");
    }
    pinned_memory(pinned_memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    pinned_memory& operator=(pinned_memory&& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    pinned_memory(const pinned_memory&) = delete;
    pinned_memory& operator=(const pinned_memory&) = delete;
    ~pinned_memory()
    {
        if (data_)
            static_cast<void>(cudaFreeHost(data_));
    }

    [[nodiscard]] T* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Gives the stream a copy to the host; `to` holds the numbers when the stream has been waited for.
template <class T>
void copy_to_host(const T* from, std::span<T> to, cudaStream_t stream)
{
    if (!to.empty())
        check_cuda(cudaMemcpyAsync(to.data(), from, to.size_bytes(), cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
}

/// Gives the stream a copy to the device.
template <class T>
void copy_to_device(std::span<const T> from, T* to, cudaStream_t stream)
{
    if (!from.empty())
        check_cuda(cudaMemcpyAsync(to, from.data(), from.size_bytes(), cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
}

}  // namespace weightscope
