#include <stdexcept>
#include <string>

#include <weightscope/report/quantization_plan.hpp>

#include "../catch.hpp"
#include "gpt2_reference.hpp"
#include "made_up.hpp"

using namespace weightscope;

namespace {

layer_result quantized(const std::string& name, metric tensor, metric row, metric group)
{
    layer_result layer{.name = name, .shape = {10, 100}, .dtype = "F32", .parameters = 1000};
    layer.quantization =
        quantization_sensitivity_result{.sqnr_db = tensor, .per_channel_sqnr_db = row, .group_sqnr_db = group};
    return layer;
}

}  // namespace

TEST_CASE("the classic plan for GPT-2 has no INT8, 9 INT16 and 42 FP16 layers")
{
    const quantization_plan plan = recommend_quantization(gpt2_reference::scan(), classic_quantization_choices());
    CHECK(plan.layers.size() == 51);
    REQUIRE(plan.formats.size() == 3);
    CHECK(plan.formats[0].format == "int8");
    CHECK(plan.formats[0].layer_count == 0);
    CHECK(plan.formats[1].format == "int16");
    CHECK(plan.formats[1].layer_count == 9);
    CHECK(plan.formats[2].format == "fp16");
    CHECK(plan.formats[2].layer_count == 42);
}

TEST_CASE("the default plan takes the coarsest scale that reaches 30 dB")
{
    scan_result scan =
        made_up::scan_of({quantized("a", 30, 20, 20), quantized("b", 29.9, 31, 40), quantized("c", 10, 29, 33),
                          quantized("d", 10, 15, 29), quantized("e", metric::missing("exact"), 1, 1),
                          quantized("f", metric::missing("no finite entries"), 1, 1)});
    scan.layers.push_back({.name = "bias", .shape = {10}, .dtype = "F32", .parameters = 10});
    scan.layers.push_back({.name = "codes", .shape = {10, 10}, .dtype = "I8", .parameters = 100});
    const quantization_plan plan = recommend_quantization(scan);
    std::string formats;
    for (const planned_layer& layer : plan.layers)
        formats += layer.name + " " + layer.format + ", ";
    CHECK(formats == "a int8, b int8_per_row, c int8_g128, d 16bit, e int8, f 16bit, ");
    CHECK(plan.layers[0].reason == "30 dB or more with one scale per tensor");
    CHECK(plan.bits_per_weight.value == Approx((4 * 8 + 2 * 16) / 6.0));
}

TEST_CASE("the default plan speaks of the bits and groups that were measured")
{
    scan_result scan = made_up::scan_of({quantized("a", 10, 20, 31)});
    scan.settings.bits = 4;
    scan.settings.group_size = 32;
    CHECK(recommend_quantization(scan).layers[0].format == "int4_g32");
}

TEST_CASE("weights that are counted elsewhere count once in a plan")
{
    scan_result scan = made_up::scan_of({quantized("a", 31, 31, 31), quantized("b", 31, 31, 31)});
    scan.layers[1].tied_to = "a";
    const quantization_plan plan = recommend_quantization(scan);
    CHECK(plan.formats[0].layer_count == 2);
    CHECK(plan.formats[0].parameters == 1000);
    CHECK(recommend_quantization(made_up::scan_of({})).bits_per_weight.reason == "no matrices");
}

TEST_CASE("a table of choices that leaves layers over is refused")
{
    auto choices = classic_quantization_choices();
    choices.pop_back();
    CHECK_THROWS_WITH(recommend_quantization(scan_result{}, choices),
                      "weightscope::recommend_quantization(scan, choices): the last choice has to take what is left, "
                      "without `suits`");
    CHECK_THROWS_AS(recommend_quantization(scan_result{}, {}), std::invalid_argument);
}

TEST_CASE("a layer that was not measured keeps 16 bits")
{
    const layer_result bare{.name = "w", .shape = {10, 10}, .dtype = "F32", .parameters = 100};
    CHECK(recommend_quantization(made_up::scan_of({bare})).layers[0].format == "16bit");
    CHECK(recommend_quantization(made_up::scan_of({bare}), classic_quantization_choices()).layers[0].format == "fp16");
}
