// Weights that a kernel of this program makes are analysed where they lie.
#include <cmath>
#include <cstdio>

#include <weightscope/cuda.cuh>

double sparsity_of(const weightscope::device_view<float>& weights);  // in other.cu, which includes the same header

__global__ void make_weights(float* weights, unsigned count)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count)
        weights[i] = i % 4 == 0 ? 0.0F : sinf(static_cast<float>(i));
}

int main()
{
    if (!weightscope::has_cuda_device()) {
        std::puts("skipped: no CUDA device");
        return 0;
    }
    constexpr unsigned rows = 512, cols = 1024;
    const weightscope::cuda_stream stream;
    const weightscope::device_memory<float> memory(rows * cols, stream.get());
    make_weights<<<rows * cols / 256, 256, 0, stream.get()>>>(memory.data(), rows * cols);
    const auto weights = weightscope::view_of_device(static_cast<const float*>(memory.data()), {rows, cols}, stream.get());
    const auto stats = weightscope::analyze_basic_stats(weights);
    std::printf("std %g, zeros %g %%\n", stats.std.value, stats.zeros_percentage.value);
    return std::fabs(stats.zeros_percentage.value - 25) < 1e-12 && sparsity_of(weights) == stats.zeros_percentage.value ? 0 : 1;
}
