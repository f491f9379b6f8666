// What does the machinery around a forward cost? One weight patched and restored, one weight of a run of differences, one loss asked
// from another process; goals 1 microsecond, 1 microsecond and 50 microseconds.
//
//     $ evaluators --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/core/random.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/process_evaluator.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/safetensors.hpp>

namespace {

using namespace weightscope;

// A forward that costs nothing, so that only the rest is timed.
struct free_model
{
    std::vector<weight_info> weights() const { return {{.name = "w", .shape = {values.size()}, .dtype = dtype::float32}}; }
    void read(std::size_t, std::size_t offset, std::span<std::byte> bytes) const
    {
        std::memcpy(bytes.data(), reinterpret_cast<const std::byte*>(values.data()) + offset, bytes.size());
    }
    void write(std::size_t, std::size_t offset, std::span<const std::byte> bytes)
    {
        std::memcpy(reinterpret_cast<std::byte*>(values.data()) + offset, bytes.data(), bytes.size());
    }
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t) { return {static_cast<double>(values[7]), 1}; }

    std::vector<float> values = std::vector<float>(20000, 0.5f);
};

void patch_and_restore(benchmark::State& state)
{
    free_model model;
    const float changed = 0.25f;
    std::size_t i = 0;
    for (auto _ : state) {
        weight_patch patch(model);
        patch.write(0, 4 * (i++ % model.values.size()), std::as_bytes(std::span(&changed, 1)));
        patch.restore();
        benchmark::DoNotOptimize(model.values.data());
    }
}
BENCHMARK(patch_and_restore)->Unit(benchmark::kMicrosecond);

void one_weight_of_forward_differences(benchmark::State& state)
{
    free_model model;
    std::size_t weights = 0;
    for (auto _ : state) {
        const auto result = estimate_differences(model, {.method = difference_method::forward, .step = 1e-3});
        weights += result.weights.size();
        benchmark::DoNotOptimize(result.weights.data());
    }
    state.counters["per weight"] =
        benchmark::Counter(static_cast<double>(weights), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(one_weight_of_forward_differences)->Unit(benchmark::kMillisecond);

void loss_of_a_process(benchmark::State& state)
{
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "weightscope_benchmark.safetensors";
    const xt::xtensor<float, 2> w = random_normal<float>({64, 64}, {.seed = 1});
    write_safetensors(file, std::vector{to_write("w", w)});
    process_evaluator evaluator("exec '" + std::filesystem::read_symlink("/proc/self/exe").string() + "' --answer",
                                read_safetensors(file));
    for (auto _ : state)
        benchmark::DoNotOptimize(evaluator.loss(0).sum);
    std::filesystem::remove(file);
}
BENCHMARK(loss_of_a_process)->Unit(benchmark::kMicrosecond)->UseRealTime();

// The other process: answers at once.
int answer()
{
    char line[4096];
    if (std::fgets(line, sizeof line, stdin) != nullptr)
        std::puts("batches 1");
    std::fflush(stdout);
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        std::puts("0.5 1");
        std::fflush(stdout);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc > 1 && std::strcmp(argv[1], "--answer") == 0)
        return answer();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
