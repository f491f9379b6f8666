// What the functions of cuda.cuh take on this device, beside a copy of the same bytes on it.
//
//     bench_cuda [REPEATS]    a line each: median ms by CUDA events, bytes of weights per second, and how many copies the time makes
//
// A call's time ends with the numbers on the host; tensors are larger than the caches. peers/cuda_torch.py does the same with torch.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <vector>

#include <weightscope/cuda.cuh>

#include <weightscope/quantizers/scheme_name.hpp>

namespace ws = weightscope;

namespace {

// Close to normal: the sum of four uniform numbers, all from the place of the weight.
template <class T>
__global__ void make_weights(T* weights, std::size_t count)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += std::size_t{gridDim.x} * blockDim.x) {
        float sum = -2;
        std::uint64_t state = i * 0x9e3779b97f4a7c15u;
        for (int k = 0; k < 4; ++k) {
            state = (state ^ state >> 29) * 0xbf58476d1ce4e5b9u + 0x94d049bb133111ebu;
            sum += static_cast<float>(state >> 40) * 0x1p-24F;
        }
        weights[i] = T(0.03F * sum);
    }
}

template <class T>
ws::device_memory<T> weights_of(std::size_t count, cudaStream_t stream)
{
    ws::device_memory<T> memory(count, stream);
    make_weights<<<1024, 256, 0, stream>>>(memory.data(), count);
    ws::check_cuda(cudaGetLastError(), "make_weights");
    return memory;
}

double median_milliseconds(std::size_t repeats, cudaStream_t stream, const std::function<void()>& work)
{
    work();  // what is loaded and allocated once
    std::vector<double> times;
    for (std::size_t i = 0; i < repeats; ++i) {
        const ws::cuda_event start({.timed = true}), end({.timed = true});
        start.record(stream);
        work();
        end.record(stream);
        end.wait();
        times.push_back(end.milliseconds_since(start));
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv)
{
    if (!ws::has_cuda_device()) {
        std::puts("skipped: no CUDA device");
        return 0;
    }
    const std::size_t repeats = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20;
    const ws::cuda_stream stream;
    ws::cuda_workspace workspace(stream.get());
    const auto print = [&](const char* what, std::size_t bytes, double copy, const std::function<void()>& work) {
        const double ms = median_milliseconds(repeats, stream.get(), work);
        std::printf("%-44s %9.3f ms %9.1f GB/s %8.2f copies\n", what, ms, static_cast<double>(bytes) / ms * 1e-6, ms / copy);
    };
    const auto copy_of = [&](const void* from, std::size_t bytes) {
        const ws::device_memory<std::byte> to(bytes, stream.get());
        return median_milliseconds(repeats, stream.get(), [&] {
            ws::check_cuda(cudaMemcpyAsync(to.data(), from, bytes, cudaMemcpyDeviceToDevice, stream.get()), "cudaMemcpyAsync");
        });
    };
    const auto elements = [&]<class T>(const char* name, T) {
        constexpr std::size_t count = 200'000'000;
        const auto memory = weights_of<T>(count, stream.get());
        const auto view = ws::view_of_device(static_cast<const T*>(memory.data()), {count}, stream.get());
        const double copy = copy_of(memory.data(), count * sizeof(T));
        print(name, count * sizeof(T), copy, [&] { (void)ws::analyze_elements(view, {}, workspace); });
    };
    elements("elements of 200M float", float{});
    elements("elements of 200M bfloat16", ws::bfloat16{});
    elements("elements of 200M float8_e4m3", ws::float8_e4m3{});
    {
        constexpr std::size_t rows = 4096, cols = 11008, bytes = rows * cols * sizeof(float);
        const auto memory = weights_of<float>(rows * cols, stream.get());
        const ws::device_memory<float> decoded(rows * cols, stream.get());
        const auto view = ws::view_of_device(static_cast<const float*>(memory.data()), {rows, cols}, stream.get());
        const double copy = copy_of(memory.data(), bytes);
        for (const char* name : {"int8-per-tensor-sym", "int8-per-channel-sym", "int4-g128-sym", "int4-g128-asym", "int4-g32-sym", "fp8-e4m3", "mxfp4", "nvfp4"}) {
            const ws::scheme scheme = ws::parse_scheme(name);
            print(name, bytes, copy, [&] { (void)ws::simulate_quantization(view, scheme, {}, nullptr, workspace); });
        }
        const ws::scheme int4 = ws::parse_scheme("int4-g128-sym");
        print("int4-g128-sym, and write", bytes, copy, [&] { (void)ws::simulate_quantization(view, int4, {}, decoded.data(), workspace); });
        std::vector<ws::scheme> sweep;
        for (const int bits : {4, 8})
            for (const std::size_t group_size : {std::size_t{128}, std::size_t{64}, std::size_t{32}})
                for (const bool symmetric : {true, false})
                    sweep.push_back({.bits = bits, .symmetric = symmetric, .granularity = ws::scale_granularity::per_group, .group_size = group_size});
        print("sweep of twelve schemes", bytes, copy, [&] { (void)ws::simulate_sweep(view, sweep, {}, workspace); });
        ws::device_importance scores = ws::score_magnitude(view, {}, workspace);
        print("magnitudes", bytes, copy, [&] { scores = ws::score_magnitude(view, {}, workspace); });
        print("half of a tensor", bytes, copy, [&] { (void)ws::select_tensor_mask(scores, {.ratio = 0.5}, workspace); });
        print("half of each row", bytes, copy, [&] { (void)ws::select_row_mask(scores, {.ratio = 0.5}, ws::matrix_orientation::out_in, workspace); });
        print("2 of 4", bytes, copy, [&] { (void)ws::select_nm_mask(scores, {}, ws::matrix_orientation::out_in, workspace); });
    }
    ws::cuda_solver solver(stream.get());
    for (const std::size_t n : {std::size_t{1024}, std::size_t{4096}}) {
        const auto memory = weights_of<float>(n * n, stream.get());
        const auto view = ws::view_of_device(static_cast<const float*>(memory.data()), {n, n}, stream.get());
        const double copy = copy_of(memory.data(), n * n * sizeof(float));
        print(n == 1024 ? "singular values of 1024 x 1024" : "singular values of 4096 x 4096", n * n * sizeof(float), copy,
              [&] { (void)ws::analyze_singular_values(view, {}, solver); });
    }
    return 0;
}
