// How long does it take to find the best format for each layer? Times of allocate_choices() on made-up models, whose losses fall by four
// for each bit as those of quantized Gaussian weights do, at budgets of 4.25 bits per weight; `gap` must be 0, and `states` counts the
// partial allocations looked at.
//
//     $ bench_allocation
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <benchmark/benchmark.h>

#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace {

using namespace weightscope;

// Layers of some ten shapes, each with its own sensitivity; the second cost is of bit operations, the third of nanoseconds.
allocation_problem made_up_model(std::size_t layers, std::size_t formats, std::size_t budgets, bool few_shapes)
{
    const xt::xtensor<double, 2> random = random_normal<double>({layers, formats + 2}, {.seed = 1});
    allocation_problem problem;
    double weights = 0, operations = 0, seconds = 0;
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const auto shape = static_cast<double>(few_shapes ? 1 + layer % 7 : 1000 + (layer * 7919) % 6007);
        const double count = 4096 * 32 * shape, sensitivity = std::exp(2 * random(layer, formats)), image = 1 + static_cast<double>(layer % 4);
        allocation_item item;
        for (std::size_t f = 0; f < formats; ++f) {
            const double bits = formats == 3 ? std::exp2(1 + static_cast<double>(f)) : 2 + 6 * static_cast<double>(f) / static_cast<double>(formats - 1);
            allocation_choice choice{.loss = sensitivity * count * std::exp2(-2 * bits) * std::exp(0.1 * random(layer, f))};
            choice.costs.push_back(static_cast<std::uint64_t>(count / 8 * bits));
            if (budgets > 1)
                choice.costs.push_back(static_cast<std::uint64_t>(count * image * bits * bits));
            if (budgets > 2)
                choice.costs.push_back(static_cast<std::uint64_t>(count * (1 + bits / 8)));
            item.choices.push_back(choice);
        }
        weights += count;
        operations += count * image;
        seconds += count;
        problem.items.push_back(item);
    }
    problem.budgets.push_back(static_cast<std::uint64_t>(weights / 8 * 4.25));
    if (budgets > 1)
        problem.budgets.push_back(static_cast<std::uint64_t>(operations * 15));
    if (budgets > 2)
        problem.budgets.push_back(static_cast<std::uint64_t>(seconds * 1.51));
    return problem;
}

void allocate(benchmark::State& state)
{
    const auto argument = [&](std::size_t i) { return static_cast<std::size_t>(state.range(i)); };
    const allocation_problem problem = made_up_model(argument(0), argument(1), argument(2), argument(3) != 0);
    allocation_result result;
    for (auto _ : state)
        result = allocate_choices(problem);
    state.counters["gap"] = result.gap;
    state.counters["states"] = static_cast<double>(result.state_count);
}

}  // namespace

BENCHMARK(allocate)
    ->ArgNames({"layers", "formats", "budgets", "few_shapes"})
    ->Args({52, 3, 1, 1})
    ->Args({52, 3, 1, 0})
    ->Args({52, 3, 2, 1})
    ->Args({52, 3, 2, 0})
    ->Args({52, 3, 3, 1})
    ->Args({2000, 10, 1, 1})
    ->Args({2000, 10, 1, 0})
    ->Args({2000, 10, 2, 1})
    ->Args({5000, 30, 1, 1})
    ->Args({5000, 30, 1, 0})
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
