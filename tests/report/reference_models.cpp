// The default rules on real models, by the figures in tests/reference.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/report/judge.hpp>

#include "../catch.hpp"
#include "gpt2_reference.hpp"
#include "made_up.hpp"

using namespace weightscope;

namespace {

// Figures are empty where they do not exist; a condition number beyond 1e12 says no more than that.
class reference_row
{
public:
    explicit reference_row(std::map<std::string, std::string> cells) : cells_(std::move(cells)) {}

    const std::string& text(const char* column) const { return cells_.at(column); }
    metric number(const char* column) const
    {
        return text(column).empty() ? metric::missing("not there") : metric(std::stod(text(column)));
    }
    std::size_t count(const char* column) const
    {
        return text(column).empty() ? 0 : static_cast<std::size_t>(std::stoull(text(column)));
    }
    metric percentage(const char* column, std::size_t of) const
    {
        return of ? metric(100 * static_cast<double>(count(column)) / static_cast<double>(of))
                  : metric::missing("none");
    }

private:
    std::map<std::string, std::string> cells_;
};

layer_result layer_of(const reference_row& row)
{
    layer_result layer{.name = row.text("name"), .dtype = row.text("dtype"), .parameters = row.count("count")};
    std::istringstream dimensions(row.text("shape"));
    for (std::string dimension; std::getline(dimensions, dimension, 'x');)
        if (!dimension.empty())
            layer.shape.push_back(std::stoul(dimension));
    const std::size_t finite = row.count("finite");
    layer.basic_stats = basic_stats_result{.census = {.count = row.count("count"),
                                                      .nan_count = row.count("nan"),
                                                      .positive_infinity_count = row.count("positive_inf"),
                                                      .negative_infinity_count = row.count("negative_inf"),
                                                      .subnormal_count = row.count("subnormal"),
                                                      .zero_count = row.count("zeros")},
                                           .min = row.number("min"),
                                           .max = row.number("max"),
                                           .zeros_percentage = row.percentage("zeros", finite)};
    const metric low = row.number("min"), high = row.number("max");
    const metric abs_max = low.exists() ? metric(std::max(std::fabs(low.value), std::fabs(high.value))) : low;
    layer.quantization = quantization_sensitivity_result{
        .extreme_outlier_percentage = row.percentage("outliers_3", finite),
        .quantization_scale = abs_max.exists() ? metric(abs_max.value / 127) : abs_max,
        .sqnr_db = row.number("sqnr_db"),
        .abs_max = abs_max,
        .per_channel_sqnr_db = row.number("channel_sqnr_db"),
        .group_sqnr_db = row.number("group_sqnr_db"),
        .gaussian_sqnr_db = finite ? metric(gaussian_sqnr_db(finite, 8)) : metric::missing("none")};
    layer.sparsity = sparsity_result{.magnitude_percentiles = {{10, row.number("abs_p10")},
                                                               {25, row.number("abs_p25")},
                                                               {50, row.number("abs_p50")},
                                                               {75, row.number("abs_p75")},
                                                               {90, row.number("abs_p90")}}};
    if (layer.shape.size() < 2)
        return layer;
    const std::size_t rows = row.count("rows"), cols = row.count("cols");
    layer.sparsity->structured_sparsity =
        structured_sparsity_result{.dead_rows = row.count("dead_rows"),
                                   .dead_columns = row.count("dead_columns"),
                                   .dead_rows_percentage = row.percentage("dead_rows", rows),
                                   .dead_columns_percentage = row.percentage("dead_columns", cols),
                                   .two_of_four_percentage = 0};
    const std::string& kappa = row.text("kappa");
    const metric at_least = kappa.empty() ? metric::missing("none") : metric(std::min(std::stod(kappa), 1e12));
    layer.spectral = spectral_result{
        .rows = rows,
        .cols = cols,
        .condition_number_at_least = at_least,
        .numerical_rank = row.number("numerical_rank"),
        .total_rank = std::min(rows, cols),
        .gaussian_condition_number = gaussian_condition_number(rows, cols),
        .condition_number_p_value =
            at_least.exists() ? metric(condition_number_p_value(at_least.value, rows, cols)) : at_least};
    return layer;
}

// "rule layer" of each finding but copies, which the figures do not tell
std::vector<std::string> told_about(const std::string& model)
{
    std::vector<layer_result> layers;
    for (auto& cells : gpt2_reference::read_csv(std::filesystem::path(__FILE__).parent_path().parent_path()
                                                / "reference" / (model + ".csv")))
        layers.push_back(layer_of(reference_row(std::move(cells))));
    REQUIRE(!layers.empty());
    std::vector<std::string> result;
    for (const finding& f : judge(made_up::scan_of(layers)).findings)
        result.push_back(f.layer.empty() ? f.rule_id : f.rule_id + " " + f.layer);
    return result;
}

using findings = std::vector<std::string>;

}  // namespace

TEST_CASE("healthy trained models have few findings, each of them true")
{
    CHECK(told_about("derived__llama2xs-f16") == findings{});
    CHECK(told_about("derived__llama2xs-bf16-sharded") == findings{});
    CHECK(told_about("derived__llama2xs-f32-with-tied-lm_head") == findings{});
    CHECK(told_about("JunSuzukiJapan__tl__recall_weights") == findings{});
    CHECK(told_about("ollama__ollama__adapters") == findings{});
    CHECK(told_about("quatricmorph__quatricmorph__tiny-llama-single__model") == findings{});
    // a Fourier basis with its zero rows and column, and convolutions with heavy tails
    CHECK(told_about("snakers4__silero-vad__silero_vad_16k")
          == findings{"dead_rows stft_conv.weight", "dead_columns stft_conv.weight", "outliers conv1.weight",
                      "outliers conv2.weight", "outliers conv3.weight", "outliers conv4.weight"});  // one scale per row repairs all
}

TEST_CASE("each illness of the sick sample is told once, and nothing else is")
{
    CHECK(told_about("sick_sample")
          == findings{"low_rank transformer.h.2.mlp.c_proj.weight", "nonfinite transformer.h.3.attn.c_attn.weight",
                      "outliers transformer.wpe.weight", "dead_rows transformer.h.0.mlp.c_fc.weight",
                      "near_singular transformer.h.1.attn.c_proj.weight"});
}

TEST_CASE("a model that was never trained is recognised")
{
    CHECK(told_about("JunSuzukiJapan__tl__model_2digit_latest") == findings{"untrained"});
}

TEST_CASE("every all-zero matrix of a stub is told, its norms of ones are not")
{
    const findings found = told_about("ollama__ollama__minicpm3-4b");
    CHECK(found.size() == 10);
    CHECK(std::all_of(found.begin(), found.end(), [](const std::string& f) { return f.starts_with("all_zero "); }));
}
