#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/random.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/allocation_sources.hpp>
#include <weightscope/study/feasible_plan.hpp>

#include "../catch.hpp"
#include "small_model.hpp"

using namespace weightscope;
using study_tests::model_in_memory;

namespace {

model_in_memory some_layers()
{
    model_in_memory m;
    m.add("layers.0.weight", random_normal<float>({12, 40}, {.seed = 1}))
        .add("layers.1.weight", random_normal<float>({8, 64}, {.seed = 2}))
        .add("copy.weight", random_normal<float>({12, 40}, {.seed = 1}))
        .add("kernel.weight", random_normal<float>({4, 3, 3, 3}, {.seed = 3}))
        .add("norm.weight", random_normal<float>({16}, {.seed = 4}));
    return m;
}

// What a function refuses; empty where it does not.
template <class F>
std::string refusal(const F& f)
{
    try {
        f();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return {};
}

struct refusals
{
    std::string asked, planned;
};

refusals refusals_of(const model& m, const allocation_plan_options& options, const allocation_sources& sources = {})
{
    return {.asked = refusal([&] { require_feasible_plan(m, options, sources); }),
            .planned = refusal([&] { (void)plan_allocation(m, options, sources); })};
}

}  // namespace

TEST_CASE("a budget that no plan keeps to is refused in the plan's own words, without the weights")
{
    model_in_memory m = some_layers();
    allocation_plan_options options{.candidates = {"int3-g32", "int8-per-channel-sym", "keep"}, .rules = false};
    std::size_t refused = 0;
    for (double bits = 2; bits < 8; bits += 0.25) {
        options.bits_per_weight = bits;
        const refusals found = refusals_of(*m, options);
        CHECK(found.asked == found.planned);
        refused += !found.asked.empty();
    }
    CHECK(refused > 4);
    CHECK(refused < 20);

    // the rest is checked as well
    options.pins = {{.pattern = "layers", .format = "int2-g32"}};
    options.most_bits = {{.pattern = "kernel", .bits = 1}};
    options.ties = {"(weight)"};
    const refusals tied = refusals_of(*m, options);
    CHECK(!tied.asked.empty());
    CHECK(tied.asked == tied.planned);
    const refusals nothing = refusals_of(*m, {.candidates = {"int8-per-channel-sym"}});
    CHECK(nothing.asked == "weightscope::plan_allocation(model, options, sources): options has no budget, expected bits_per_weight, size, bit_operations or latency");
    CHECK(nothing.asked == nothing.planned);

    // what counts as the loss is not asked for
    CHECK(refusal([&] { require_feasible_plan(*m, {.bits_per_weight = 9, .candidates = {"int8-per-channel-sym"}, .loss = allocation_loss::measured}); }).empty());
}

TEST_CASE("the size of the file and other budgets are checked beside bytes")
{
    model_in_memory m = some_layers();
    allocation_plan_options options{.candidates = {"int3-g32", "int8-per-channel-sym"}, .rules = false};
    std::optional<std::string> smallest;
    for (std::size_t size = 1200; size <= 4000; size += 100) {
        options.size = size;
        const refusals found = refusals_of(*m, options);
        CHECK(found.asked.empty() == found.planned.empty());
        if (!found.asked.empty())
            smallest = found.asked;
    }
    REQUIRE(smallest.has_value());
    // the smallest file that is told of is one that there is
    const std::string words = "and the smallest one has ";
    if (const std::size_t at = smallest->find(words); at != std::string::npos) {
        options.size = std::stoul(smallest->substr(at + words.size()));
        const refusals found = refusals_of(*m, options);
        CHECK(found.asked == "");
        CHECK(found.planned == "");
        options.size = *options.size - 1;
        CHECK(!refusals_of(*m, options).planned.empty());
    }

    allocation_plan_options two{.bits_per_weight = 7, .candidates = {"int3-g32", "int8-per-channel-sym"}, .rules = false, .bit_operations = 1e3};
    const refusals slow = refusals_of(*m, two);
    CHECK(!slow.asked.empty());
    CHECK(slow.asked == slow.planned);

    allocation_sources sources;
    for (const char* layer : {"layers.0.weight", "layers.1.weight", "copy.weight", "kernel.weight"})
        for (const char* name : {"int3-g32", "int8-per-channel-sym"})
            sources.latencies[{layer, name}] = std::string(name) == "int3-g32" ? 3 : 1;  // small is slow
    allocation_plan_options timed{.bits_per_weight = 5.5, .candidates = {"int3-g32", "int8-per-channel-sym"}, .rules = false};
    timed.latency = 4.5;
    const refusals both = refusals_of(*m, timed, sources);
    CHECK(both.asked.find("no plan keeps to all budgets at once") != std::string::npos);
    CHECK(both.asked == both.planned);
    timed.latency = 12;
    CHECK(refusals_of(*m, timed, sources).asked.empty());
    timed.latency = 1;
    CHECK(refusals_of(*m, timed, sources).asked == refusals_of(*m, timed, sources).planned);
}
