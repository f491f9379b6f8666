// How near do the element statistics come to the memory bus? Every row tells its time as a multiple of one read pass over the same
// tensor, timed in the same process, beside the plain loop and the xtensor idiom.
//
//     $ elements --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// ELEMENTS=50000000 sets the size of the tensor (200 million: 800 MB of float), THREADS the number of threads.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

namespace {

using namespace weightscope;

std::size_t from_environment(const char* name, std::size_t otherwise)
{
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

const std::size_t cols = 4096;
const std::size_t rows = from_environment("ELEMENTS", 200'000'000) / cols;
const std::size_t thread_count = from_environment("THREADS", 2);

// Gaussian weights, the same million over and over, each time a little larger.
template <class T>
const xt::xtensor<T, 2>& weights()
{
    static const xt::xtensor<T, 2> tensor = [] {
        const xt::xtensor<float, 1> tile = random_normal<float>({std::size_t{1} << 20}, {.seed = 1, .std = 0.02});
        xt::xtensor<T, 2> result = xt::empty<T>({rows, cols});
        for (std::size_t i = 0; i < result.size(); ++i)
            result.data()[i] = static_cast<T>(tile(i % tile.size()) * (1 + 1e-3F * static_cast<float>(i / tile.size())));
        return result;
    }();
    return tensor;
}

// Touches every byte once: the largest of all 32-bit words.
double read_pass(std::span<const std::byte> bytes)
{
    const std::span<const float> words(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
    const auto partials = map_chunks(words.size(), detail::chunk_elements, [&](std::size_t begin, std::size_t end) {
        return detail::dispatch(detail::max_magnitude_kernel<float>{}, words.data() + begin, end - begin);
    });
    return *std::max_element(partials.begin(), partials.end());
}

double seconds_of(const auto& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Times `work` and a read pass in turn, so that a busy neighbour slows both.
template <class T, class Work>
void against_read_pass(benchmark::State& state, const Work& work)
{
    const auto bytes = std::as_bytes(std::span(weights<T>().data(), weights<T>().size()));
    with_threads(thread_count, [&] {
        double work_seconds = 0, read_seconds = 0;
        for (auto iteration : state) {
            read_seconds += seconds_of([&] { benchmark::DoNotOptimize(read_pass(bytes)); });
            const double seconds = seconds_of(work);
            work_seconds += seconds;
            state.SetIterationTime(seconds);
        }
        state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * state.iterations());
        state.counters["read_passes"] = work_seconds / read_seconds;
    });
    state.SetLabel(std::string(instruction_path()));
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
