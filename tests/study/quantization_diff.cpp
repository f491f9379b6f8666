#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/analyzers/compare_schemes.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/quantization_diff_console.hpp>
#include <weightscope/report/quantization_diff_csv.hpp>
#include <weightscope/report/quantization_diff_json.hpp>
#include <weightscope/study/quantization_diff.hpp>

#include "../catch.hpp"
#include "small_model.hpp"

using namespace weightscope;

namespace {

std::vector<scheme> named(const std::vector<std::string>& names)
{
    std::vector<scheme> schemes;
    for (const std::string& name : names)
        schemes.push_back(parse_scheme(name));
    return schemes;
}

}  // namespace

TEST_CASE("a diff of conventions is that of each layer, turned ones as they are quantized, and of all weights together")
{
    const auto w = random_normal<float>({20, 48}, {.seed = 1}), v = random_normal<float>({6, 30}, {.seed = 2, .std = 4});
    study_tests::model_in_memory m;
    const xt::xtensor<float, 2> turned = xt::transpose(w);
    m.add("h.0.mlp.c_fc.weight", turned).add("copy.weight", w).add("also.weight", w).add("v.weight", v).add("v.bias", random_normal<float>({6}, {.seed = 3}));
    (*m).architecture = "gpt2";
    const auto schemes = named({"int4-g16", "int4-g16-full", "int4-per-channel-asym"});
    const auto diff = study_quantization_diff(*m, schemes);
    REQUIRE(diff.layers.size() == 5);
    REQUIRE(diff.layers[0].layer.transposed);
    CHECK(diff.layers[4].layer.kept == "vector");
    CHECK(diff.layers[4].differences.empty());
    double signal = 0, first = 0, second = 0;
    std::size_t count = 0, differing = 0;
    for (const std::size_t layer : {0, 1, 2, 3}) {
        REQUIRE(diff.layers[layer].differences.size() == 2);
        for (std::size_t s = 1; s < 3; ++s) {
            const auto alone = layer < 3 ? compare_schemes(w, schemes[0], schemes[s]) : compare_schemes(v, schemes[0], schemes[s]);
            const scheme_difference& d = diff.layers[layer].differences[s - 1];
            CHECK(d.change_db.value == alone.change_db.value);
            CHECK(d.differing_count == alone.differing_count);
            CHECK(d.worst->group == alone.worst->group);
            if (s == 1 && layer != 2) {  // the third one is a copy of the second, and counts once
                signal += alone.signal, first += alone.first_squared_error, second += alone.second_squared_error;
                count += alone.weight_count, differing += alone.differing_count;
            }
        }
    }
    CHECK(diff.wholes[0].sqnr_db.value == Approx(10 * std::log10(signal / first)).epsilon(1e-12));
    CHECK(diff.wholes[1].change_db.value == Approx(10 * std::log10(first / second)).epsilon(1e-9));
    CHECK(diff.wholes[1].differing_fraction.value == Approx(static_cast<double>(differing) / static_cast<double>(count)).epsilon(1e-14));
    CHECK(diff.wholes[1].differing_layers == 3);
    CHECK(diff.wholes[1].reason == "codes -7 to 7 against -8 to 7; scale max|w| / 7 against max|w| / 7.5");
}

TEST_CASE("a diff needs two schemes that fit")
{
    auto m = study_tests::small_model();
    CHECK_THROWS_WITH(study_quantization_diff(*m, named({"int4-g16"})),
                      "weightscope::study_quantization_diff(model, schemes): 1 schemes are given, expected 2 or more");
    CHECK_THROWS_AS(study_quantization_diff(*m, named({"int4-g16", "int8-per-channel-axis2"})), std::invalid_argument);
    CHECK_THROWS_AS(study_quantization_diff(*m, named({"int4-g16", "int4-g32"}), {}, {}, [](const progress&) { return false; }), cancelled);
}

TEST_CASE("a diff is told on a console, as CSV and as JSON")
{
    study_tests::model_in_memory m;
    const xt::xtensor<float, 2> w = {{7, 1, 0, -3}, {0, 0, 0, 0}};
    m.add("a\x1b.weight", w).add("b.bias", random_normal<float>({4}, {.seed = 3}));
    (*m).path = "model.safetensors";
    const auto diff = study_quantization_diff(*m, named({"int4-per-channel", "int4-per-channel-full"}));

    const std::string text = to_console(diff, {.width = 160});
    for (const char* part : {"1 layer under 2 schemes", "int4-per-channel-sym", "exact", "37.5 %", "codes -7 to 7 against -8 to 7; scale max|w| / 7 against max|w| / 7.5",
                             "7 at 0", "6.5333", "1 of 2"})
        CHECK_THAT(text, Catch::Matchers::ContainsSubstring(part));
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK_THROWS_WITH(to_console(diff, {.width = 20}), "weightscope::to_console(diff, options): options.width is 20, expected 60 to 200");

    std::istringstream lines(to_csv(diff));
    std::vector<std::string> rows;
    for (std::string line; std::getline(lines, line);)
        rows.push_back(line);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].starts_with("layer,shape,dtype,kept,first_scheme,second_scheme,first_sqnr_db,second_sqnr_db,change_db,differing_values,"));
    CHECK(rows[1].find(",2x4,F32,,int4-per-channel-sym,int4-per-channel-full,,") != std::string::npos);
    CHECK(rows[2] == "b.bias,4,F32,vector,int4-per-channel-sym,,,,,,,,,,,,,,,");
    for (const std::string& row : rows)
        CHECK(std::count(row.begin(), row.end(), ',') == 19);

    const auto document = to_json(diff);
    CHECK(document["schema"] == "weightscope/quantize_diff/1");
    CHECK(document["schemes"][0]["reason"].is_null());
    CHECK(document["schemes"][1]["differing_fraction"] == 0.375);
    const auto& difference = document["layers"].begin().value()["differences"][0];
    CHECK(difference["first_sqnr_db"].is_null());
    CHECK(difference["first_sqnr_db_reason"] == "exact");
    CHECK(difference["worst_group"]["weight"] == 7.0);
    CHECK(difference["first_groups"].size() == 1);
    CHECK(document["layers"]["b.bias"]["kept"] == "vector");
}
