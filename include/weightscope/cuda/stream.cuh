#pragma once

#include <weightscope/cuda/error.cuh>

#include <utility>

namespace weightscope {

/// A stream of its own: work that is given to it runs in order, beside that of other streams.
///
/// Destroying it waits for nothing: CUDA finishes what was given to it.
class cuda_stream
{
public:
    cuda_stream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
    cuda_stream(cuda_stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
    cuda_stream& operator=(cuda_stream&& other) noexcept
    {
        std::swap(stream_, other.stream_);
        return *this;
    }
    cuda_stream(const cuda_stream&) = delete;
    cuda_stream& operator=(const cuda_stream&) = delete;
    ~cuda_stream()
    {
        if (stream_)
            static_cast<void>(cudaStreamDestroy(stream_));
    }

    [[nodiscard]] cudaStream_t get() const noexcept { return stream_; }

    /// Returns when all work given so far is done.
    void wait() const { check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

private:
    cudaStream_t stream_ = nullptr;
};

/// A point in a stream's work, for others to wait for.
class cuda_event
{
public:
    /// @param timed  the time between two such events can be told; costs a little
    struct options
    {
        bool timed = false;
    };

    cuda_event() : cuda_event(options{}) {}
    explicit cuda_event(const options& chosen)
    {
        check_cuda(cudaEventCreateWithFlags(&event_, chosen.timed ? cudaEventDefault : cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    cuda_event(cuda_event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
    cuda_event& operator=(cuda_event&& other) noexcept
    {
        std::swap(event_, other.event_);
        return *this;
    }
    cuda_event(const cuda_event&) = delete;
    cuda_event& operator=(const cuda_event&) = delete;
    ~cuda_event()
    {
        if (event_)
            static_cast<void>(cudaEventDestroy(event_));
    }

    /// Marks what was given to `stream` so far.
    void record(cudaStream_t stream) const { check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord"); }
    /// Returns when that is done.
    void wait() const { check_cuda(cudaEventSynchronize(event_), "cudaEventSynchronize"); }
    /// Lets what `stream` is given from now on wait for it.
    void hold(cudaStream_t stream) const { check_cuda(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent"); }

    /// Milliseconds since `start`; both timed and done.
    [[nodiscard]] float milliseconds_since(const cuda_event& start) const
    {
        float result = 0;
        check_cuda(cudaEventElapsedTime(&result, start.event_, event_), "cudaEventElapsedTime");
        return result;
    }

private:
    cudaEvent_t event_ = nullptr;
};

}  // namespace weightscope
