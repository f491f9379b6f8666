// How near does the transformer come to the machine's sgemm? GPT-2 small (12 layers of 768, 50257 tokens) on 8 rows of 128 tokens; every
// row tells which share of an sgemm of the feed-forward's shape, [1024, 768] · [768, 3072], timed in turn in the same process, it reaches.
// Only the products with weights are counted: 2 operations per weight and token forward, 6 forward and backward.
//
//     $ bench_transformer --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// LAYERS=2 takes fewer layers, THREADS=2 sets the number of threads. peers/transformer.py times torch at the same shape.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/gemm.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/transformer.hpp>

namespace {

using namespace weightscope;

std::size_t from_environment(const char* name, std::size_t otherwise)
{
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

const std::size_t layers = from_environment("LAYERS", 12), thread_count = from_environment("THREADS", 2);
const transformer_config gpt2{.family = transformer_family::gpt2,
                              .vocabulary_size = 50257,
                              .width = 768,
                              .layer_count = layers,
                              .head_count = 12,
                              .kv_head_count = 12,
                              .head_size = 64,
                              .feed_forward_size = 3072,
                              .max_positions = 1024,
                              .tied_head = true,
                              .query_key_value_bias = true,
                              .attention_output_bias = true,
                              .feed_forward_bias = true};
constexpr std::size_t rows = 8, length = 128;

// Gaussian weights of type T under GPT-2's names.
template <class T>
const model& weights()
{
    static std::deque<std::vector<T>> memory;
    static const model m = [] {
        model result;
        const auto tile = random_normal<float>({std::size_t{1} << 20}, {.seed = 1, .std = 0.02});
        const auto add = [&](const std::string& name, const std::vector<std::size_t>& shape, float mean = 0) {
            std::vector<T>& values = memory.emplace_back(shape[0] * (shape.size() > 1 ? shape[1] : 1));
            for (std::size_t i = 0; i < values.size(); ++i)
                values[i] = static_cast<T>(mean + tile(i % tile.size()));
            result.tensors.push_back({.name = name, .shape = shape, .dtype = dtype_of<T>, .bytes = std::as_bytes(std::span(values))});
        };
        const auto add_linear = [&](const std::string& name, std::size_t in, std::size_t out) {
            add(name + ".weight", {in, out});
            add(name + ".bias", {out});
        };
        const auto add_norm = [&](const std::string& name) {
            add(name + ".weight", {768}, 1);
            add(name + ".bias", {768});
        };
        add("wte.weight", {50257, 768});
        add("wpe.weight", {1024, 768});
        for (std::size_t l = 0; l < layers; ++l) {
            const std::string name = "h." + std::to_string(l) + ".";
            add_norm(name + "ln_1");
            add_linear(name + "attn.c_attn", 768, 2304);
            add_linear(name + "attn.c_proj", 768, 768);
            add_norm(name + "ln_2");
            add_linear(name + "mlp.c_fc", 768, 3072);
            add_linear(name + "mlp.c_proj", 3072, 768);
        }
        add_norm("ln_f");
        return result;
    }();
    return m;
}

token_rows tokens()
{
    token_rows result{.rows = rows, .length = length};
    random_stream random(1);
    for (std::size_t i = 0; i < rows * length; ++i)
        result.tokens.push_back(static_cast<std::int32_t>(random.below(gpt2.vocabulary_size)));
    return result;
}

double seconds_of(const auto& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Operations per second of one product of the feed-forward's shape on all threads.
double sgemm_rate()
{
    static const std::vector<float> a(rows * length * 768, 0.5F), b(768 * 3072, 0.25F);
    static std::vector<float> c(rows * length * 3072);
    const detail::blas_threads threads(thread_count);
    double best = 1e9;
    for (int i = 0; i < 5; ++i)
        best = std::min(best, seconds_of([] { detail::multiply(rows * length, 3072, 768, {a.data(), 768}, {b.data(), 3072}, 0.0F, c.data(), 3072); }));
    return 2.0 * rows * length * 768 * 3072 / best;
}

template <class T, class Work>
void against_sgemm(benchmark::State& state, double operations_per_weight, const Work& work)
{
    transformer<float> t(weights<T>(), gpt2, tokens());
    const double weight_count = static_cast<double>(layers) * (768.0 * (2304 + 768 + 2 * 3072)) + 768.0 * 50257;
    const double operations = operations_per_weight * weight_count * static_cast<double>(rows * length);
    with_threads(thread_count, [&] {
        work(t);  // makes the memory
        double seconds = 0, sgemm_seconds = 0;
        for (auto iteration : state) {
            sgemm_seconds += operations / sgemm_rate();
            const double one = seconds_of([&] { work(t); });
            seconds += one;
            state.SetIterationTime(one);
        }
        state.counters["share_of_sgemm"] = sgemm_seconds / seconds;
        state.counters["gflops"] = operations * static_cast<double>(state.iterations()) / seconds * 1e-9;
    });
    state.SetLabel(std::string(instruction_path()));
}

template <class T>
void forward(benchmark::State& state)
{
    against_sgemm<T>(state, 2, [](auto& t) { benchmark::DoNotOptimize(t.loss(0)); });
}

template <class T>
void forward_and_backward(benchmark::State& state)
{
    against_sgemm<T>(state, 6, [](auto& t) {
        t.loss_and_gradient(0, gradient_sink([](std::size_t, std::size_t, std::span<const double> values) {
                                benchmark::DoNotOptimize(values.data());
                            }));
    });
}

#define WEIGHTSCOPE_BENCHMARK(function) BENCHMARK(function)->UseManualTime()->Unit(benchmark::kMillisecond)
WEIGHTSCOPE_BENCHMARK(forward<float>);
WEIGHTSCOPE_BENCHMARK(forward<bfloat16>);
WEIGHTSCOPE_BENCHMARK(forward_and_backward<float>);
WEIGHTSCOPE_BENCHMARK(forward_and_backward<bfloat16>);

}  // namespace

BENCHMARK_MAIN();
