// How near do the element statistics come to the memory bus? Every row tells its time as a multiple of one read pass over the same
// tensor, timed in the same process, beside the plain loop and the xtensor idiom.
//
//     $ elements --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// ELEMENTS=50000000 sets the size of the tensor (200 million: 800 MB of float), THREADS the number of threads.
#include <algorithm>
#include <cstddef>
#include <span>

#include <benchmark/benchmark.h>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "read_pass.hpp"

namespace {

using namespace weightscope;

const std::size_t cols = 4096;
const std::size_t rows = from_environment("ELEMENTS", 200'000'000) / cols;

template <class T>
const xt::xtensor<T, 2>& weights()
{
    static const xt::xtensor<T, 2> tensor = gaussian_weights<T>(rows, cols);
    return tensor;
}

template <class T>
void against_read_pass(benchmark::State& state, const auto& work)
{
    ::against_read_pass(state, bytes_of(weights<T>()), work);
}

const element_questions full_report{.magnitude_percentiles = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9},
                                    .thresholds = {0, 1e-6, 1e-4, 1e-2},
                                    .outliers = true,
                                    .quantization_bits = 8,
                                    .histogram_bins = 64};

template <class T>
void full_element_report(benchmark::State& state)
{
    against_read_pass<T>(state, [] { benchmark::DoNotOptimize(survey_elements(weights<T>(), full_report)); });
}

void moments_and_extremes(benchmark::State& state)
{
    against_read_pass<float>(state, [] { benchmark::DoNotOptimize(survey_elements(weights<float>(), {})); });
}

void channels_groups_and_dead_units(benchmark::State& state)
{
    against_read_pass<float>(state, [] { benchmark::DoNotOptimize(survey_rows(weights<float>())); });
}

// mean, standard deviation, extremes and norm as one writes them first
void moments_in_a_plain_loop(benchmark::State& state)
{
    against_read_pass<float>(state, [] {
        double sum = 0, squares = 0;
        float low = 0, high = 0;
        for (const float w : std::span(weights<float>().data(), weights<float>().size())) {
            sum += static_cast<double>(w);
            squares += static_cast<double>(w) * static_cast<double>(w);
            low = std::min(low, w);
            high = std::max(high, w);
        }
        benchmark::DoNotOptimize(sum + squares + static_cast<double>(low + high));
    });
}

void moments_in_xtensor(benchmark::State& state)
{
    against_read_pass<float>(state, [] {
        const auto& w = weights<float>();
        benchmark::DoNotOptimize(xt::mean<double>(w)() + xt::sum<double>(w * w)() + static_cast<double>(xt::amin(w)() + xt::amax(w)()));
    });
}

#define WEIGHTSCOPE_BENCHMARK(function) BENCHMARK(function)->UseManualTime()->Unit(benchmark::kMillisecond)
WEIGHTSCOPE_BENCHMARK(full_element_report<float>);
WEIGHTSCOPE_BENCHMARK(full_element_report<bfloat16>);
WEIGHTSCOPE_BENCHMARK(full_element_report<float16>);
WEIGHTSCOPE_BENCHMARK(moments_and_extremes);
WEIGHTSCOPE_BENCHMARK(channels_groups_and_dead_units);
WEIGHTSCOPE_BENCHMARK(moments_in_a_plain_loop);
WEIGHTSCOPE_BENCHMARK(moments_in_xtensor);

}  // namespace

BENCHMARK_MAIN();
