// How long does the power-law fit of a spectrum take, beside trying each value as the tail's beginning?
//
//     $ power_law
//
// Pareto is a power law from end to end, where all candidates are nearly as good; lognormal and uniform values are none; ties are
// rounded values.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <weightscope/analyzers/power_law.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/xtensor.hpp>

namespace {

using namespace weightscope;

enum class shape
{
    pareto,
    lognormal,
    uniform,
    ties
};

xt::xtensor<double, 1> sample(std::size_t count, shape kind)
{
    random_stream random(1);
    xt::xtensor<double, 1> values = xt::empty<double>({count});
    for (double& x : values) {
        const double u = random.uniform(), tail = std::pow(1 - u, -1 / 1.5);
        x = kind == shape::pareto      ? tail
            : kind == shape::lognormal ? std::exp(2 * random.normal())
            : kind == shape::uniform   ? 0.1 + u
                                       : std::ceil(4 * tail) / 4;
    }
    return values;
}

void fit(benchmark::State& state, shape kind)
{
    const auto values = sample(static_cast<std::size_t>(state.range(0)), kind);
    for (auto _ : state)
        benchmark::DoNotOptimize(fit_power_law(values));
}

// The definition: for each value as xmin, alpha from one sum and the distance from another pass over the tail.
void plain_loops(benchmark::State& state, shape kind)
{
    const auto tensor = sample(static_cast<std::size_t>(state.range(0)), kind);
    for (auto _ : state) {
        std::vector<double> values(tensor.begin(), tensor.end());
        std::sort(values.begin(), values.end());
        double best = 2, best_alpha = 0;
        for (std::size_t i = 0; i + 1 < values.size(); ++i) {
            const auto n = static_cast<double>(values.size() - i);
            double sum = 0, distance = 0;
            for (std::size_t k = i; k < values.size(); ++k)
                sum += std::log(values[k] / values[i]);
            const double alpha = 1 + n / sum;
            for (std::size_t k = i; k < values.size(); ++k)
                distance = std::max(distance, std::fabs(1 - std::pow(values[k] / values[i], 1 - alpha) - static_cast<double>(k - i) / n));
            if (distance < best) {
                best = distance;
                best_alpha = alpha;
            }
        }
        benchmark::DoNotOptimize(best_alpha);
    }
}

BENCHMARK_CAPTURE(fit, pareto, shape::pareto)->Arg(15'000)->Arg(200'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(fit, lognormal, shape::lognormal)->Arg(15'000)->Arg(200'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(fit, uniform, shape::uniform)->Arg(15'000)->Arg(200'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(fit, ties, shape::ties)->Arg(15'000)->Arg(200'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plain_loops, pareto, shape::pareto)->Arg(2'000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
