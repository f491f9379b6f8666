// How fast are two models compared, and checkpoints followed, beside one read pass over both? Spectra are left out: benchmarks/spectra.cpp
// has them.
//
//     $ compare --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// ELEMENTS=50000000 sets the size of each model, THREADS the number of threads.

#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/study/checkpoint_series.hpp>
#include <weightscope/study/model_comparison.hpp>

#include "read_pass.hpp"

namespace {

using namespace weightscope;

constexpr std::size_t layers = 12, cols = 4096;
const std::size_t rows = from_environment("ELEMENTS", 50'000'000) / (layers * cols);

// Two checkpoints of one training, as files that are there as long as the object; the weights of both lie side by side too, to be read.
class two_checkpoints
{
public:
    two_checkpoints()
        : weights_(gaussian_weights<float>(2 * layers * rows, cols)),
          folder_(std::filesystem::temp_directory_path() / fmt::format("weightscope-bench-compare-{}", ::getpid()))
    {
        const std::size_t half = layers * rows * cols;
        for (std::size_t i = 0; i < half; ++i)
            weights_.data()[half + i] = weights_.data()[i] * 1.01F + 1e-4F;
        std::filesystem::create_directories(folder_);
        for (std::size_t step = 0; step < 2; ++step) {
            std::vector<tensor_to_write> tensors;
            for (std::size_t i = 0; i < layers; ++i)
                tensors.push_back({.name = fmt::format("model.layers.{}.weight", i),
                                   .dtype = dtype::float32,
                                   .shape = {rows, cols},
                                   .bytes = bytes_of(weights_).subspan((step * layers + i) * rows * cols * sizeof(float), rows * cols * sizeof(float))});
            write_safetensors(folder_ / fmt::format("{}.safetensors", step), tensors);
            models_.push_back(open_model(folder_ / fmt::format("{}.safetensors", step)));
        }
    }
    two_checkpoints(const two_checkpoints&) = delete;
    two_checkpoints& operator=(const two_checkpoints&) = delete;
    ~two_checkpoints()
    {
        models_.clear();
        std::error_code error;
        std::filesystem::remove_all(folder_, error);
    }

    const std::vector<model>& models() const { return models_; }
    std::span<const std::byte> bytes() const { return bytes_of(weights_); }

private:
    xt::xtensor<float, 2> weights_;
    std::filesystem::path folder_;
    std::vector<model> models_;
};

const two_checkpoints& checkpoints()
{
    static const two_checkpoints both;
    return both;
}

void compare_two_models(benchmark::State& state)
{
    const model &a = checkpoints().models()[0], &b = checkpoints().models()[1];
    const compare_models_options options = {.weights = {.subspace_count = 0, .largest_spectrum = 0}, .threads = thread_count};
    against_read_pass(state, checkpoints().bytes(), [&] { benchmark::DoNotOptimize(compare_models({.weights = &a}, {.weights = &b}, options)); });
}
BENCHMARK(compare_two_models)->Unit(benchmark::kMillisecond)->UseManualTime();

void watch_two_checkpoints(benchmark::State& state)
{
    against_read_pass(state, checkpoints().bytes(), [&] {
        checkpoint_series series({.spectral = false, .threads = thread_count});
        for (const model& m : checkpoints().models())
            series.add(m);
        benchmark::DoNotOptimize(series.result());
    });
}
BENCHMARK(watch_two_checkpoints)->Unit(benchmark::kMillisecond)->UseManualTime();

}  // namespace

BENCHMARK_MAIN();
