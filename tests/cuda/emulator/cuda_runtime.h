#pragma once
// Stands in for CUDA's runtime where there is neither nvcc nor a device: g++ compiles the same kernels and the same host code, and the
// threads of a block are fibers of one host thread, one block after the other. It is stricter than a device, so that a test sees what a
// device might forgive:
// - work of a stream runs when somebody waits for it, and not before: what is read without waiting is still what it was
// - a thread that misses a barrier, and threads that wait at different ones, are errors; so are lanes that miss an exchange of their warp
// - threads of the host may share the device; it does the work of one of them at a time
// - fibers run in an order that tests choose, so that a missing barrier shows
// - memory of the device and of blocks is filled with garbage, and is memory of its own for AddressSanitizer
// - copies check on which side their ends lie, and that they stay within one allocation

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <math.h>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "device_code.hpp"
#include "machine.hpp"
#include "types.hpp"

struct CUstream_st
{
    std::deque<std::function<void()>> work = {};
    std::thread::id giver = {};  // thread of the host that gave work to it last
    void drain()
    {
        while (!work.empty()) {
            const auto next = std::move(work.front());
            work.pop_front();
            next();
        }
    }
};
using cudaStream_t = CUstream_st*;

struct CUevent_st
{
    CUstream_st* stream = nullptr;
    bool done = true;
    void wait() const
    {
        while (!done && stream && !stream->work.empty()) {
            const auto next = std::move(stream->work.front());
            stream->work.pop_front();
            next();
        }
    }
};
using cudaEvent_t = CUevent_st*;

namespace emulator {

inline CUstream_st& null_stream()
{
    static CUstream_st stream;
    return stream;
}

inline CUstream_st& stream_of(cudaStream_t stream)
{
    return stream ? *stream : null_stream();
}

inline std::set<CUstream_st*>& streams()
{
    static std::set<CUstream_st*> living = {&null_stream()};
    return living;
}

inline void later(cudaStream_t stream, std::function<void()> work)
{
    const turn_guard guard(the().turn);
    stream_of(stream).giver = std::this_thread::get_id();
    stream_of(stream).work.push_back(std::move(work));
}

// A call that fails. Copies to memory that is not pinned end before a device's runtime returns, so that whoever is told of the error may let
// go of that memory: what this thread has given is done first.
inline cudaError_t refused(cudaError_t error)
{
    for (CUstream_st* stream : streams())
        if (stream->giver == std::this_thread::get_id())
            stream->drain();
    return the().last = error;
}

inline cudaError_t allocate(void** p, std::size_t bytes)
{
    machine& m = the();
    const turn_guard guard(m.turn);
    if (m.fail_allocation_after == 0 || m.live_bytes > m.memory_bytes || bytes > m.memory_bytes - m.live_bytes)
        return refused(cudaErrorMemoryAllocation);
    --m.fail_allocation_after;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
#if defined(__SANITIZE_ADDRESS__)
    std::free(memory);  // the end of what was asked for must be the end of the allocation
    void* exact = nullptr;
    if (posix_memalign(&exact, 256, std::max<std::size_t>(bytes, 1)) != 0)
        return m.last = cudaErrorMemoryAllocation;
    memory = static_cast<std::byte*>(exact);
#endif
    std::memset(memory, 0xcd, bytes);
    m.allocations[memory] = bytes;
    ++m.live_allocations;
    m.live_bytes += bytes;
    *p = memory;
    return cudaSuccess;
}

inline void release_memory(void* p)
{
    machine& m = the();
    const auto found = m.allocations.find(static_cast<const std::byte*>(p));
    if (found == m.allocations.end()) {
        failed(cudaErrorInvalidValue, "memory is freed that was not allocated");
        return;
    }
    m.live_bytes -= found->second;
    m.allocations.erase(found);
    --m.live_allocations;
    std::free(p);
}

// Copies bytes at once; checks the sides.
inline void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind)
{
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if ((to_device ? !within(the().allocations, to, bytes) : touches_device(to))
        || (from_device ? !within(the().allocations, from, bytes) : touches_device(from))) {
        failed(cudaErrorInvalidValue, "a copy's end is on the wrong side, or leaves its allocation");
        return;
    }
    std::memcpy(to, from, bytes);
}

// What the tests begin with.
inline void reset()
{
    the().fault.clear();
    the().last = cudaSuccess;
    the().fibers = order::forward;
    the().multiprocessors = 3;
    the().shared_bytes_per_block = 227 * 1024;
    the().threads_per_block = 128;
    the().devices = 1;
    the().fail_allocation_after = static_cast<std::size_t>(-1);
    the().memory_bytes = static_cast<std::size_t>(-1);
}

}  // namespace emulator

struct cudaLaunchAttribute;
struct cudaLaunchConfig_t
{
    dim3 gridDim, blockDim;
    std::size_t dynamicSmemBytes;
    cudaStream_t stream;
    cudaLaunchAttribute* attrs;
    unsigned numAttrs;
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... arguments)
{
    const emulator::turn_guard guard(emulator::the().turn);
    emulator::machine& m = emulator::the();
    const std::size_t threads = std::size_t{config->blockDim.x} * config->blockDim.y * config->blockDim.z;
    if (threads == 0 || threads > static_cast<std::size_t>(m.threads_per_block) || config->gridDim.x == 0 || config->gridDim.y == 0 || config->gridDim.z == 0
        || config->gridDim.y > 65535 || config->gridDim.z > 65535)
        return emulator::refused(cudaErrorInvalidConfiguration);
    const auto limit = m.shared_limits.find(reinterpret_cast<const void*>(kernel));
    if (config->dynamicSmemBytes > (limit == m.shared_limits.end() ? emulator::unasked_shared_bytes : static_cast<std::size_t>(limit->second)))
        return emulator::refused(cudaErrorInvalidValue);
    ++m.launches;
    emulator::later(config->stream, [config = *config, kernel, ... held = static_cast<Parameters>(std::forward<Arguments>(arguments))] {
        emulator::run_grid(config.gridDim, config.blockDim, config.dynamicSmemBytes, [&] { kernel(held...); });
    });
    return cudaSuccess;
}

template <class F>
cudaError_t cudaFuncSetAttribute(F* kernel, cudaFuncAttribute, int value)
{
    const emulator::turn_guard guard(emulator::the().turn);
    if (value > emulator::the().shared_bytes_per_block)
        return emulator::refused(cudaErrorInvalidValue);
    emulator::the().shared_limits[reinterpret_cast<const void*>(kernel)] = value;
    return cudaSuccess;
}

inline const char* cudaGetErrorName(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    }
    return "?";
}

inline const char* cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure: return emulator::the().fault.c_str();
    case cudaErrorInvalidValue: return emulator::the().fault.empty() ? "invalid argument" : emulator::the().fault.c_str();
    case cudaSuccess: break;
    }
    return "no error";
}

inline cudaError_t cudaGetLastError()
{
    return std::exchange(emulator::the().last, cudaSuccess);
}

inline cudaError_t cudaGetDeviceCount(int* count)
{
    *count = emulator::the().devices;
    return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

inline cudaError_t cudaGetDevice(int* device)
{
    *device = 0;
    return cudaSuccess;
}

inline cudaError_t cudaSetDevice(int)
{
    return cudaSuccess;
}

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int)
{
    *properties = {"emulated device", 9, 0};
    return cudaSuccess;
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int)
{
    *value = attribute == cudaDevAttrMultiProcessorCount            ? emulator::the().multiprocessors
             : attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin ? emulator::the().shared_bytes_per_block
                                                                    : emulator::the().threads_per_block;
    return cudaSuccess;
}

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned)
{
    const emulator::turn_guard guard(emulator::the().turn);
    *stream = new CUstream_st;
    emulator::streams().insert(*stream);
    return cudaSuccess;
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    const emulator::turn_guard guard(emulator::the().turn);
    ++emulator::the().waits;
    emulator::stream_of(stream).drain();
    return emulator::the().last;
}

inline cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    const emulator::turn_guard guard(emulator::the().turn);
    stream->drain();
    emulator::streams().erase(stream);
    delete stream;
    return cudaSuccess;
}

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned)
{
    *event = new CUevent_st;
    return cudaSuccess;
}

inline cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    const emulator::turn_guard guard(emulator::the().turn);
    event->wait();
    delete event;
    return cudaSuccess;
}

inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    const emulator::turn_guard guard(emulator::the().turn);
    event->stream = &emulator::stream_of(stream);
    event->done = false;
    emulator::later(stream, [event] { event->done = true; });
    return cudaSuccess;
}

inline cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    const emulator::turn_guard guard(emulator::the().turn);
    event->wait();
    return emulator::the().last;
}

inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t)
{
    *milliseconds = 0;
    return cudaSuccess;
}

inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned = 0)
{
    emulator::later(stream, [event] { event->wait(); });
    return cudaSuccess;
}

template <class T>
cudaError_t cudaMallocAsync(T** p, std::size_t bytes, cudaStream_t)
{
    void* memory = nullptr;
    const cudaError_t error = emulator::allocate(&memory, bytes);
    *p = static_cast<T*>(memory);
    return error;
}

inline cudaError_t cudaFreeAsync(void* p, cudaStream_t stream)
{
    emulator::later(stream, [p] { emulator::release_memory(p); });
    return cudaSuccess;
}

template <class T>
cudaError_t cudaMallocHost(T** p, std::size_t bytes)
{
    const emulator::turn_guard guard(emulator::the().turn);
    *p = static_cast<T*>(std::malloc(std::max<std::size_t>(bytes, 1)));
    emulator::the().pinned[reinterpret_cast<const std::byte*>(*p)] = bytes;
    return cudaSuccess;
}

inline cudaError_t cudaFreeHost(void* p)
{
    const emulator::turn_guard guard(emulator::the().turn);
    emulator::the().pinned.erase(static_cast<const std::byte*>(p));
    std::free(p);
    return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    const emulator::turn_guard guard(emulator::the().turn);
    if (kind == cudaMemcpyHostToDevice && !emulator::within(emulator::the().pinned, from, bytes)) {  // copied before the call returns
        const auto* source = static_cast<const std::byte*>(from);
        emulator::later(stream, [to, kind, held = std::vector<std::byte>(source, source + bytes)] { emulator::copy(to, held.data(), held.size(), kind); });
    } else {
        emulator::later(stream, [=] { emulator::copy(to, from, bytes, kind); });
    }
    return cudaSuccess;
}

inline cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width, std::size_t height,
                                     cudaMemcpyKind kind, cudaStream_t stream)
{
    if (width > to_pitch || width > from_pitch)
        return emulator::the().last = cudaErrorInvalidValue;
    for (std::size_t row = 0; row < height; ++row)
        (void)cudaMemcpyAsync(static_cast<std::byte*>(to) + row * to_pitch, static_cast<const std::byte*>(from) + row * from_pitch, width, kind, stream);
    return cudaSuccess;
}

inline cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream)
{
    emulator::later(stream, [=] {
        if (emulator::within(emulator::the().allocations, p, bytes))
            std::memset(p, value, bytes);
        else
            emulator::failed(cudaErrorInvalidValue, "memory is set that is not the device's, or beyond its allocation");
    });
    return cudaSuccess;
}
