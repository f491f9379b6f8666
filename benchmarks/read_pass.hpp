#pragma once
// What the benchmarks of passes over weights measure with: the time of one read pass over the same bytes, in the same run.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

/// A setting of the run, such as ELEMENTS or THREADS.
inline std::size_t from_environment(const char* name, std::size_t otherwise)
{
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

inline const std::size_t thread_count = from_environment("THREADS", 2);

/// Gaussian weights, the same million over and over, each time a little larger.
template <class T>
xt::xtensor<T, 2> gaussian_weights(std::size_t rows, std::size_t cols, std::uint64_t seed = 1)
{
    const xt::xtensor<float, 1> tile = weightscope::random_normal<float>({std::size_t{1} << 20}, {.seed = seed, .std = 0.02});
    xt::xtensor<T, 2> result = xt::empty<T>({rows, cols});
    for (std::size_t i = 0; i < result.size(); ++i)
        result.data()[i] = static_cast<T>(tile(i % tile.size()) * (1 + 1e-3F * static_cast<float>(i / tile.size())));
    return result;
}

template <class T>
std::span<const std::byte> bytes_of(const xt::xtensor<T, 2>& weights)
{
    return std::as_bytes(std::span(weights.data(), weights.size()));
}

/// Touches every byte once: the largest of all 32-bit words.
inline double read_pass(std::span<const std::byte> bytes)
{
    namespace ws = weightscope;
    const std::span<const float> words(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
    const auto partials = ws::map_chunks(words.size(), ws::detail::chunk_elements, [&](std::size_t begin, std::size_t end) {
        return ws::detail::dispatch(ws::detail::max_magnitude_kernel<float>{}, words.data() + begin, end - begin);
    });
    return *std::max_element(partials.begin(), partials.end());
}

inline double seconds_of(const auto& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Times `work` and a read pass over `bytes` in turn, so that a busy neighbour slows both. `read_passes` is the median of the ratios,
/// `least_read_passes` the ratio of the two minima.
inline void against_read_pass(benchmark::State& state, std::span<const std::byte> bytes, const auto& work)
{
    weightscope::with_threads(thread_count, [&] {
        std::vector<double> ratios;
        double least_work = 1e9, least_read = 1e9;
        for (auto iteration : state) {
            const double read = seconds_of([&] { benchmark::DoNotOptimize(read_pass(bytes)); }), seconds = seconds_of(work);
            ratios.push_back(seconds / read);
            least_work = std::min(least_work, seconds);
            least_read = std::min(least_read, read);
            state.SetIterationTime(seconds);
        }
        std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2), ratios.end());
        state.counters["read_passes"] = ratios[ratios.size() / 2];
        state.counters["least_read_passes"] = least_work / least_read;
        state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * state.iterations());
    });
    state.SetLabel(std::string(weightscope::instruction_path()));
}
