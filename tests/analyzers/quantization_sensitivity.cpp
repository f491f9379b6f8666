#include <cmath>
#include <vector>

#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("quantization sensitivity by hand")
{
    // 3 bits: codes -3..3, scale 6/3 = 2. {6, 1, -3, 2}: codes 3, 0 (0.5 to even), -2 (-1.5 to even), 1; errors 0, 1, 1, 0.
    const xt::xtensor<float, 1> w = {6, 1, -3, 2};
    const auto r = analyze_quantization_sensitivity(w, {.bits = 3});
    CHECK(r.bits == 3);
    CHECK(r.quantization_scale.value == 2);
    CHECK(r.quantization_mse.value == 0.5);
    CHECK(r.quantization_mae.value == 0.5);
    CHECK(r.sqnr_db.value == Approx(10 * std::log10(50.0 / 2)).epsilon(1e-15));
    // w^ = {6, 0, -4, 2}: <w, w^> = 36 + 12 + 4 = 52, |w|^2 = 50, |w^|^2 = 56
    CHECK(r.cosine_similarity.value == Approx(52 / std::sqrt(50.0 * 56)).epsilon(1e-15));
    CHECK(r.abs_max.value == 6);
    CHECK(r.dynamic_range.value == 2);
    CHECK(r.per_channel_sqnr_db.reason == "not a matrix");
}

TEST_CASE("outliers lie strictly outside the fences")
{
    // 0..8 and one more: q1 = 2.25, q3 = 6.75 of the ten values, IQR 4.5, fences -4.5 and 13.5 (1.5), -11.25 and 20.25 (3)
    xt::xtensor<double, 1> w = {0, 1, 2, 3, 4, 5, 6, 7, 8, 13.5};
    CHECK(analyze_quantization_sensitivity(w).outlier_count == 0);
    w(9) = 13.6;
    CHECK(analyze_quantization_sensitivity(w).outlier_count == 1);
    CHECK(analyze_quantization_sensitivity(w).outlier_percentage.value == 10);
    CHECK(analyze_quantization_sensitivity(w).extreme_outlier_count == 0);
    w(9) = 21;
    CHECK(analyze_quantization_sensitivity(w).extreme_outlier_count == 1);
}

TEST_CASE("scales per channel and per group never lose more than one for the tensor")
{
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto w = random_normal<float>({32, 256}, {.seed = seed});
        const auto r = analyze_quantization_sensitivity(w, {.bits = 8});
        CHECK(r.per_channel_sqnr_db.value > r.sqnr_db.value - 0.1);  // rounding luck apart
        CHECK(r.group_sqnr_db.value > r.per_channel_sqnr_db.value - 0.1);
        CHECK(r.cosine_similarity.value <= 1);
    }
}

TEST_CASE("no score looks perfect because its input was broken")
{
    const xt::xtensor<float, 2> zero = xt::zeros<float>({4, 4});
    CHECK(analyze_quantization_sensitivity(zero).sqnr_db.reason == "all zero");
    CHECK(analyze_quantization_sensitivity(zero).quantization_mse.value == 0);
    CHECK(analyze_quantization_sensitivity(zero).cosine_similarity.reason == "all zero");
    const xt::xtensor<float, 2> nan = NAN * xt::ones<float>({4, 4});
    CHECK(analyze_quantization_sensitivity(nan).sqnr_db.reason == "no finite entries");
    CHECK(analyze_quantization_sensitivity(nan).per_channel_sqnr_db.reason == "no finite entries");
    const xt::xtensor<float, 1> codes = {127, -3, 0, 55};
    CHECK(analyze_quantization_sensitivity(codes).sqnr_db.reason == "exact");
    CHECK(analyze_quantization_sensitivity(codes).cosine_similarity.value == 1);
    const xt::xtensor<double, 1> subnormal = {5e-324, -5e-324};
    CHECK(analyze_quantization_sensitivity(subnormal).sqnr_db.reason == "all zero");
    const xt::xtensor<float, 1> one_nan = {NAN, 1, -0.3f};
    CHECK(analyze_quantization_sensitivity(one_nan).sqnr_db.exists());
}

TEST_CASE("SQNR does not change with the scale of the weights")
{
    const xt::xtensor<float, 2> w = random_normal<float>({64, 64}, {.seed = 1});
    const double expected = analyze_quantization_sensitivity(w).sqnr_db.value;
    for (const float factor : {0x1p-30f, 0x1p20f, -1.0f})
        CHECK(analyze_quantization_sensitivity(factor * w).sqnr_db.value == Approx(expected).epsilon(1e-12));
}

TEST_CASE("quantization sensitivity refuses widths and groups that do not exist")
{
    const xt::xtensor<float, 1> w = {1};
    CHECK_THROWS_WITH(analyze_quantization_sensitivity(w, {.bits = 1}),
                      "weightscope::analyze_quantization_sensitivity(weights, options): options.bits is 1, expected 2 to 16");
    CHECK_THROWS_WITH(analyze_quantization_sensitivity(w, {.group_size = 0}),
                      "weightscope::analyze_quantization_sensitivity(weights, options): options.group_size is 0, expected 1 or more");
}
