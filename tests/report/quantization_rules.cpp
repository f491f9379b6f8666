#include <cstddef>
#include <string>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/quantization_rules.hpp>
#include <weightscope/report/sparsity_rules.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::float_matrix;
using made_up::gaussian;
using made_up::layer_of;
using made_up::told;

TEST_CASE("extreme outliers are a warning above one in a hundred, critical above a tenth")
{
    float_matrix w = gaussian(100, 100);
    const auto plant = [&](std::size_t count) {
        for (std::size_t k = 0; k < count; ++k)
            w.flat(k * 7) = 30 * 0.02f;
    };
    plant(90);
    CHECK(told(layer_of("w", w)) == "");
    plant(200);
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "warning outliers");
    CHECK(health.findings[0].message == "extreme outliers: 2 % > 1 % (Gaussian matrix: 0.00023 %)");
}

TEST_CASE("extreme outliers above a tenth are critical where one scale per row does not help, and a warning where it does")
{
    float_matrix w = gaussian(20, 1000);
    for (std::size_t k = 0; k < w.size() / 9; ++k)
        w.flat(k * 9) = 0.2f;
    // every row: max 0.2, mean square 0.11 · 0.2² + 0.02²: 52.87 dB + 10 log10(0.0048 / 0.04) = 43.7 dB
    const layer_result repaired = layer_of("w", w);
    CHECK(repaired.quantization->per_channel_sqnr_db.value == Approx(43.7).margin(1));
    CHECK(repaired.quantization->extreme_outlier_percentage.value > 10);
    CHECK(told(repaired) == "warning outliers");
    CHECK(told(judge(made_up::scan_of({repaired}), override_threshold(default_rules(), "outliers", severity::critical, 5))) == "critical outliers");
    for (std::size_t i = 0; i < 20; ++i)
        w(i, 0) = 3;
    // every row: max 3, mean square 0.0048 + 9 / 1000: 52.87 dB + 10 log10(0.0138 / 9) = 24.7 dB
    const layer_result lost = layer_of("w", w);
    CHECK(lost.quantization->per_channel_sqnr_db.value == Approx(24.7).margin(1));  // each 0.2 is 8.47 steps: nearly the worst rounding
    CHECK(told(lost) == "critical outliers");
}

TEST_CASE("weights that look extreme because many are zero are no outliers")
{
    float_matrix w = gaussian(100, 100);
    random_stream random(3);
    for (float& x : w)
        x = random.uniform() < 0.4 ? 0 : x;
    const layer_result layer = layer_of("w", w);
    CHECK(layer.quantization->extreme_outlier_percentage.value > 1);
    CHECK(told(layer) == "");
}

TEST_CASE("one huge weight spoils the scale of a tensor, and the remedy names what was measured to help")
{
    float_matrix w = gaussian(100, 100);
    w(0, 0) = 2;  // crest 2 / sqrt((2² + 1e4 0.02²) / 1e4) = 71: 52.87 dB - 20 log10(71) = 15.9 dB
    health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "warning quantization_sqnr");
    CHECK(health.findings[0].value == Approx(15.9).margin(0.1));
    CHECK(health.findings[0].message.starts_with("INT8 per-tensor SQNR: 15."));
    CHECK(health.findings[0].message.find(" dB < 20 dB (Gaussian matrix: 40.") != std::string::npos);
    CHECK(health.findings[0].remedy.starts_with("Quantize with one scale per row (measured at 8 bits: per row "));

    w = gaussian(200, 200);
    w(0, 0) = 7;  // scale 2.76 standard deviations: most others round to 0
    CHECK(told(layer_of("w", w)) == "warning quantization_sqnr");  // one scale per row saves 199 rows of 200
    layer_result lost = layer_of("w", w);
    lost.quantization->per_channel_sqnr_db = 29.9;
    CHECK(told(lost) == "critical quantization_sqnr");
    lost.quantization->per_channel_sqnr_db = metric::missing("exact");
    CHECK(told(lost) == "warning quantization_sqnr");
}

TEST_CASE("a weight so large that the SQNR is high again is told by what it rounds away")
{
    float_matrix w = gaussian(200, 200);
    w(0, 0) = 100;  // all others round to 0: 10 log10(100² / (4e4 0.02²)) = 28 dB
    const layer_result layer = layer_of("w", w);
    CHECK(layer.quantization->sqnr_db.value == Approx(28).margin(0.1));
    const health_result health = judge(made_up::scan_of({layer}));
    CHECK(told(health) == "critical rounded_away");
    CHECK(health.findings[0].message == "weights that INT8 rounds to 0, at least: 90 % >= 90 % (Gaussian matrix: 0 %)");
    CHECK(health.findings[0].remedy.starts_with("Quantize with one scale per row (measured at 8 bits: per row "));
}

TEST_CASE("groups are advised where rows do not help, and 16 bits where nothing does")
{
    float_matrix w = gaussian(20, 4000);
    for (std::size_t i = 0; i < 20; ++i)
        w(i, i) = 3;  // crest of a row, as of the tensor: 3 / sqrt((3² + 4000 0.02²) / 4000) = 58: 17.6 dB
    layer_result layer = layer_of("w", w);
    health_result health = judge(made_up::scan_of({layer}));
    CHECK(told(health) == "warning channel_sqnr");
    CHECK(health.findings[0].message.starts_with("INT8 per-row SQNR: 17."));
    CHECK(health.findings[0].remedy.starts_with("Quantize with one scale per group of 128 (measured at 8 bits: per row 17."));

    layer.quantization->group_sqnr_db = 15;
    health = judge(made_up::scan_of({layer}));
    CHECK(told(health) == "warning group_sqnr");
    layer.quantization->group_sqnr_db = 9;
    CHECK(told(layer) == "critical group_sqnr");
    layer.quantization->group_sqnr_db = 25;
    health = judge(made_up::scan_of({layer}));
    CHECK(health.findings[0].remedy.starts_with(
        "Keep this layer in 16 bits, or clip its outliers first (measured at 8 bits: per row 17."));
}

TEST_CASE("the SQNR is judged at 8 bits only")
{
    float_matrix w = gaussian(100, 100);
    layer_result layer = layer_of("w", w);
    layer.quantization = analyze_quantization_sensitivity(w, {.bits = 4});
    CHECK(layer.quantization->sqnr_db.value < 20);
    CHECK(told(layer) == "");
}

TEST_CASE("integers are codes: neither outliers nor rank are told, zeros only of signed bytes")
{
    xt::xtensor<int, 2> codes = xt::zeros<int>({100, 100});
    CHECK(told(layer_of("zero_points", codes, "I32")) == "");
    CHECK(told(layer_of("w", codes, "U8")) == "");
    CHECK(told(layer_of("w", codes, "I8")) == "critical all_zero");
    codes.fill(8);
    CHECK(told(layer_of("zero_points", codes, "I32")) == "");
    for (std::size_t k = 0; k < codes.size(); ++k)
        codes.flat(k) = static_cast<int>(k % 7) - 3;
    for (std::size_t k = 0; k < 300; ++k)
        codes.flat(k * 11) = 1000000;
    const layer_result layer = layer_of("codes", codes, "I32");
    CHECK(layer.quantization->extreme_outlier_percentage.value > 1);
    CHECK(told(layer) == "");
}

TEST_CASE("subnormal entries are told above one in a hundred")
{
    float_matrix w = gaussian(100, 100);
    for (std::size_t k = 0; k < 100; ++k)
        w.flat(k * 11) = 1e-40f;
    CHECK(told(layer_of("w", w)) == "");
    for (std::size_t k = 0; k < 101; ++k)
        w.flat(k * 11) = 1e-40f;
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "info subnormals");
    CHECK(health.findings[0].message == "subnormal entries: 1.01 % > 1 %");
}

TEST_CASE("more than half zeros is told, and whether 2:4 kernels fit")
{
    float_matrix w = gaussian(100, 100);
    for (std::size_t k = 0; k < w.size(); ++k)
        if (k % 4 != 1)
            w.flat(k) = 0;
    health_result health = judge(made_up::scan_of({layer_of("w", w)}), {detail::sparse_rule()});
    CHECK(told(health) == "info sparse");
    CHECK(health.findings[0].message == "zeros: 75 % > 50 %");
    CHECK(health.findings[0].remedy == "Use 2:4 sparse kernels, which its pattern fits, or a sparse format.");

    w = gaussian(100, 100);
    random_stream random(3);
    for (float& x : w)
        x = random.uniform() < 0.6 ? 0 : x;
    health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "info sparse");
    CHECK(health.findings[0].remedy == "Store it in a sparse format; its pattern does not fit 2:4 kernels.");
}

TEST_CASE("a wide range that INT8 stands is worth a note")
{
    layer_result layer = layer_of("w", gaussian(100, 100));
    layer.quantization->dynamic_range = 101;
    const health_result health = judge(made_up::scan_of({layer}));
    CHECK(told(health) == "info dynamic_range");
    CHECK(health.findings[0].message == "largest weight / mean magnitude: 101 > 100");
    layer.quantization->dynamic_range = 100;
    CHECK(told(layer) == "");
}

TEST_CASE("weights next to zero are told above a tenth, unless the tensor is small throughout")
{
    float_matrix w = gaussian(100, 100);
    for (std::size_t k = 0; k < 1100; ++k)
        w.flat(k * 9) = 1e-7f;
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}), {detail::near_zero_rule()});
    CHECK(told(health) == "info near_zero");
    CHECK(health.findings[0].message == "weights at most 1e-6 that are not 0: 11 % > 10 %");
    w *= 1e-5f;
    CHECK(told(judge(made_up::scan_of({layer_of("w", w)}), {detail::near_zero_rule()})) == "");
}

TEST_CASE("a 2:4 or 4:8 pattern is told")
{
    float_matrix two = gaussian(100, 128), four = gaussian(100, 128), none = gaussian(100, 128);
    for (std::size_t k = 0; k < two.size(); ++k) {
        const std::size_t column = k % 128, row = k / 128;  // no column is zero throughout
        if (column % 4 == row % 4 || column % 4 == (row + 1) % 4)
            two.flat(k) = 0;
        if (column % 8 < 4 ? row % 2 == 0 : row % 2 == 1)
            four.flat(k) = 0;
        if (k % 100 < 49)
            none.flat(k) = 0;
    }
    const auto told_of = [](const float_matrix& w) { return told(judge(made_up::scan_of({layer_of("w", w)}), {detail::n_m_sparsity_rule()})); };
    CHECK(told_of(two) == "info n_m_sparsity");
    CHECK(told_of(four) == "info n_m_sparsity");
    CHECK(told_of(none) == "");
    CHECK(told(layer_of("w", two)) == "info n_m_sparsity");
}
