#include <cstddef>
#include <limits>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/integrity_rules.hpp>
#include <weightscope/report/judge.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::float_matrix;
using made_up::gaussian;
using made_up::layer_of;
using made_up::told;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity();

made_up::float_vector filled(std::size_t size, float value)
{
    made_up::float_vector v = xt::empty<float>({size});
    v.fill(value);
    return v;
}

}  // namespace

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

TEST_CASE("shards that are missing or damaged are critical, and the first is named")
{
    scan_result scan = made_up::scan_of({layer_of("w", gaussian(40, 30))});
    CHECK(told(judge(scan)) == "");
    scan.model.lost_shards = {"'2.safetensors' is not there"};
    health_result health = judge(scan);
    CHECK(told(health) == "critical lost_shards");
    CHECK(health.findings[0].layer == "");
    CHECK(health.findings[0].message == "'2.safetensors' is not there");
    CHECK(health.score == 39);
    scan.model.lost_shards.insert(scan.model.lost_shards.begin(), {"a", "b"});
    health = judge(scan);
    CHECK(health.findings[0].message == "a (and 2 more shards)");
    CHECK(health.findings[0].value == 3);
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
        return made_up::scan_of({layer_of("h.0.attn.weight", gaussian(30, 40)),
                                 layer_of("h.0.attn.bias", filled(30, -0.0f)),
                                 layer_of("h.0.norm.weight", filled(40, 1)), layer_of("h.0.mlp.b", filled(40, bias)),
                                 layer_of("h.0.norm2.w", filled(40, gain))});
    };
    const health_result health = judge(model(0, 1));
    CHECK(told(health) == "critical untrained");
    CHECK(health.score == 39);  // such a model is of no use to anybody
    CHECK(health.recommendation == "do not deploy");
    CHECK(health.limited_by == "untrained");
    CHECK(health.findings[0].layer == "");
    CHECK(health.findings[0].message == "biases still 0 and norm gains still 1: 100 % >= 100 %");
    CHECK(told(judge(model(1e-5f, 1))) == "");
    CHECK(told(judge(model(0, 1.0001f))) == "");
}

TEST_CASE("one bias or one gain alone does not make a model look untrained")
{
    CHECK(told(judge(made_up::scan_of({layer_of("a.bias", filled(30, 0)), layer_of("b.bias", filled(30, 0)),
                                       layer_of("n.weight", filled(30, 1))})))
          == "");
    CHECK(told(judge(made_up::scan_of({layer_of("a.weight", filled(30, 1)), layer_of("b.weight", filled(30, 1))})))
          == "");
}

TEST_CASE("a weight with one bit of its exponent set is suspected, with the value that it had")
{
    float_matrix w = gaussian(100, 100);
    w(3, 4) = 0x1p123f;  // 2^-5, exponent field 122 = 0b01111010, with bit 7 set
    const health_result health = judge(made_up::scan_of({layer_of("w", w)}));
    CHECK(told(health) == "critical bit_flips");
    CHECK(health.findings[0].message.starts_with("1 weight stands apart: element 304 is 1.063e+37, the largest other one 0.0"));
    CHECK(health.findings[0].message.ends_with("; with bit 7 of its exponent cleared it is 0.03125"));
    CHECK(health.score == 79);

    w(3, 4) = 32;  // exponent field 132 = 0b10000100: no bit of it brings 32 to the size of the others, which are below 0.1
    CHECK(told(layer_of("w", w)) == "critical rounded_away");
}

TEST_CASE("scales that are 0 or not finite are told of the parts of quantized tensors, and of nothing else")
{
    layer_result scales{.name = "h.0.weight_scale", .shape = {40}, .dtype = "F16", .parameters = 40};
    scales.skipped = "holds codes or scales of 'h.0.weight', which is analysed";
    scales.census = value_census{.count = 40, .nan_count = 1, .positive_infinity_count = 1, .zero_count = 3};
    const layer_result healthy = layer_of("w", gaussian(40, 30));
    const health_result health = judge(made_up::scan_of({healthy, scales}));
    CHECK(told(health) == "warning bad_scales");
    CHECK(health.findings[0].message == "scales that are 0, NaN or infinite: 5 > 0");
    scales.census = value_census{.count = 40};
    CHECK(told(judge(made_up::scan_of({healthy, scales}))) == "");
    scales.name = "h.0.weight_packed";
    scales.census = value_census{.count = 40, .zero_count = 3};
    CHECK(told(judge(made_up::scan_of({healthy, scales}))) == "");
}
