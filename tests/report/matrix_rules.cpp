#include <cstddef>
#include <string>
#include <tuple>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/matrix_rules.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::float_matrix;
using made_up::gaussian;
using made_up::layer_of;
using made_up::told;

TEST_CASE("dead rows are a warning from one on, critical above a tenth")
{
    float_matrix w = gaussian(40, 60);
    const auto kill = [&](std::size_t row) {
        for (std::size_t j = 0; j < 60; ++j)
            w(row, j) = 0;
    };
    kill(7);
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "warning dead_rows");
    CHECK(health.findings[0].message == "1 of 40 rows are dead (2.5 %)");
    for (const std::size_t row : {1u, 2u, 3u})
        kill(row);
    CHECK(told(layer_of("w", w)) == "warning dead_rows");  // 10 %
    kill(4);
    CHECK(told(layer_of("w", w)) == "critical dead_rows");
}

TEST_CASE("dead columns are a warning from one on, critical above a tenth")
{
    float_matrix w = gaussian(60, 40);
    for (std::size_t i = 0; i < 60; ++i)
        w(i, 7) = 1e-6f;  // as good as dead
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "warning dead_columns");
    CHECK(health.findings[0].message == "1 of 40 columns are dead (2.5 %)");
    for (std::size_t i = 0; i < 60; ++i)
        w(i, 0) = w(i, 1) = w(i, 2) = w(i, 3) = 0;
    CHECK(told(layer_of("w", w)) == "critical dead_columns");
}

TEST_CASE("small is not dead: a tensor that is small throughout, a row of three, the padding row of an embedding")
{
    CHECK(told(layer_of("moments", gaussian(40, 60, 1, 1e-9))) == "");
    float_matrix depthwise = gaussian(60, 3);
    depthwise(5, 0) = depthwise(5, 1) = depthwise(5, 2) = 0;
    CHECK(told(layer_of("w", depthwise)) == "");
    float_matrix w = gaussian(60, 40);
    for (std::size_t j = 0; j < 40; ++j)
        w(0, j) = 0;
    CHECK(told(layer_of("embeddings.weight", w)) == "");
    CHECK(told(layer_of("w", w)) == "warning dead_rows");
}

TEST_CASE("low rank is told by how much of the possible rank is left, and factors are advised where they are smaller")
{
    const auto product = [](std::size_t rank) {
        const float_matrix left = gaussian(100, rank, 1, 1), right = gaussian(rank, 50, 2, 0.02);
        xt::xtensor<double, 2> w = xt::zeros<double>({100, 50});
        for (std::size_t i = 0; i < 100; ++i)
            for (std::size_t k = 0; k < rank; ++k)
                for (std::size_t j = 0; j < 50; ++j)
                    w(i, j) += static_cast<double>(left(i, k)) * static_cast<double>(right(k, j));
        return w;
    };
    const health_result half = judge(made_up::scan_of({layer_of("w", product(25), "F64")}));
    CHECK(told(half) == "warning low_rank");
    CHECK(half.findings[0].message == "numerical rank 25 of 50 possible");
    // break-even 100 * 50 / 150 = 33.33, factors 25 * 150 = 3750
    CHECK(half.findings[0].remedy == "Keep it as two factors of rank 25, 3,750 numbers instead of 5,000 (worth it below rank 33.33), or retrain it.");
    CHECK(told(layer_of("w", product(5), "F64")) == "critical low_rank");
    CHECK(told(layer_of("w", product(26), "F64")) == "warning near_singular");
}

TEST_CASE("thin matrices of full rank are fine")
{
    CHECK(told(layer_of("lora_A", gaussian(8, 500))) == "");
    CHECK(told(layer_of("lora_B", gaussian(500, 8))) == "");
}

TEST_CASE("rank that dead rows take away is not told again")
{
    float_matrix w = gaussian(40, 40);
    for (std::size_t i = 0; i < 25; ++i)
        for (std::size_t j = 0; j < 40; ++j)
            w(i, j) = 0;  // rank 15 of 40, but of 15 rows that live
    CHECK(told(layer_of("w", w)) == "critical dead_rows, info sparse");
}

TEST_CASE("a column that is the sum of two others makes the matrix nearly singular")
{
    float_matrix w = gaussian(100, 60);
    for (std::size_t i = 0; i < 100; ++i)
        w(i, 30) = w(i, 7) + w(i, 42);
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "warning near_singular");
    const finding& f = health.findings[0];
    CHECK(f.value > 1e6);
    CHECK(f.baseline.value == Approx(gaussian_condition_number(100, 60)));
    CHECK(f.threshold == Approx(1e4 * gaussian_condition_number(100, 60)));
    CHECK(f.message.find(" (10,000 times a Gaussian matrix's ") != std::string::npos);

    float_matrix exact = gaussian(100, 60);
    for (std::size_t i = 0; i < 100; ++i)
        exact(i, 30) = exact(i, 7);  // the condition number itself does not exist
    CHECK(told(layer_of("w", exact)) == "warning near_singular");
}

TEST_CASE("condition numbers that trained layers have are fine")
{
    // published for GPT-2 small: 768 x 3072, 768 x 768, 50257 x 768; and a square one that chance gives once in 2,000 times
    for (const auto& [rows, cols, kappa] :
         {std::tuple{768u, 3072u, 445.3}, {768u, 768u, 129498.6}, {50257u, 768u, 3843.9}, {768u, 768u, 4e6}}) {
        layer_result layer{.name = "w", .shape = {rows, cols}, .dtype = "F32", .parameters = std::size_t{rows} * cols};
        layer.spectral = spectral_result{.rows = rows,
                                         .cols = cols,
                                         .condition_number_at_least = kappa,
                                         .numerical_rank = 768,
                                         .total_rank = 768,
                                         .gaussian_condition_number = gaussian_condition_number(rows, cols),
                                         .condition_number_p_value = condition_number_p_value(kappa, rows, cols)};
        CHECK(told(layer) == "");
    }
}

TEST_CASE("a large singular value is a note, a huge one a warning, and neither in an embedding")
{
    float_matrix w = gaussian(40, 60, 1, 1);  // σ_max near √40 + √60 = 14
    w *= 100;
    CHECK(told(layer_of("w", w)) == "info spectral_norm");
    w *= 10;
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "warning spectral_norm");
    CHECK(health.findings[0].message.find(" > 10,000") != std::string::npos);
    CHECK(told(layer_of("tok_embeddings", w)) == "");
}

TEST_CASE("a quarter of the directions or fewer that carry 99 % of the energy are told")
{
    float_matrix w = gaussian(80, 64, 1, 0.001);
    const float_matrix a = gaussian(80, 8, 2, 1), b = gaussian(8, 64, 3, 1);
    for (std::size_t i = 0; i < 80; ++i)
        for (std::size_t j = 0; j < 64; ++j)
            for (std::size_t k = 0; k < 8; ++k)
                w(i, j) += a(i, k) * b(k, j);
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "info rank_utilisation");
    CHECK(health.findings[0].value == 0.125);
}
