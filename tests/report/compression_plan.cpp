#include <algorithm>
#include <cstddef>

#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/layer_facts.hpp>

#include "../catch.hpp"
#include "gpt2_reference.hpp"
#include "made_up.hpp"

using namespace weightscope;

namespace {

layer_result with_ranks(std::size_t rows, std::size_t cols, double numerical, double energy_99)
{
    layer_result layer{.name = "w", .shape = {rows, cols}, .dtype = "F32", .parameters = rows * cols};
    layer.spectral = spectral_result{.rows = rows,
                                     .cols = cols,
                                     .numerical_rank = numerical,
                                     .rank_99_energy = energy_99,
                                     .total_rank = std::min(rows, cols)};
    return layer;
}

}  // namespace

TEST_CASE("factors are advised below the break-even rank only")
{
    CHECK(break_even_rank(100, 50) == Approx(5000 / 150.0));
    CHECK(break_even_rank(0, 0) == 0);
    CHECK(recommend_compression(made_up::scan_of({with_ranks(100, 50, 50, 34)})).layers.empty());

    compression_plan plan = recommend_compression(made_up::scan_of({with_ranks(100, 50, 50, 33)}));
    REQUIRE(plan.layers.size() == 1);
    CHECK(plan.layers[0].method == "factors_99");
    CHECK(plan.layers[0].rank == 33);
    CHECK(plan.layers[0].factor_parameters == 4950);
    CHECK(plan.parameters == 5000);
    CHECK(plan.planned_parameters == 4950);

    plan = recommend_compression(made_up::scan_of({with_ranks(100, 50, 8, 7)}));
    REQUIRE(plan.layers.size() == 1);
    CHECK(plan.layers[0].method == "factors");
    CHECK(plan.layers[0].rank == 8);
    CHECK(plan.layers[0].reason == "the numerical rank is below the break-even rank: no loss");
}

TEST_CASE("a Gaussian matrix is not compressed by default, but is by the classic thresholds")
{
    const scan_result scan = made_up::scan_of({made_up::layer_of("w", made_up::gaussian(100, 100))});
    CHECK(recommend_compression(scan).layers.empty());
    REQUIRE(recommend_compression(scan, classic_compression_choices()).layers.size() == 1);
    CHECK(recommend_compression(scan, classic_compression_choices()).layers[0].method == "low_rank");
}

TEST_CASE("the classic thresholds call 43 layers of GPT-2 fit for LoRA of rank 4")
{
    const compression_plan plan = recommend_compression(gpt2_reference::scan(), classic_compression_choices());
    std::size_t rank_4 = 0, rank_8 = 0;
    for (const compressed_layer& layer : plan.layers) {
        rank_4 += layer.rank == 4;
        rank_8 += layer.rank == 8;
    }
    CHECK(rank_4 == 43);
    CHECK(rank_8 == 8);
    CHECK(plan.layers.size() == 51);
}

TEST_CASE("what was not measured is not planned")
{
    const layer_result bare{.name = "w", .shape = {10, 10}, .dtype = "F32", .parameters = 100};
    CHECK(recommend_compression(made_up::scan_of({bare})).layers.empty());
    CHECK(recommend_compression(made_up::scan_of({bare}), classic_compression_choices()).layers.empty());
}
