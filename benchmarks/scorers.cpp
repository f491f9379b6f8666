// What does it cost to score every weight of a matrix, and to choose which ones go? Every row tells its time as a multiple of one read
// pass over the same weights, timed in turn with it, beside the plain loop and the sort.
//
//     $ bench_scorers --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// ROWS=4096 and COLS=4096 set the size of the matrix, THREADS=2 the number of threads.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/core/large_vector.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/scorer.hpp>

#include "read_pass.hpp"

namespace {

using namespace weightscope;

const std::size_t rows = from_environment("ROWS", 4096);
const std::size_t cols = from_environment("COLS", 4096);

const xt::xtensor<float, 2>& weights()
{
    static const xt::xtensor<float, 2> tensor = gaussian_weights<float>(rows, cols, 1);
    return tensor;
}

const xt::xtensor<float, 2>& gradients()
{
    static const xt::xtensor<float, 2> tensor = gaussian_weights<float>(rows, cols, 2);
    return tensor;
}

const xt::xtensor<float, 2>& curvatures()
{
    static const xt::xtensor<float, 2> tensor = gaussian_weights<float>(rows, cols, 3);
    return tensor;
}

const importance_info& info()
{
    static const importance_info known = {
        .gradients = importance_values::view(std::span<const float>(gradients().data(), gradients().size())),
        .hessian_diag = importance_values::view(std::span<const float>(curvatures().data(), curvatures().size())),
        .activations = activation_statistics{.tensor = "w", .rows = 1, .sums_of_squares = std::vector<double>(cols, 2.0)}};
    return known;
}

const std::vector<double>& scores()
{
    static const std::vector<double> found = score_magnitude(weights()).scores;
    return found;
}

void against_read_pass(benchmark::State& state, const auto& work)
{
    ::against_read_pass(state, bytes_of(weights()), work);
}

void score(benchmark::State& state, importance_method method)
{
    (void)info();
    against_read_pass(state, [&] { benchmark::DoNotOptimize(score_weights(weights(), info(), {.method = method})); });
}

// What no score can be below: floats in, doubles out, into fresh memory that all threads ask for, as a result is.
void read_write_pass_to_fresh_memory(benchmark::State& state)
{
    const detail::weight_source source = detail::source_of(std::span<const float>(weights().data(), weights().size()));
    against_read_pass(state, [&] {
        const std::unique_ptr<double[]> doubles(new double[rows * cols]);  // not set to zero
        detail::advise_large(reinterpret_cast<std::uintptr_t>(doubles.get()), reinterpret_cast<std::uintptr_t>(doubles.get() + rows * cols));
        parallel_for(rows, [&](std::size_t row) { source.read_double(source.data, row * cols, cols, doubles.get() + row * cols); });
        benchmark::DoNotOptimize(doubles.get());
    });
}

// The same into memory that is there already.
void read_write_pass(benchmark::State& state)
{
    static std::vector<double> doubles(rows * cols);
    const detail::weight_source source = detail::source_of(std::span<const float>(weights().data(), weights().size()));
    against_read_pass(state, [&] {
        parallel_for(rows, [&](std::size_t row) { source.read_double(source.data, row * cols, cols, doubles.data() + row * cols); });
        benchmark::DoNotOptimize(doubles.data());
    });
}

// |w g| + w² |h| / 2 as one writes it first
void second_order_in_a_plain_loop(benchmark::State& state)
{
    (void)info();
    against_read_pass(state, [] {
        std::vector<double> found;
        double first = 0, second = 0;
        for (std::size_t i = 0; i < weights().size(); ++i) {
            const double w = static_cast<double>(weights().data()[i]);
            const double a = std::fabs(w * static_cast<double>(gradients().data()[i]));
            const double b = std::fabs(0.5 * w * w * static_cast<double>(curvatures().data()[i]));
            first += a;
            second += b;
            found.push_back(a + b);
        }
        benchmark::DoNotOptimize(found.data());
        benchmark::DoNotOptimize(second / first);
    });
}

void tensor_mask(benchmark::State& state)
{
    (void)scores();
    against_read_pass(state, [] { benchmark::DoNotOptimize(select_tensor_mask(scores(), {.ratio = 0.5})); });
}

void row_mask(benchmark::State& state)
{
    (void)scores();
    against_read_pass(state, [] { benchmark::DoNotOptimize(select_row_mask(scores(), rows, {.ratio = 0.5})); });
}

void two_of_four_mask(benchmark::State& state)
{
    (void)scores();
    against_read_pass(state, [] { benchmark::DoNotOptimize(select_nm_mask(scores(), rows)); });
}

void four_of_eight_mask(benchmark::State& state)
{
    (void)scores();
    against_read_pass(state, [] { benchmark::DoNotOptimize(select_nm_mask(scores(), rows, {.keep = 4, .of = 8})); });
}

// a threshold from the sorted scores, as the peers have it
void tensor_mask_by_sorting(benchmark::State& state)
{
    (void)scores();
    against_read_pass(state, [] {
        std::vector<double> sorted = scores();
        std::sort(sorted.begin(), sorted.end());
        const double threshold = sorted[sorted.size() / 2];
        std::vector<bool> removed(sorted.size());
        for (std::size_t i = 0; i < removed.size(); ++i)
            removed[i] = scores()[i] <= threshold;
        benchmark::DoNotOptimize(removed);
    });
}

#define WEIGHTSCOPE_BENCHMARK(function, ...) BENCHMARK##__VA_OPT__(_CAPTURE)(function __VA_OPT__(, ) __VA_ARGS__)->UseManualTime()->Unit(benchmark::kMillisecond)
WEIGHTSCOPE_BENCHMARK(score, magnitude, importance_method::magnitude);
WEIGHTSCOPE_BENCHMARK(score, taylor, importance_method::taylor);
WEIGHTSCOPE_BENCHMARK(score, taylor_2nd, importance_method::taylor_2nd);
WEIGHTSCOPE_BENCHMARK(score, taylor_2nd_signed, importance_method::taylor_2nd_signed);
WEIGHTSCOPE_BENCHMARK(score, wanda, importance_method::wanda);
WEIGHTSCOPE_BENCHMARK(read_write_pass_to_fresh_memory);
WEIGHTSCOPE_BENCHMARK(read_write_pass);
WEIGHTSCOPE_BENCHMARK(second_order_in_a_plain_loop);
WEIGHTSCOPE_BENCHMARK(tensor_mask);
WEIGHTSCOPE_BENCHMARK(row_mask);
WEIGHTSCOPE_BENCHMARK(two_of_four_mask);
WEIGHTSCOPE_BENCHMARK(four_of_eight_mask);
WEIGHTSCOPE_BENCHMARK(tensor_mask_by_sorting);

}  // namespace

BENCHMARK_MAIN();
