// The scan of real files, and of the sample that the project writes itself, against what numpy finds in float64 on the same bytes
// (tests/reference).

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <weightscope/io/open_model.hpp>
#include <weightscope/scope.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

using row = std::map<std::string, std::string>;

std::vector<row> read_csv(const std::filesystem::path& path)
{
    std::ifstream file(path);
    REQUIRE(file);
    const auto split = [](const std::string& line) {
        std::vector<std::string> fields;
        std::istringstream stream(line + ",");
        for (std::string field; std::getline(stream, field, ',');)
            fields.push_back(field);
        return fields;
    };
    std::string line;
    std::getline(file, line);
    const auto names = split(line);
    std::vector<row> rows;
    while (std::getline(file, line)) {
        const auto fields = split(line);
        REQUIRE(fields.size() == names.size());
        row entry;
        for (std::size_t i = 0; i < names.size(); ++i)
            entry[names[i]] = fields[i];
        rows.push_back(std::move(entry));
    }
    return rows;
}

bool given(const row& expected, const char* column)
{
    const auto found = expected.find(column);
    return found != expected.end() && !found->second.empty();
}

double number(const row& expected, const char* column) { return std::strtod(expected.at(column).c_str(), nullptr); }

// An empty field of the reference is a value that does not exist.
void check(const row& expected, const char* column, const metric& found, double margin)
{
    if (!given(expected, column))
        return;
    INFO(column << " is " << found.value << " " << found.reason << ", numpy says " << expected.at(column));
    REQUIRE(found.exists());
    CHECK(std::fabs(found.value - number(expected, column)) <= margin);
}

void check_count(const row& expected, const char* column, std::size_t found)
{
    if (!given(expected, column))
        return;
    INFO(column);
    CHECK(found == static_cast<std::size_t>(number(expected, column)));
}

double relative(const row& expected, const char* column, double tolerance)
{
    return given(expected, column) ? tolerance * std::fabs(number(expected, column)) : 0;
}

void check_elements(const row& expected, const layer_result& layer)
{
    if (!given(expected, "count"))
        return;
    const auto& stats = *layer.basic_stats;
    const value_census& census = stats.census;
    check_count(expected, "count", census.count);
    check_count(expected, "finite", census.finite_count());
    check_count(expected, "nan", census.nan_count);
    check_count(expected, "positive_inf", census.positive_infinity_count);
    check_count(expected, "negative_inf", census.negative_infinity_count);
    check_count(expected, "subnormal", census.subnormal_count);
    check_count(expected, "zeros", census.zero_count);
    check_count(expected, "negative_zeros", census.negative_zero_count);
    if (census.finite_count() == 0)
        return;

    const double rms = stats.l2_norm.exists() ? stats.l2_norm.value / std::sqrt(static_cast<double>(census.finite_count())) : 0;
    check(expected, "mean", stats.mean, 1e-9 * rms);
    check(expected, "std", stats.std, 1e-9 * rms);
    check(expected, "min", stats.min, 0);
    check(expected, "max", stats.max, 0);
    check(expected, "l2_norm", stats.l2_norm, relative(expected, "l2_norm", 1e-12));
    if (given(expected, "std") && number(expected, "std") > 0) {  // a skewness near 0 is a difference of large sums
        check(expected, "skewness", stats.skewness, 1e-9 + relative(expected, "skewness", 1e-9));
        check(expected, "excess_kurtosis", stats.kurtosis, 1e-9 + relative(expected, "excess_kurtosis", 1e-9));
    }

    const auto& sparsity = *layer.sparsity;
    const char* percentiles[] = {"abs_p10", "abs_p25", "abs_p50", "abs_p75", "abs_p90"};
    for (std::size_t i = 0; i < std::size(percentiles); ++i)
        check(expected, percentiles[i], sparsity.magnitude_percentiles[i].value, relative(expected, percentiles[i], 1e-12));
    check(expected, "mean_abs", sparsity.mean_abs_weight, relative(expected, "mean_abs", 1e-12));
    const char* thresholds[] = {"count_le_0", "count_le_1e-06", "count_le_0.0001", "count_le_0.01"};
    for (std::size_t i = 0; i < std::size(thresholds); ++i)
        check_count(expected, thresholds[i], sparsity.sparsity_levels[i].count);
    if (sparsity.structured_sparsity) {
        check_count(expected, "dead_rows", sparsity.structured_sparsity->dead_rows);
        check_count(expected, "dead_columns", sparsity.structured_sparsity->dead_columns);
        if (given(expected, "share_2_4"))
            CHECK(sparsity.structured_sparsity->two_of_four_percentage.value == Approx(100 * number(expected, "share_2_4")));
        if (given(expected, "share_4_8"))
            CHECK(sparsity.structured_sparsity->four_of_eight_percentage.value == Approx(100 * number(expected, "share_4_8")));
    }

    const auto& quantization = *layer.quantization;
    check_count(expected, "outliers_1_5", quantization.outlier_count);
    check_count(expected, "outliers_3", quantization.extreme_outlier_count);
    const auto check_db = [&](const char* column, const metric& found) {
        if (given(expected, column) && number(expected, column) > 250)
            CHECK((found.reason == "exact" || found.value > 250));  // what is left is the rounding of double
        else
            check(expected, column, found, 0.001);
    };
    check_db("sqnr_db", quantization.sqnr_db);
    check_db("channel_sqnr_db", quantization.per_channel_sqnr_db);
    check_db("group_sqnr_db", quantization.group_sqnr_db);
    if (!given(expected, "sqnr_db") || number(expected, "sqnr_db") > 250)
        return;
    check(expected, "mse", quantization.quantization_mse, relative(expected, "mse", 1e-9));
    check(expected, "mae", quantization.quantization_mae, relative(expected, "mae", 1e-9));
    check(expected, "cosine", quantization.cosine_similarity, 1e-12);
}

void check_spectrum(const row& expected, const layer_result& layer)
{
    if (!given(expected, "sigma_max"))
        return;
    REQUIRE(layer.spectral);
    const spectral_result& spectral = *layer.spectral;
    check(expected, "sigma_max", spectral.max_singular_value, relative(expected, "sigma_max", 1e-9));
    check(expected, "stable_rank", spectral.stable_rank, relative(expected, "stable_rank", 1e-9));
    check(expected, "deflated_stable_rank", spectral.deflated_stable_rank, relative(expected, "deflated_stable_rank", 1e-9));
    check(expected, "entropy_rank", spectral.entropy_rank, relative(expected, "entropy_rank", 1e-6));
    check(expected, "effective_rank", spectral.effective_rank, 0);
    check(expected, "numerical_rank", spectral.numerical_rank, 0);
    // where all values are equal the energy ranks hang on the last bit
    for (const auto& [column, rank] : {std::pair{"rank_90", &spectral.rank_90_energy}, {"rank_95", &spectral.rank_95_energy}, {"rank_99", &spectral.rank_99_energy}})
        check(expected, column, *rank, 1);
    if (!given(expected, "sigma_min"))
        return;
    const double largest = number(expected, "sigma_max"), smallest = number(expected, "sigma_min");
    const auto& values = spectral.singular_values;
    if (!values.values.empty()) {
        CHECK(std::fabs(values.values.back() - smallest) <= values.half_widths.back() + 1e-14 * largest);  // numpy's own error
        if (smallest > 0 && largest / smallest < 1e9) {
            REQUIRE(spectral.condition_number.exists());
            CHECK(spectral.condition_number.value == Approx(largest / smallest).epsilon(1e-6));
        }
    }
    if (!spectral.condition_number.exists() && largest > 0)
        CHECK(spectral.condition_number_at_least.value <= (smallest > 0 ? largest / smallest : INFINITY) * (1 + 1e-6));
}

void check_model(const std::filesystem::path& model_path, const std::string& reference)
{
    const scan_result result = scan(open_model(model_path.string()));
    std::map<std::string, const layer_result*> layers;
    for (const layer_result& layer : result.layers)
        layers[layer.name] = &layer;
    const auto rows = read_csv(std::filesystem::path(__FILE__).parent_path() / "../reference" / (reference + ".csv"));
    CHECK(rows.size() > 0);
    for (const row& expected : rows) {
        INFO(reference << ", " << expected.at("name"));
        REQUIRE(layers.count(expected.at("name")));
        const layer_result& layer = *layers[expected.at("name")];
        CHECK(layer.error == "");
        check_elements(expected, layer);
        check_spectrum(expected, layer);
    }
}

}  // namespace

TEST_CASE("a scan of the sample model finds what numpy finds")
{
    const char* sample = std::getenv("WEIGHTSCOPE_SICK_SAMPLE");
    if (!sample) {
        WARN("skipped: WEIGHTSCOPE_SICK_SAMPLE does not name the sample model");
        return;
    }
    check_model(sample, "sick_sample");
}

TEST_CASE("a scan of real models finds what numpy finds")
{
    const char* folder = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    if (!folder) {
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS does not name a folder of models");
        return;
    }
    const std::filesystem::path models(folder);
    for (const char* name : {"JunSuzukiJapan__tl__model_2digit_latest", "JunSuzukiJapan__tl__recall_weights", "derived__llama2xs-f16",
                             "derived__llama2xs-f32-with-tied-lm_head", "intel__auto-round__hadamards", "ollama__ollama__adapters",
                             "ollama__ollama__minicpm3-4b", "quatricmorph__quatricmorph__tiny-llama-single__model",
                             "snakers4__silero-vad__silero_vad_16k"})
        check_model(models / (std::string(name) + ".safetensors"), name);
    for (const char* name : {"BrandonKi__mnist-in-factorio__model", "derived__lenet-qdq-int8-uint8-int4", "microsoft__Windows-Machine-Learning__SqueezeNet_fp16"})
        check_model(models / (std::string(name) + ".onnx"), name);
    check_model(models / "derived__llama2xs-bf16-sharded", "derived__llama2xs-bf16-sharded");
    check_model(models / "malformed/st_nan_inf_subnormal_ok.safetensors", "st_nan_inf_subnormal_ok");
}
