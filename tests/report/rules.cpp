#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <weightscope/report/judge.hpp>
#include <weightscope/report/rules.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::float_matrix;
using made_up::gaussian;
using made_up::layer_of;
using made_up::told;

TEST_CASE("nothing is found in Gaussian matrices of any shape")
{
    std::uint64_t seed = 0;
    for (const auto& [rows, cols] : {std::pair{1, 1},
                                     {1, 7},
                                     {7, 1},
                                     {2, 2},
                                     {3, 3},
                                     {4, 4},
                                     {2, 500},
                                     {500, 2},
                                     {32, 32},
                                     {64, 65},
                                     {100, 100},
                                     {40, 300},
                                     {300, 40},
                                     {128, 128}})
        for (const double std : {1.0, 0.02, 1e-4})
            for (int copy = 0; copy < 5; ++copy) {
                INFO(rows << " x " << cols << ", std " << std << ", seed " << seed + 1);
                CHECK(told(layer_of(
                          "w", gaussian(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), ++seed, std)))
                      == "");
            }
}

TEST_CASE("whatever explains another finding takes its place, in any order of the table")
{
    float_matrix w = gaussian(40, 60);
    for (std::size_t j = 0; j < 60; ++j)
        w(7, j) = 0;  // dead row, and with it a condition number without bound
    auto rules = default_rules();
    CHECK(told(judge(made_up::scan_of({layer_of("w", w)}), rules)) == "warning dead_rows");
    std::reverse(rules.begin(), rules.end());
    CHECK(told(judge(made_up::scan_of({layer_of("w", w)}), rules)) == "warning dead_rows");
    for (rule& r : rules)
        r.explained_by.clear();
    CHECK(told(judge(made_up::scan_of({layer_of("w", w)}), rules)) == "warning near_singular, warning dead_rows");
}

TEST_CASE("rules that find nothing to look at say so")
{
    layer_result layer{.name = "w", .shape = {40, 30}, .dtype = "F32", .parameters = 1200};
    layer.spectral = analyze_spectral(gaussian(40, 30));
    const health_result health = judge(made_up::scan_of({layer}));
    CHECK(told(health) == "");
    for (const rule_outcome& outcome : health.rules) {
        INFO(outcome.judged_by.id);
        const bool spectral = outcome.judged_by.id == "low_rank" || outcome.judged_by.id == "unreadable"
                              || outcome.judged_by.id == "empty" || outcome.judged_by.id == "lost_shards"
                              || outcome.judged_by.id == "spectral_norm" || outcome.judged_by.id == "rank_utilisation";
        CHECK(outcome.judged_count == (spectral ? 1 : 0));
    }
    const auto missing = std::count_if(health.rules.begin(), health.rules.end(),
                                       [](const rule_outcome& o) { return o.missing_count > 0; });
    // nonfinite, all_zero, dead_rows and _columns, bit_flips, outliers, quantization_sqnr, rounded_away, channel_sqnr, group_sqnr,
    // dynamic_range, subnormals, sparse, near_zero, n_m_sparsity, untrained
    CHECK(missing == 16);
}
