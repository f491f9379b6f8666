#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <weightscope/report/judge.hpp>
#include <weightscope/report/rules.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;
using made_up::float_matrix;
using made_up::told;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();

made_up::float_vector filled(std::size_t size, float value)
{
    made_up::float_vector v = xt::empty<float>({size});
    v.fill(value);
    return v;
}

}  // namespace

TEST_CASE("nothing is found in Gaussian matrices of any shape")
{
    std::uint64_t seed = 0;
    for (const auto& [rows, cols] : {std::pair{1, 1}, {1, 7}, {7, 1}, {2, 2}, {3, 3}, {4, 4}, {2, 500}, {500, 2}, {32, 32}, {64, 65}, {100, 100}, {40, 300},
                                     {300, 40}, {128, 128}})
        for (const double std : {1.0, 0.02, 1e-4})
            for (int copy = 0; copy < 5; ++copy) {
                INFO(rows << " x " << cols << ", std " << std << ", seed " << seed + 1);
                CHECK(told(layer_of("w", gaussian(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), ++seed, std))) == "");
            }
}

TEST_CASE("NaN and infinite entries are critical, counted, and nothing else is said about the layer")
{
    float_matrix w = gaussian(40, 30);
    w(3, 4) = not_a_number;
    w(5, 6) = infinity;
    w(7, 8) = -infinity;
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "critical nonfinite");
    CHECK(health.findings[0].message == "1 NaN and 2 infinite among 1,200 entries");
    CHECK(health.findings[0].value == 3);
    CHECK(told(layer_of("b", made_up::float_vector{1, not_a_number})) == "critical nonfinite");
}

TEST_CASE("a layer of NaN is not called dead")
{
    float_matrix w = gaussian(40, 30);
    for (std::size_t j = 0; j < 30; ++j)
        w(3, j) = not_a_number;
    CHECK(told(layer_of("w", w)) == "critical nonfinite");
    w.fill(not_a_number);
    CHECK(told(layer_of("w", w)) == "critical nonfinite");
}

TEST_CASE("an all-zero matrix is told once, an all-zero vector is fine")
{
    float_matrix w = gaussian(40, 30);
    w.fill(-0.0f);
    CHECK(told(layer_of("w", w)) == "critical all_zero");
    CHECK(told(layer_of("b", filled(30, 0))) == "");
}

TEST_CASE("a constant matrix is told once, a constant vector is fine")
{
    float_matrix w = gaussian(40, 30);
    w.fill(0.25f);
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "warning constant");
    CHECK(health.findings[0].message == "each of the 1,200 weights is 0.25");
    CHECK(told(layer_of("g", filled(30, 1))) == "");
}

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
    for (const auto& [rows, cols, kappa] : {std::tuple{768u, 3072u, 445.3}, {768u, 768u, 129498.6}, {50257u, 768u, 3843.9}, {768u, 768u, 4e6}}) {
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
    plant(1100);
    CHECK(told(layer_of("w", w)) == "critical outliers");
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
    CHECK(health.findings[0].remedy.starts_with("Quantize with one scale per row (measured: per row "));

    w = gaussian(200, 200);
    w(0, 0) = 7;  // scale 2.76 standard deviations: most others round to 0
    CHECK(told(layer_of("w", w)) == "critical quantization_sqnr");
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
    CHECK(health.findings[0].remedy.starts_with("Quantize with one scale per row (measured: per row "));
}

TEST_CASE("groups are advised where rows do not help, and 16 bits where nothing does")
{
    float_matrix w = gaussian(20, 4000);
    for (std::size_t i = 0; i < 20; ++i)
        w(i, i) = 3;  // crest of a row, as of the tensor: 3 / sqrt((3² + 4000 0.02²) / 4000) = 58: 17.6 dB
    layer_result layer = layer_of("w", w);
    health_result health = judge(made_up::scan_of({layer}));
    CHECK(told(health) == "warning quantization_sqnr");
    CHECK(health.findings[0].remedy.starts_with("Quantize with one scale per group of 128 (measured: per row 17."));

    layer.quantization->group_sqnr_db = 25;
    health = judge(made_up::scan_of({layer}));
    CHECK(health.findings[0].remedy.starts_with("Keep this layer in 16 bits, or clip its outliers first (measured: per row 17."));
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

TEST_CASE("a copy is told as one, with the bytes it costs, and its illness is not told twice")
{
    float_matrix w = gaussian(40, 30);
    w(0, 0) = not_a_number;
    layer_result first = layer_of("first", w, "BF16"), second = layer_of("second", w, "BF16");
    second.duplicate_of = "first";
    const health_result health = judge(made_up::scan_of({first, second}));
    CHECK(told(health) == "critical nonfinite, info tied_copy");
    CHECK(health.findings[1].layer == "second");
    CHECK(health.findings[1].message == "stored twice: equal to first; tying them would save 2,400 bytes");
    second.duplicate_of.clear();
    second.tied_to = "first";
    CHECK(told(judge(made_up::scan_of({first, second}))) == "critical nonfinite");
}

TEST_CASE("a copy has the score of its original")
{
    float_matrix w = gaussian(40, 30);
    w(0, 0) = not_a_number;
    layer_result first = layer_of("first", w), second = first;
    second.name = "second";
    second.tied_to = "first";
    const health_result health = judge(made_up::scan_of({first, second, layer_of("third", gaussian(40, 30))}));
    REQUIRE(health.layers.size() == 3);
    CHECK(health.layers[0].score == 39);
    CHECK(health.layers[1].score == 39);
    CHECK(health.layers[2].score == 100);
}

TEST_CASE("an unreadable tensor is critical and says why")
{
    layer_result layer{.name = "w", .shape = {40, 30}, .dtype = "F32", .parameters = 1200};
    layer.error = "model.safetensors: byte 17: data is missing";
    const health_result health = judge(made_up::scan_of({layer}));
    CHECK(told(health) == "critical unreadable");
    CHECK(health.findings[0].message == "model.safetensors: byte 17: data is missing");
    CHECK(health.score == 39);
}

TEST_CASE("a tensor without numbers is passed by")
{
    layer_result mask{.name = "mask", .shape = {40, 30}, .dtype = "BOOL", .parameters = 1200};
    mask.skipped = "BOOL has no numeric meaning";
    const layer_result none{.name = "none", .shape = {0, 30}, .dtype = "F32"};
    const health_result health = judge(made_up::scan_of({mask, none, layer_of("w", gaussian(40, 30))}));
    CHECK(told(health) == "");
    for (const rule_outcome& outcome : health.rules) {
        CHECK(outcome.judged_count <= 1);
        CHECK((outcome.missing_count == 0 || outcome.judged_by.id == "untrained"));
    }
}

TEST_CASE("a model without numbers is not called healthy")
{
    const layer_result none{.name = "none", .shape = {0, 30}, .dtype = "F32"};
    for (const scan_result& scan : {scan_result{}, made_up::scan_of({none})}) {
        const health_result health = judge(scan);
        CHECK(told(health) == "critical empty");
        CHECK(health.score == 39);
        CHECK(health.findings[0].message == "tensors with numbers: 0 <= 0");
    }
}

TEST_CASE("a model looks untrained where every bias is 0 and every norm gain 1")
{
    const auto model = [](float bias, float gain) {
        return made_up::scan_of({layer_of("h.0.attn.weight", gaussian(30, 40)), layer_of("h.0.attn.bias", filled(30, -0.0f)),
                                 layer_of("h.0.norm.weight", filled(40, 1)), layer_of("h.0.mlp.b", filled(40, bias)),
                                 layer_of("h.0.norm2.w", filled(40, gain))});
    };
    const health_result health = judge(model(0, 1));
    CHECK(told(health) == "warning untrained");
    CHECK(health.findings[0].layer == "");
    CHECK(health.findings[0].message == "biases still 0 and norm gains still 1: 100 % >= 100 %");
    CHECK(told(judge(model(1e-5f, 1))) == "");
    CHECK(told(judge(model(0, 1.0001f))) == "");
}

TEST_CASE("one bias or one gain alone does not make a model look untrained")
{
    CHECK(told(judge(made_up::scan_of({layer_of("a.bias", filled(30, 0)), layer_of("b.bias", filled(30, 0)), layer_of("n.weight", filled(30, 1))}))) == "");
    CHECK(told(judge(made_up::scan_of({layer_of("a.weight", filled(30, 1)), layer_of("b.weight", filled(30, 1))}))) == "");
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
        const bool spectral = outcome.judged_by.id == "low_rank" || outcome.judged_by.id == "unreadable" || outcome.judged_by.id == "empty";
        CHECK(outcome.judged_count == (spectral ? 1 : 0));
    }
    const auto missing = std::count_if(health.rules.begin(), health.rules.end(), [](const rule_outcome& o) { return o.missing_count > 0; });
    CHECK(missing == 10);  // nonfinite, all_zero, dead_rows and _columns, outliers, quantization_sqnr, rounded_away, subnormals, sparse, untrained
}
