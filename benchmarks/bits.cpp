// How near does a map of all bits of all weights come to the memory bus? Every row tells its time as a multiple of one read pass over the
// same tensor, timed in turn in the same process. The last row is what a program does that flips bit by bit.
//
//     $ bits --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// MEGABYTES=1000 sets the size of the tensor, THREADS the number of threads.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/analyzers/bit_map.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/study/block_bit_map.hpp>

namespace {

using namespace weightscope;

std::size_t from_environment(const char* name, std::size_t otherwise)
{
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

const std::size_t tensor_bytes = from_environment("MEGABYTES", 1000) * 1'000'000;
const std::size_t thread_count = from_environment("THREADS", 2);

// Gaussian weights, the same million over and over, each time a little larger.
template <class T>
const std::vector<T>& weights()
{
    static const std::vector<T> values = [] {
        const xt::xtensor<float, 1> tile = random_normal<float>({std::size_t{1} << 20}, {.seed = 1, .std = 0.02});
        std::vector<T> result(tensor_bytes / sizeof(T));
        for (std::size_t i = 0; i < result.size(); ++i)
            result[i] = static_cast<T>(tile(i % tile.size()) * (1 + 1e-3F * static_cast<float>(i / tile.size())));
        return result;
    }();
    return values;
}

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

template <class Work>
void against_read_pass(benchmark::State& state, const Work& work, std::span<const std::byte> bytes)
{
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

template <class T>
void map_of_all_bits(benchmark::State& state)
{
    const std::vector<T>& values = weights<T>();
    const auto view = xt::adapt(values.data(), values.size(), xt::no_ownership(), std::vector<std::size_t>{values.size()});
    against_read_pass(state, [&] { benchmark::DoNotOptimize(analyze_bit_map(view)); }, std::as_bytes(std::span(values)));
}

// Blocks of a tenth of the bytes: Gaussian weights would have codes like these, and scales of one binade or two.
void map_of_blocks(benchmark::State& state, const char* name)
{
    const ggml_type& type = *find_ggml_type(name);
    random_stream random(1);
    std::vector<std::byte> bytes(tensor_bytes / 10 / type.block_bytes * type.block_bytes);
    for (std::byte& b : bytes)
        b = static_cast<std::byte>(random.below(256));
    for (std::size_t block = 0; block < bytes.size(); block += type.block_bytes)
        for (const detail::ggml_bit_field& field : detail::ggml_bit_fields(type.name))
            if (field.layout.bits == 16) {
                const detail::ggml_bit_place place = detail::ggml_field_places(type.name, field.name, 0).front();
                const std::uint16_t half = float16(0.001F * static_cast<float>(1 + random.uniform())).bits;
                std::memcpy(bytes.data() + block + place.byte, &half, sizeof half);
            }
    const auto file = std::make_shared<const mapped_file>(name, std::move(bytes));
    named_tensor tensor{.name = name, .bytes = file->bytes(), .file = file, .encoding = name};
    tensor.shape = {tensor.bytes.size() / type.block_bytes * type.block_weights};
    tensor.decoder = std::make_shared<const detail::gguf_decoder>(type, detail::find_ggml_block_decoder(type.name), file, tensor.bytes);
    against_read_pass(state, [&] { benchmark::DoNotOptimize(detail::map_bits_of_blocks(tensor, type, {})); }, tensor.bytes);
}

// The largest change, NaN and Inf alone, of a hundredth of the tensor.
void flip_by_flip(benchmark::State& state)
{
    const std::vector<float>& values = weights<float>();
    const std::size_t some = values.size() / 100;
    against_read_pass(
        state,
        [&] {
            double most = 0;
            std::uint64_t lost = 0;
            for (std::size_t i = 0; i < some; ++i)
                for (unsigned bit = 0; bit < 32; ++bit) {
                    const auto flipped = static_cast<double>(std::bit_cast<float>(std::bit_cast<std::uint32_t>(values[i]) ^ 1u << bit));
                    lost += !std::isfinite(flipped);
                    most = std::max(most, std::fabs(flipped - static_cast<double>(values[i])));
                }
            benchmark::DoNotOptimize(most);
            benchmark::DoNotOptimize(lost);
        },
        std::as_bytes(std::span(values).first(some)));
}

BENCHMARK(map_of_all_bits<float>)->Name("map of all bits, float")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(map_of_all_bits<float16>)->Name("map of all bits, float16")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(map_of_all_bits<bfloat16>)->Name("map of all bits, bfloat16")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(map_of_all_bits<std::int8_t>)->Name("map of all bits, int8")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(map_of_blocks, Q4_0, "Q4_0")->Name("map of all bits and scales, Q4_0")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(map_of_blocks, Q8_0, "Q8_0")->Name("map of all bits and scales, Q8_0")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(map_of_blocks, Q4_K, "Q4_K")->Name("map of all bits and scales, Q4_K")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(map_of_blocks, Q6_K, "Q6_K")->Name("map of all bits and scales, Q6_K")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(flip_by_flip)->Name("flip by flip, float")->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
