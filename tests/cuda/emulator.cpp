// What the emulator of tests/cuda/emulator promises: it runs where g++ compiles the tests, and has nothing to do on a GPU.
#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/stream.cuh>
#include <weightscope/cuda/workspace.cuh>

using namespace weightscope;

#if defined(WEIGHTSCOPE_CUDA_EMULATION)

namespace {

__global__ void reverse_block(const int* from, int* to)
{
    __shared__ int numbers[128];
    numbers[threadIdx.x] = from[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    to[blockIdx.x * blockDim.x + threadIdx.x] = numbers[blockDim.x - 1 - threadIdx.x];
}

__global__ void reverse_without_barrier(const int* from, int* to)
{
    __shared__ int numbers[128];
    numbers[threadIdx.x] = from[threadIdx.x];
    to[threadIdx.x] = numbers[blockDim.x - 1 - threadIdx.x];
    numbers[threadIdx.x] = -1;
}

__global__ void miss_barrier()
{
    if (threadIdx.x != 5)
        __syncthreads();
}

__global__ void wait_at_two_barriers()
{
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

__global__ void miss_exchange(int* to)
{
    if (threadIdx.x != 3)
        to[threadIdx.x] = detail::team_sum<32>(1);
}

__global__ void sum_teams(int* to)
{
    to[threadIdx.x] = 1000 * detail::team_sum<8>(static_cast<int>(threadIdx.x)) + detail::team_max<32>(static_cast<int>(threadIdx.x));
}

__global__ void sum_block(double* to)
{
    __shared__ double memory[32];
    const double sum = detail::fold_block<detail::sum_fold>(static_cast<double>(threadIdx.x), 0.0, memory);
    const double again = detail::fold_block<detail::max_fold>(static_cast<double>(threadIdx.x), 0.0, memory);
    if (threadIdx.x == 0)
        *to = sum + 1e6 * again;
}

std::string fault_of(void (*kernel)())
{
    begin_device_test();
    cuda_stream stream;
    detail::launch(kernel, "kernel", {.threads = 64, .stream = stream.get()});
    try {
        stream.wait();
    } catch (const cuda_error& error) {
        CHECK(error.name() == "cudaErrorLaunchFailure");
    }
    return emulator::the().fault;
}

std::string message_of(void (*f)())
{
    try {
        f();
    } catch (const cuda_error& error) {
        const std::string text = error.what();
        return text.substr(0, text.rfind(':'));  // without the line
    }
    return {};
}

}  // namespace

TEST_CASE("kernels run on the emulator, block by block, in any order of threads")
{
    std::vector<int> numbers(256);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = static_cast<int>(i);
    for (const emulator::order order : {emulator::order::forward, emulator::order::backward, emulator::order::shuffled}) {
        begin_device_test();
        emulator::the().fibers = order;
        cuda_stream stream;
        const device_memory<int> from(std::span<const int>(numbers), stream.get()), to(256, stream.get());
        detail::launch(reverse_block, "reverse_block", {.grid = 2, .threads = 128, .stream = stream.get()}, from.data(), to.data());
        std::vector<int> found(256);
        copy_to_host(static_cast<const int*>(to.data()), std::span(found), stream.get());
        CHECK(found[0] == 0);  // nothing is done before somebody waits
        stream.wait();
        CHECK(found[0] == 127);
        CHECK(found[255] == 128);
    }
}

TEST_CASE("a missing barrier shows in some order of threads")
{
    std::vector<std::vector<int>> outcomes;
    for (const emulator::order order : {emulator::order::forward, emulator::order::backward}) {
        begin_device_test();
        emulator::the().fibers = order;
        cuda_stream stream;
        std::vector<int> numbers(128, 7), found(128);
        const device_memory<int> from(std::span<const int>(numbers), stream.get()), to(128, stream.get());
        detail::launch(reverse_without_barrier, "reverse_without_barrier", {.threads = 128, .stream = stream.get()}, from.data(), to.data());
        copy_to_host(static_cast<const int*>(to.data()), std::span(found), stream.get());
        stream.wait();
        outcomes.push_back(found);
    }
    CHECK(outcomes[0] != outcomes[1]);
}

TEST_CASE("a thread that misses a barrier or an exchange is found")
{
    CHECK(fault_of(miss_barrier).find("waits at the barrier") != std::string::npos);
    CHECK(fault_of(miss_barrier).find("thread 5 of block 0 has ended;") != std::string::npos);
    CHECK(fault_of(wait_at_two_barriers).find("a barrier or an exchange is never complete:") == 0);
    begin_device_test();
    cuda_stream stream;
    const device_memory<int> to(32, stream.get());
    detail::launch(miss_exchange, "miss_exchange", {.threads = 32, .stream = stream.get()}, to.data());
    CHECK_THROWS_AS(stream.wait(), cuda_error);
    CHECK(emulator::the().fault.find("thread 3 of block 0 has ended;") != std::string::npos);
    begin_device_test();
}

TEST_CASE("teams of lanes and blocks fold their numbers")
{
    begin_device_test();
    cuda_stream stream;
    const device_memory<int> to(64, stream.get());
    const device_memory<double> sum(1, stream.get());
    detail::launch(sum_teams, "sum_teams", {.threads = 64, .stream = stream.get()}, to.data());
    detail::launch(sum_block, "sum_block", {.threads = 96, .stream = stream.get()}, sum.data());
    std::vector<int> found(64);
    std::vector<double> total(1);
    copy_to_host(static_cast<const int*>(to.data()), std::span(found), stream.get());
    copy_to_host(static_cast<const double*>(sum.data()), std::span(total), stream.get());
    stream.wait();
    CHECK(found[0] == 28000 + 31);            // 0 + ... + 7
    CHECK(found[63] == 476000 + 63);          // 56 + ... + 63
    CHECK(total[0] == 95 * 96 / 2 + 95e6);
}

TEST_CASE("calls that fail throw what failed, where, and why")
{
    CHECK(message_of([] {
              begin_device_test();
              emulator::the().fail_allocation_after = 0;
              device_memory<int> memory(10, nullptr);
          })
          == "weightscope: cudaMallocAsync: cudaErrorMemoryAllocation: out of memory (weightscope/cuda/memory.cuh");
    CHECK(message_of([] {
              begin_device_test();
              detail::launch(miss_barrier, "miss_barrier", {.threads = 2048});
          })
          == "weightscope: miss_barrier: cudaErrorInvalidConfiguration: invalid configuration argument (weightscope/cuda/launch.cuh");
    begin_device_test();
    CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("copies from the wrong side are found")
{
    begin_device_test();
    cuda_stream stream;
    const device_memory<int> memory(4, stream.get());
    std::vector<int> numbers(8);
    copy_to_host(static_cast<const int*>(memory.data()), std::span(numbers), stream.get());  // twice as many as there are
    CHECK_THROWS_AS(stream.wait(), cuda_error);
    begin_device_test();
}

TEST_CASE("without a device has_cuda_device says so, and no error stays behind")
{
    begin_device_test();
    CHECK(has_cuda_device());
    emulator::the().devices = 0;
    CHECK_FALSE(has_cuda_device());
    CHECK(cudaGetLastError() == cudaSuccess);
    begin_device_test();
}

TEST_CASE("memory is given back in the order of its stream, and workspaces grow to one block")
{
    begin_device_test();
    const std::size_t before = emulator::the().live_allocations;
    cuda_stream stream;
    {
        cuda_workspace workspace(stream.get());
        (void)workspace.take<double>(100);
        double* const second = workspace.take_zeros<double>(1000);
        CHECK(reinterpret_cast<std::uintptr_t>(second) % 256 == 0);
        workspace.start_call();
        const std::size_t held = workspace.held_bytes();
        CHECK(held == 1024 + 8192);
        (void)workspace.take<double>(100);
        (void)workspace.take<double>(1000);
        workspace.start_call();
        CHECK(workspace.held_bytes() == held);
    }
    stream.wait();
    CHECK(emulator::the().live_allocations == before);
}

TEST_CASE("an event holds another stream back")
{
    begin_device_test();
    cuda_stream first, second;
    const device_memory<int> memory(std::size_t{1}, first.get());
    const std::vector<int> seven{7};
    copy_to_device(std::span<const int>(seven), memory.data(), first.get());
    cuda_event copied;
    copied.record(first.get());
    copied.hold(second.get());
    std::vector<int> found(1);
    copy_to_host(static_cast<const int*>(memory.data()), std::span(found), second.get());
    second.wait();
    CHECK(found[0] == 7);
}

#endif
