#include <weightscope/analyzers/elements.hpp>
#include <weightscope/core/random.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("the three element analyses give the same figures together and alone")
{
    const auto w = random_normal<float>({200, 130}, {.seed = 1, .mean = 0.1});
    const auto together = analyze_elements(w);
    const auto stats = analyze_basic_stats(w);
    const auto quantization = analyze_quantization_sensitivity(w);
    const auto sparsity = analyze_sparsity(w);
    CHECK(together.basic_stats->mean.value == stats.mean.value);
    CHECK(together.basic_stats->kurtosis.value == stats.kurtosis.value);
    CHECK(together.basic_stats->histogram.counts == stats.histogram.counts);
    CHECK(together.quantization->sqnr_db.value == quantization.sqnr_db.value);
    CHECK(together.quantization->group_sqnr_db.value == quantization.group_sqnr_db.value);
    CHECK(together.quantization->outlier_count == quantization.outlier_count);
    CHECK(together.sparsity->median_abs_weight.value == sparsity.median_abs_weight.value);
    CHECK(together.sparsity->structured_sparsity->dead_rows == sparsity.structured_sparsity->dead_rows);
    CHECK(together.sparsity->sparsity_levels[3].count == sparsity.sparsity_levels[3].count);
}

TEST_CASE("an analysis that is not asked for is absent")
{
    const auto w = random_normal<float>({20, 30}, {.seed = 1});
    const auto r = analyze_elements(w, {.quantization = std::nullopt, .sparsity = std::nullopt});
    CHECK(r.basic_stats);
    CHECK_FALSE(r.quantization);
    CHECK_FALSE(r.sparsity);
    CHECK_THROWS_WITH(analyze_elements(w, {.quantization = quantization_sensitivity_options{.bits = 40}}),
                      "weightscope::analyze_elements(weights, options): options.quantization.bits is 40, expected 2 to 16");
}
