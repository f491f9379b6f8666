// What does it cost to know what a quantization scheme would lose? Every row tells its time as a multiple of one read pass over the
// same weights, timed in turn with it, beside the plain loop and the xtensor idiom; peers/compare.py times numpy and torch.
//
//     $ bench_quantizers --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// ROWS=4096 and COLS=11008 set the size of the matrix, THREADS=2 the number of threads.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "read_pass.hpp"

namespace {

using namespace weightscope;

const std::size_t rows = from_environment("ROWS", 4096);
const std::size_t cols = from_environment("COLS", 11008);

const xt::xtensor<float, 2>& weights()
{
    static const xt::xtensor<float, 2> tensor = gaussian_weights<float>(rows, cols);
    return tensor;
}

void against_read_pass(benchmark::State& state, const auto& work)
{
    ::against_read_pass(state, bytes_of(weights()), work);
}

void simulate(benchmark::State& state, const char* name)
{
    const scheme options = parse_scheme(name);
    against_read_pass(state, [&] { benchmark::DoNotOptimize(simulate_quantization(weights(), options)); });
}

// {4, 8} bits x groups of {128, 64, 32} x {symmetric, asymmetric}
void simulate_twelve_schemes(benchmark::State& state)
{
    std::vector<scheme> schemes;
    for (const int bits : {4, 8})
        for (const std::size_t size : {128, 64, 32})
            for (const bool symmetric : {true, false})
                schemes.push_back({.bits = bits, .symmetric = symmetric, .granularity = scale_granularity::per_group, .group_size = size});
    against_read_pass(state, [&] { benchmark::DoNotOptimize(simulate_sweep(weights(), schemes)); });
}

void quantize(benchmark::State& state, const char* name)
{
    const scheme options = parse_scheme(name);
    against_read_pass(state, [&] { benchmark::DoNotOptimize(quantize_uniform(weights(), options)); });
}

// the error of INT4 in groups of 128 as one writes it first
void groups_of_128_in_a_plain_loop(benchmark::State& state)
{
    against_read_pass(state, [] {
        double squares = 0, magnitudes = 0;
        const auto& w = weights();
        for (std::size_t begin = 0; begin + 128 <= w.size(); begin += 128) {
            float largest = 0;
            for (std::size_t i = begin; i < begin + 128; ++i)
                largest = std::max(largest, std::fabs(w.data()[i]));
            const float scale = largest / 7;
            for (std::size_t i = begin; i < begin + 128; ++i) {
                const float decoded = std::clamp(std::nearbyint(w.data()[i] / scale), -7.0F, 7.0F) * scale;
                const double e = static_cast<double>(w.data()[i]) - static_cast<double>(decoded);
                squares += e * e;
                magnitudes += std::fabs(e);
            }
        }
        benchmark::DoNotOptimize(squares + magnitudes);
    });
}

void groups_of_128_in_xtensor(benchmark::State& state)
{
    against_read_pass(state, [] {
        const auto& w = weights();
        const auto groups = xt::reshape_view(w, std::vector<std::size_t>{w.size() / 128, 128});
        const xt::xtensor<float, 1> largest = xt::amax(xt::abs(groups), {1});
        const xt::xtensor<float, 2> scale = xt::reshape_view(largest / 7, std::vector<std::size_t>{w.size() / 128, 1});
        const xt::xtensor<float, 2> decoded = xt::clip(xt::rint(groups / scale), -7.0F, 7.0F) * scale;
        const xt::xtensor<float, 2> e = groups - decoded;
        benchmark::DoNotOptimize(xt::sum<double>(e * e)() + xt::sum<double>(xt::abs(e))());
    });
}

#define WEIGHTSCOPE_BENCHMARK(function, ...) BENCHMARK##__VA_OPT__(_CAPTURE)(function __VA_OPT__(, ) __VA_ARGS__)->UseManualTime()->Unit(benchmark::kMillisecond)
WEIGHTSCOPE_BENCHMARK(simulate, int8_per_tensor_sym, "int8-per-tensor-sym");
WEIGHTSCOPE_BENCHMARK(simulate, int8_per_channel_sym, "int8-per-channel-sym");
WEIGHTSCOPE_BENCHMARK(simulate, int8_per_channel_axis1_sym, "int8-per-channel-axis1-sym");
WEIGHTSCOPE_BENCHMARK(simulate, int4_g128, "int4-g128");
WEIGHTSCOPE_BENCHMARK(simulate, int4_g128_asym, "int4-g128-asym");
WEIGHTSCOPE_BENCHMARK(simulate, int4_g32, "int4-g32");
WEIGHTSCOPE_BENCHMARK(simulate, int4_g32_asym, "int4-g32-asym");
WEIGHTSCOPE_BENCHMARK(simulate, int4_block_32x32, "int4-block-32x32");
WEIGHTSCOPE_BENCHMARK(simulate, fp8_e4m3_per_tensor, "fp8-e4m3-per-tensor");
WEIGHTSCOPE_BENCHMARK(simulate, fp8_e4m3_per_channel, "fp8-e4m3-per-channel");
WEIGHTSCOPE_BENCHMARK(simulate, fp8_e5m2_per_channel, "fp8-e5m2-per-channel");
WEIGHTSCOPE_BENCHMARK(simulate, fp8_e4m3_block_128x128, "fp8-e4m3-block-128x128");
WEIGHTSCOPE_BENCHMARK(simulate, nf4_g64, "nf4-g64");
WEIGHTSCOPE_BENCHMARK(simulate, mxfp4, "mxfp4");
WEIGHTSCOPE_BENCHMARK(simulate, mxfp8_e4m3, "mxfp8-e4m3");
WEIGHTSCOPE_BENCHMARK(simulate, nvfp4, "nvfp4");
WEIGHTSCOPE_BENCHMARK(simulate, ggml_mxfp4, "ggml-mxfp4");
WEIGHTSCOPE_BENCHMARK(simulate, gptq_int4, "gptq-int4");
WEIGHTSCOPE_BENCHMARK(simulate, gptq_int4_asym, "gptq-int4-asym");
WEIGHTSCOPE_BENCHMARK(simulate, awq_int4, "awq-int4");
WEIGHTSCOPE_BENCHMARK(simulate, ggml_q4_0, "ggml-q4_0");
WEIGHTSCOPE_BENCHMARK(simulate, ggml_q4_1, "ggml-q4_1");
WEIGHTSCOPE_BENCHMARK(simulate, ggml_q5_0, "ggml-q5_0");
WEIGHTSCOPE_BENCHMARK(simulate, ggml_q5_1, "ggml-q5_1");
WEIGHTSCOPE_BENCHMARK(simulate, ggml_q8_0, "ggml-q8_0");
WEIGHTSCOPE_BENCHMARK(simulate_twelve_schemes);
WEIGHTSCOPE_BENCHMARK(quantize, int4_g128, "int4-g128");
WEIGHTSCOPE_BENCHMARK(groups_of_128_in_a_plain_loop);
WEIGHTSCOPE_BENCHMARK(groups_of_128_in_xtensor);

}  // namespace

BENCHMARK_MAIN();
