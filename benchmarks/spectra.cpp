// How near do the singular values come to the BLAS? Each row tells its rate as a share of a matrix product's (dgemm, same threads,
// timed in turn), which bounds what is counted in products, beside LAPACK's one-stage reduction and xtensor-blas's SVD.
//
//     $ spectra --benchmark_repetitions=3 --benchmark_report_aggregates_only=true
//
// THREADS sets the number of threads (2).
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/symmetric_eigenvalues.hpp>
#include <weightscope/core/xtensor.hpp>

#include <xtensor-blas/xlinalg.hpp>

namespace {

using namespace weightscope;

const std::size_t thread_count = std::getenv("THREADS") ? std::strtoull(std::getenv("THREADS"), nullptr, 10) : 2;

const xt::xtensor<float, 2>& weights(std::size_t rows, std::size_t cols)
{
    static xt::xtensor<float, 2> matrix;
    if (matrix.dimension() != 2 || matrix.shape(0) != rows || matrix.shape(1) != cols)
        matrix = random_normal<float>({rows, cols}, {.seed = 1, .std = 0.02});
    return matrix;
}

double seconds_of(const auto& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Flops a second of a product of two 1024 x 1024 matrices.
double product_rate()
{
    constexpr std::size_t n = 1024;
    static const std::vector<double> a(n * n, 1.0);
    static std::vector<double> c(n * n);
    const detail::block<const double> left{a.data(), n, n, n};
    return 2.0 * n * n * n / seconds_of([&] { detail::multiply(left, left, 1, 0, {c.data(), n, n, n}); });
}

// Times `work`, which stands for `flops` operations, and a product in turn.
void against_product(benchmark::State& state, double flops, const auto& work)
{
    with_threads(thread_count, [&] {
        const detail::blas_threads threads(thread_count);
        double seconds = 0, product = 0;
        for (auto iteration : state) {
            product += product_rate();
            const double spent = seconds_of(work);
            seconds += spent;
            state.SetIterationTime(spent);
        }
        const auto count = static_cast<double>(state.iterations());
        state.counters["of_dgemm"] = flops * count / seconds / (product / count);
    });
    state.SetLabel(std::string(instruction_path()));
}

std::pair<std::size_t, std::size_t> shape_of(const benchmark::State& state)
{
    return {static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1))};
}

detail::matrix_source source(std::size_t rows, std::size_t cols)
{
    const auto& w = weights(rows, cols);
    return detail::matrix_of(detail::source_of(std::span<const float>(w.data(), w.size())), rows);
}

double cube(std::size_t n) { return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n); }

void gram_matrix(benchmark::State& state)
{
    const auto [rows, cols] = shape_of(state);
    const std::size_t n = std::min(rows, cols);
    const double flops = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(std::max(rows, cols));
    against_product(state, flops, [w = source(rows, cols)] { benchmark::DoNotOptimize(detail::gram_matrix(w, 1)); });
}

void eigenvalues_in_two_stages(benchmark::State& state)
{
    const auto [rows, cols] = shape_of(state);
    const std::size_t n = std::min(rows, cols);
    const std::vector<double> gram = detail::gram_matrix(source(rows, cols), 1);
    against_product(state, 4.0 / 3 * cube(n), [&] { benchmark::DoNotOptimize(detail::symmetric_eigenvalues(std::vector<double>(gram), n)); });
}

void eigenvalues_by_lapack(benchmark::State& state)
{
    const auto [rows, cols] = shape_of(state);
    const std::size_t n = std::min(rows, cols);
    const std::vector<double> gram = detail::gram_matrix(source(rows, cols), 1);
    against_product(state, 4.0 / 3 * cube(n), [&] {
        benchmark::DoNotOptimize(detail::eigenvalues(detail::tridiagonalize_directly(std::vector<double>(gram), n)));
    });
}

void all_singular_values(benchmark::State& state)
{
    const auto [rows, cols] = shape_of(state);
    const std::size_t n = std::min(rows, cols);
    const double gram = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(std::max(rows, cols));
    const auto& w = weights(rows, cols);
    against_product(state, gram + 4.0 / 3 * cube(n), [&] { benchmark::DoNotOptimize(analyze_singular_values(w)); });
}

void largest_singular_value(benchmark::State& state)
{
    const auto [rows, cols] = shape_of(state);
    const auto& w = weights(rows, cols);
    const auto steps = static_cast<double>(analyze_largest_singular_value(w).steps);
    against_product(state, 4.0 * steps * static_cast<double>(rows * cols), [&] { benchmark::DoNotOptimize(analyze_largest_singular_value(w)); });
    state.counters["steps"] = steps;
}

void svd_by_xtensor_blas(benchmark::State& state)
{
    const auto [rows, cols] = shape_of(state);
    const auto& w = weights(rows, cols);
    against_product(state, 8.0 / 3 * cube(std::min(rows, cols)), [&] { benchmark::DoNotOptimize(xt::linalg::svd(w, false, false)); });
}

// The seven matrices of a block of LLaMA 7B in bfloat16: queries, keys, values and outputs of the attention, and the three of the MLP.
struct llama_block
{
    struct weights
    {
        std::size_t rows, cols;
        std::vector<bfloat16> numbers;

        detail::matrix_source source() const { return detail::matrix_of(detail::source_of(std::span<const bfloat16>(numbers)), rows); }
    };

    static constexpr std::size_t width = 4096, inner = 11008, blocks = 32, vocabulary = 32000;

    llama_block()
    {
        const auto add = [&](std::size_t rows, std::size_t cols) {
            const auto normal = random_normal<float>({rows, cols}, {.seed = matrices.size() + 1, .std = 0.02});
            matrices.push_back({rows, cols, std::vector<bfloat16>(normal.size())});
            std::transform(normal.begin(), normal.end(), matrices.back().numbers.begin(), [](float x) { return bfloat16(x); });
        };
        for (int i = 0; i < 4; ++i)
            add(width, width);
        add(inner, width);
        add(inner, width);
        add(width, inner);
    }

    static double flops_of(std::size_t rows, std::size_t cols)
    {
        const auto n = static_cast<double>(std::min(rows, cols));
        return n * n * static_cast<double>(std::max(rows, cols)) + 4.0 / 3 * n * n * n;
    }

    std::vector<weights> matrices;
};

// All singular values of a block; minutes says what 32 blocks, the embedding and the head take at the same rate. One matrix after the
// other with the threads inside, or side by side.
void llama_7b_block(benchmark::State& state)
{
    const llama_block block;
    double flops = 0, spent = 0;
    for (const llama_block::weights& each : block.matrices)
        flops += llama_block::flops_of(each.rows, each.cols);
    std::size_t refined = 0;
    const bool side_by_side = state.range(0) != 0;
    against_product(state, flops, [&] {
        std::vector<std::string_view> methods(block.matrices.size());
        const auto analyze = [&](std::size_t i) { methods[i] = detail::singular_values(block.matrices[i].source(), 1, {}).method; };
        spent += seconds_of([&] {
            if (side_by_side)
                parallel_for(methods.size(), analyze);
            else
                for (std::size_t i = 0; i < methods.size(); ++i)
                    analyze(i);
        });
        refined += static_cast<std::size_t>(std::count(methods.begin(), methods.end(), "refined"));
    });
    const double block_seconds = spent / static_cast<double>(state.iterations());
    const double rest = 2 * llama_block::flops_of(llama_block::vocabulary, llama_block::width);
    state.counters["minutes"] = block_seconds * (llama_block::blocks + rest / flops) / 60;
    state.counters["refined"] = static_cast<double>(refined);
}

#define WEIGHTSCOPE_BENCHMARK(function) BENCHMARK(function)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(1)
WEIGHTSCOPE_BENCHMARK(gram_matrix)->Args({768, 768})->Args({2048, 2048})->Args({4096, 4096})->Args({50257, 768});
WEIGHTSCOPE_BENCHMARK(eigenvalues_in_two_stages)->Args({768, 768})->Args({2048, 2048})->Args({4096, 4096});
WEIGHTSCOPE_BENCHMARK(eigenvalues_by_lapack)->Args({768, 768})->Args({2048, 2048})->Args({4096, 4096});
WEIGHTSCOPE_BENCHMARK(all_singular_values)->Args({768, 3072})->Args({2048, 2048})->Args({4096, 4096})->Args({4096, 11008});
WEIGHTSCOPE_BENCHMARK(largest_singular_value)->Args({4096, 4096})->Args({4096, 11008});
WEIGHTSCOPE_BENCHMARK(llama_7b_block)->ArgName("side_by_side")->Arg(0)->Arg(1);
WEIGHTSCOPE_BENCHMARK(svd_by_xtensor_blas)->Args({2048, 2048});

}  // namespace

BENCHMARK_MAIN();
