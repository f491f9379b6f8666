#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/element_fields.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/rules.hpp>

#include "../catch.hpp"
#include "made_up.hpp"
#include "schema_check.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;
using nlohmann::ordered_json;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

ordered_json document_of(const scan_result& scan)
{
    return ordered_json::parse(to_text(to_json(scan, judge(scan))));
}

ordered_json layer_json(const layer_result& layer)
{
    return document_of(made_up::scan_of({layer}))["layers"][layer.name];
}

std::vector<std::string> keys(const ordered_json& object)
{
    std::vector<std::string> result;
    for (const auto& [key, value] : object.items())
        result.push_back(key);
    return result;
}

// Every null has a reason beside it, and every reason a null.
void check_reasons(const ordered_json& value)
{
    if (value.is_object())
        for (const auto& [key, part] : value.items()) {
            INFO(key);
            if (part.is_null() && key != "info" && key != "warning" && key != "critical" && key != "layer")
                CHECK(value.contains(key + "_reason"));
            if (key.ends_with("_reason"))
                CHECK(value.at(key.substr(0, key.size() - 7)).is_null());
        }
    if (value.is_structured())
        for (const auto& part : value)
            check_reasons(part);
}

std::vector<layer_result> all_kinds()
{
    made_up::float_matrix broken = gaussian(20, 30), zero = gaussian(20, 30), constant = gaussian(20, 30),
                          singular = gaussian(20, 30);
    broken(0, 0) = not_a_number;
    zero.fill(0);
    constant.fill(0.5f);
    for (std::size_t j = 0; j < 30; ++j)
        singular(3, j) = singular(7, j);
    layer_result lost{.name = "lost", .shape = {20, 30}, .dtype = "F32", .parameters = 600};
    lost.error = "byte 17: data is missing";
    layer_result mask{.name = "mask", .shape = {20, 30}, .dtype = "BOOL", .parameters = 600};
    mask.skipped = "BOOL has no numeric meaning";
    layer_result tied = layer_of("tied", gaussian(20, 30)), twin = layer_of("twin", gaussian(20, 30));
    tied.tied_to = "healthy";
    twin.duplicate_of = "healthy";
    xt::xtensor<float, 0> scalar(2.0f);
    xt::xtensor<float, 2> empty = xt::zeros<float>({0, 30});
    xt::xtensor<float, 4> convolution = xt::ones<float>({2, 3, 4, 5});
    layer_result nan_only = layer_of("nan", made_up::float_vector{not_a_number});
    return {layer_of("healthy", gaussian(20, 30)),
            layer_of("broken", broken),
            layer_of("zero", zero),
            layer_of("constant", constant),
            layer_of("singular", singular),
            layer_of("scalar", scalar),
            layer_of("empty", empty),
            layer_of("convolution", convolution),
            layer_of("bias", made_up::float_vector{1, 2}),
            lost,
            mask,
            tied,
            twin,
            nan_only};
}

}  // namespace

TEST_CASE("the field names of the four methods are those that scripts know, and stand first")
{
    const ordered_json layer = layer_json(layer_of("w", gaussian(20, 30)));
    CHECK(keys(layer)
          == std::vector<std::string>{"shape", "dtype", "parameters", "transposed", "basic_stats", "spectral",
                                      "quantization", "sparsity"});
    const auto starts_with = [](const ordered_json& object, const std::vector<std::string>& names) {
        auto found = keys(object);
        found.resize(names.size());
        CHECK(found == names);
    };
    starts_with(layer["basic_stats"], {"mean", "std", "min", "max", "l2_norm", "zeros_percentage"});
    starts_with(layer["spectral"], {"max_singular_value", "min_singular_value", "condition_number", "stable_rank",
                                    "effective_rank", "total_rank", "top_singular_values", "singular_value_ratio"});
    starts_with(layer["quantization"],
                {"outlier_percentage", "extreme_outlier_percentage", "outlier_count", "extreme_outlier_count", "bits",
                 "quantization_scale", "quantization_mse", "quantization_mae", "cosine_similarity", "sqnr_db",
                 "abs_max", "dynamic_range"});
    CHECK(keys(layer["sparsity"])
          == std::vector<std::string>{"sparsity_levels", "structured_sparsity", "magnitude_percentiles",
                                      "mean_abs_weight", "median_abs_weight"});
    CHECK(keys(layer["sparsity"]["sparsity_levels"])
          == std::vector<std::string>{"threshold_0.0", "threshold_1e-06", "threshold_0.0001", "threshold_0.01"});
    starts_with(layer["sparsity"]["structured_sparsity"],
                {"dead_rows", "dead_rows_percentage", "dead_columns", "dead_columns_percentage"});
    CHECK(keys(layer["sparsity"]["magnitude_percentiles"])
          == std::vector<std::string>{"p10", "p25", "p50", "p75", "p90"});
}

TEST_CASE("thresholds are spelled as Python spells them")
{
    // [repr(x) for x in (0.0, 1e-6, 1e-4, 0.01, 1e-5, 1.0, 100.0, 0.1, 1e15, 1e16, 1.5e-7, 123456.789, 1e22, 5e-324)]
    const std::vector<std::pair<double, std::string>> known = {
        {0.0, "0.0"},    {1e-6, "1e-06"},     {1e-4, "0.0001"},
        {0.01, "0.01"},  {1e-5, "1e-05"},     {1, "1.0"},
        {100, "100.0"},  {0.1, "0.1"},        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"}, {1.5e-7, "1.5e-07"}, {123456.789, "123456.789"},
        {1e22, "1e+22"}, {5e-324, "5e-324"}};
    for (const auto& [value, text] : known)
        CHECK(detail::python_repr(value) == text);
}

TEST_CASE("counts and ranks are whole numbers, figures read back to the same bits")
{
    const layer_result result = layer_of("w", gaussian(20, 30));
    const ordered_json layer = layer_json(result);
    CHECK(layer["shape"] == ordered_json({20, 30}));
    CHECK(layer["parameters"].is_number_unsigned());
    for (const char* rank : {"effective_rank", "total_rank", "numerical_rank", "rank_90_energy", "rank_95_energy",
                             "rank_99_energy", "rows", "columns"})
        CHECK(layer["spectral"][rank].is_number_integer());
    CHECK(layer["spectral"]["numerical_rank"] == 20);
    CHECK(layer["basic_stats"]["mean"].get<double>() == result.basic_stats->mean.value);
    CHECK(layer["spectral"]["condition_number"].get<double>() == result.spectral->condition_number.value);
    CHECK(layer["spectral"]["top_singular_values"].get<std::vector<double>>() == result.spectral->top_singular_values);
    CHECK(layer["basic_stats"]["histogram"]["edges"].get<std::vector<double>>() == result.basic_stats->histogram.edges);
    CHECK(layer["basic_stats"]["histogram"]["counts"].get<std::vector<std::uint64_t>>()
          == result.basic_stats->histogram.counts);
}

TEST_CASE("heavy tails and bulks stand in the spectrum, the census beside it where there are no statistics")
{
    layer_result result = layer_of("w", gaussian(20, 30));
    const ordered_json spectral = layer_json(result)["spectral"];
    const heavy_tail_result& tail = *result.spectral->heavy_tail;
    CHECK(spectral["heavy_tail"]["alpha"].get<double>() == tail.fit.alpha.value);
    CHECK(spectral["heavy_tail"]["alpha_error"].get<double>() == tail.fit.alpha_error.value);
    CHECK(spectral["heavy_tail"]["tail_count"] == tail.fit.tail_count);
    CHECK(spectral["heavy_tail"]["log_alpha_norm"].get<double>() == tail.log_alpha_norm.value);
    CHECK(spectral["marchenko_pastur"]["fitted"]["spike_count"].is_number_integer());
    CHECK(spectral["marchenko_pastur"]["elements"]["bulk_max"].get<double>() == result.spectral->marchenko_pastur->elements.bulk_max.value);
    result.census = result.basic_stats->census;
    CHECK(!layer_json(result).contains("census"));
    result.basic_stats.reset();
    CHECK(keys(layer_json(result)["census"]) == std::vector<std::string>{"count", "finite_count", "nan_count", "inf_count", "positive_inf_count",
                                                                          "negative_inf_count", "subnormal_count", "zero_count", "negative_zero_count"});
    CHECK(layer_json(layer_of("w", gaussian(5, 5)))["spectral"]["heavy_tail"]["alpha_reason"] == "too few values");
}

TEST_CASE("a number that does not exist is null and has a reason")
{
    made_up::float_matrix w = gaussian(20, 30);
    w(0, 0) = not_a_number;
    w(0, 1) = std::numeric_limits<float>::infinity();
    const ordered_json layer = layer_json(layer_of("w", w));
    CHECK(layer["basic_stats"]["nan_count"] == 1);
    CHECK(layer["basic_stats"]["inf_count"] == 1);
    CHECK(layer["basic_stats"]["positive_inf_count"] == 1);
    CHECK(layer["basic_stats"]["negative_inf_count"] == 0);
    CHECK(layer["basic_stats"]["mean"].is_number());
    CHECK(layer["spectral"]["condition_number"].is_null());
    CHECK(layer["spectral"]["condition_number_reason"] == "entries that are not finite");
    CHECK(layer["spectral"]["gaussian_condition_number_reason"] == "entries that are not finite");
    w.fill(0.25f);
    CHECK(layer_json(layer_of("w", w))["quantization"]["sqnr_db_reason"] == "exact");
}

TEST_CASE("vectors have no spectrum and an empty structured sparsity")
{
    const ordered_json layer = layer_json(layer_of("b", made_up::float_vector{1, 2}));
    CHECK(!layer.contains("spectral"));
    CHECK(layer["sparsity"]["structured_sparsity"] == ordered_json::object());
}

TEST_CASE("the document has its parts in order, and layers in model order")
{
    const ordered_json document = document_of(made_up::scan_of(
        {layer_of("z", gaussian(4, 4)), layer_of("a", gaussian(4, 4)), layer_of("m", gaussian(4, 4))}));
    CHECK(keys(document)
          == std::vector<std::string>{"schema", "version", "model", "settings", "environment", "seconds", "layers",
                                      "health"});
    CHECK(document["schema"] == "weightscope/scan/1");
    CHECK(document["version"] == std::string(version));
    CHECK(keys(document["layers"]) == std::vector<std::string>{"z", "a", "m"});
    CHECK(keys(document["health"]["layers"]) == std::vector<std::string>{"z", "a", "m"});
}

TEST_CASE("findings stand under their severity with value, threshold, baseline and remedy")
{
    made_up::float_matrix w = gaussian(100, 100);
    w(0, 0) = 2;
    const ordered_json health = document_of(made_up::scan_of({layer_of("w", w)}))["health"];
    CHECK(health["score"] == 97);
    CHECK(health["grade"] == "Excellent");
    CHECK(health["recommendation"] == "deploy");
    CHECK(!health.contains("limited_by"));
    CHECK(health["critical"].empty());
    CHECK(health["info"].empty());
    REQUIRE(health["warning"].size() == 1);
    const ordered_json& f = health["warning"][0];
    CHECK(f["rule"] == "quantization_sqnr");
    CHECK(f["layer"] == "w");
    CHECK(f["metric"] == "quantization.sqnr_db");
    CHECK(f["threshold"] == 20.0);
    CHECK(f["value"].get<double>() < 20);
    CHECK(f["baseline"].get<double>() > 40);
    CHECK(health["layers"]["w"]["score"] == 80);
    REQUIRE(health["rules"].size() == default_rules().size());
    CHECK(health["rules"][0]["id"] == "empty");
    CHECK(health["rules"][0]["comparison"] == "<=");
    CHECK(health["rules"][0]["critical"] == 0.0);
    CHECK(health["rules"][0]["warning"].is_null());
}

TEST_CASE("whatever a scan holds, the document is what the schema says and each null has its reason")
{
    scan_result scan = made_up::scan_of(all_kinds());
    scan.settings.include = {"a|b"};
    layer_result& healthy = scan.layers.front();
    healthy.census = healthy.basic_stats->census;
    healthy.basic_stats.reset();
    healthy.spectral = analyze_spectral(gaussian(20, 30), {.heavy_tail = heavy_tail_options{}, .marchenko_pastur = {{.shuffles = 1}}});
    const xt::xtensor<float, 4> convolution = xt::ones<float>({2, 3, 4, 5});
    healthy.tap_spectra = analyze_tap_spectra(convolution);
    healthy.convolution_norm = analyze_convolution_norm(convolution, {.input_size = 2});
    for (const auto& rules : {default_rules(), classic_rules(), std::vector<rule>{}}) {
        const std::string text = to_text(to_json(scan, judge(scan, rules)));
        CHECK(text.find("Infinity") == std::string::npos);
        CHECK(text.find(": NaN") == std::string::npos);
        CHECK(schema_check::fault_of(nlohmann::json::parse(text), "scan.schema.json") == "");
        check_reasons(ordered_json::parse(text));
    }
    CHECK(schema_check::fault_of(nlohmann::json::parse(to_text(to_json(scan_result{}, judge(scan_result{})))),
                                 "scan.schema.json")
          == "");
}

TEST_CASE("the schema refuses what it does not describe")
{
    const scan_result scan = made_up::scan_of({layer_of("w", gaussian(4, 4))});
    const auto fault_with = [&](const char* pointer, const nlohmann::json& value) {
        nlohmann::json document = nlohmann::json::parse(to_text(to_json(scan, judge(scan))));
        document[nlohmann::json::json_pointer(pointer)] = value;
        return schema_check::fault_of(document, "scan.schema.json");
    };
    CHECK(fault_with("/schema", "weightscope/scan/2") == "$.schema: expected \"weightscope/scan/1\"");
    CHECK(fault_with("/layers/w/basic_stats/mean", "0")
          == "$.layers.w.basic_stats.mean: type is string, expected [\"number\",\"null\"]");
    CHECK(fault_with("/layers/w/surprise", 1) == "$.layers.w: 'surprise' is unknown");
    CHECK(fault_with("/health/score", 101) == "$.health.score: 101 is above 100");
    CHECK(fault_with("/model", nlohmann::json::object()).find("$.model: lacks ") == 0);
}

TEST_CASE("hostile names are data in JSON")
{
    const std::vector<std::string> names = {"');alert(1)//<b>", "\x1b[2J\x1b[31m", "a\nb", std::string("nul\0l", 5),
                                            "\xff\xfe broken",  "\"quoted\\\"",    ""};
    std::vector<layer_result> layers;
    for (const std::string& name : names) {
        layers.push_back(layer_of(name, gaussian(4, 4)));
        layers.back().error = name + " is at fault";
    }
    const scan_result scan = made_up::scan_of(layers);
    const std::string text = to_text(to_json(scan, judge(scan)));
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(!find_invalid_utf8(text));
    const ordered_json document = ordered_json::parse(text);
    std::vector<std::string> expected = names;
    expected[4] = "\xef\xbf\xbd\xef\xbf\xbd broken";  // U+FFFD for each byte
    CHECK(keys(document["layers"]) == expected);
    CHECK(schema_check::fault_of(nlohmann::json::parse(text), "scan.schema.json") == "");
}

TEST_CASE("a name that comes twice keeps both layers")
{
    const ordered_json document = document_of(made_up::scan_of(
        {layer_of("w", gaussian(4, 4)), layer_of("w", gaussian(5, 5)), layer_of("w (2)", gaussian(6, 6))}));
    CHECK(keys(document["layers"]) == std::vector<std::string>{"w", "w (2)", "w (2) (2)"});
    CHECK(document["layers"]["w (2)"]["parameters"] == 25);
}
