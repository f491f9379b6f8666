// What does it cost to know what a quantization scheme would lose? Every row tells its time as a multiple of one read pass over the
// same weights, timed in turn with it, beside the plain loop and the xtensor idiom; peers/quantizers.py times numpy and torch.
//
//     $ bench_quantizers --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// ROWS=4096 and COLS=11008 set the size of the matrix, THREADS=2 the number of threads.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/core/environment.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

namespace {

using namespace weightscope;

std::size_t from_environment(const char* name, std::size_t otherwise)
{
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

const std::size_t rows = from_environment("ROWS", 4096);
const std::size_t cols = from_environment("COLS", 11008);
const std::size_t thread_count = from_environment("THREADS", 2);

// Gaussian weights, the same million over and over, each time a little larger.
const xt::xtensor<float, 2>& weights()
{
    static const xt::xtensor<float, 2> tensor = [] {
        const xt::xtensor<float, 1> tile = random_normal<float>({std::size_t{1} << 20}, {.seed = 1, .std = 0.02});
        xt::xtensor<float, 2> result = xt::empty<float>({rows, cols});
        for (std::size_t i = 0; i < result.size(); ++i)
            result.data()[i] = tile(i % tile.size()) * (1 + 1e-3F * static_cast<float>(i / tile.size()));
        return result;
    }();
    return tensor;
}

// Touches every weight once: the largest of all.
double read_pass()
{
    const auto& w = weights();
    const auto partials = map_chunks(w.size(), detail::chunk_elements, [&](std::size_t begin, std::size_t end) {
        return detail::dispatch(detail::max_magnitude_kernel<float>{}, w.data() + begin, end - begin);
    });
    return *std::max_element(partials.begin(), partials.end());
}

double seconds_of(const auto& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Times `work` and a read pass in turn, so that a busy neighbour slows both. `read_passes` is the median of the ratios,
// `least_read_passes` the ratio of the two minima.
void against_read_pass(benchmark::State& state, const auto& work)
{
    with_threads(thread_count, [&] {
        std::vector<double> ratios;
        double least_work = 1e9, least_read = 1e9;
        for (auto iteration : state) {
            const double read = seconds_of([] { benchmark::DoNotOptimize(read_pass()); }), seconds = seconds_of(work);
            ratios.push_back(seconds / read);
            least_work = std::min(least_work, seconds);
            least_read = std::min(least_read, read);
            state.SetIterationTime(seconds);
        }
        std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2), ratios.end());
        state.counters["read_passes"] = ratios[ratios.size() / 2];
        state.counters["least_read_passes"] = least_work / least_read;
        state.SetBytesProcessed(static_cast<std::int64_t>(4 * weights().size()) * state.iterations());
    });
    state.SetLabel(std::string(instruction_path()));
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
WEIGHTSCOPE_BENCHMARK(simulate_twelve_schemes);
WEIGHTSCOPE_BENCHMARK(quantize, int4_g128, "int4-g128");
WEIGHTSCOPE_BENCHMARK(groups_of_128_in_a_plain_loop);
WEIGHTSCOPE_BENCHMARK(groups_of_128_in_xtensor);

}  // namespace

BENCHMARK_MAIN();
