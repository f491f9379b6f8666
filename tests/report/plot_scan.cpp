#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/plot_condition_heatmap.hpp>
#include <weightscope/report/plot_layer_comparison.hpp>
#include <weightscope/report/plot_layer_details.hpp>
#include <weightscope/report/plot_points.hpp>
#include <weightscope/report/plot_quantization_risk.hpp>
#include <weightscope/report/plot_rank_efficiency.hpp>
#include <weightscope/report/plot_scan.hpp>
#include <weightscope/report/plot_scores.hpp>
#include <weightscope/report/plot_training_evolution.hpp>
#include <weightscope/report/plot_weight_heatmap.hpp>

#include "../catch.hpp"
#include "made_up.hpp"
#include "svg_check.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;

namespace {

const std::string hostile = "');alert(1)//<b>";

// Healthy matrices and six sick ones.
const std::vector<layer_result>& sample_layers()
{
    static const std::vector<layer_result> layers = [] {
        auto dead = gaussian(24, 48), low = gaussian(24, 24), broken = gaussian(24, 24), zero = gaussian(24, 24), outlier = gaussian(24, 24);
        for (std::size_t j = 0; j < 48; ++j)
            dead(2, j) = 0;
        for (std::size_t i = 3; i < 24; ++i)
            for (std::size_t j = 0; j < 24; ++j)
                low(i, j) = low(i % 3, j);
        broken(0, 0) = std::numeric_limits<float>::quiet_NaN();
        zero.fill(0);
        outlier(3, 5) = 4;
        return std::vector<layer_result>{layer_of("healthy", gaussian(24, 48, 7)), layer_of("dead", dead),     layer_of("low", low), layer_of("broken", broken),
                                         layer_of("zero", zero),                   layer_of("outlier", outlier)};
    }();
    return layers;
}

// A model of so many layers in the manner of LLaMA; every tenth is sick.
scan_result scan_with(std::size_t count)
{
    const std::vector<std::string> roles = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"};
    std::vector<layer_result> layers;
    for (std::size_t i = 0; i < count; ++i) {
        layers.push_back(sample_layers()[i % 10 == 3 ? 1 + i / 10 % 5 : 0]);
        layers.back().name = i == 0 ? "model.embed_tokens.weight" : fmt::format("model.layers.{}.{}.weight", (i - 1) / roles.size(), roles[(i - 1) % roles.size()]);
    }
    return made_up::scan_of(std::move(layers));
}

// the rows of a table as lists of cells; there are no quoted line breaks in these
std::vector<std::vector<std::string>> rows_of(const std::string& csv)
{
    std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
    bool quoted = false;
    for (std::size_t i = 0; i < csv.size(); ++i) {
        if (csv[i] == '"') {
            if (quoted && i + 1 < csv.size() && csv[i + 1] == '"')
                rows.back().back() += csv[++i];
            else
                quoted = !quoted;
        } else if (csv[i] == ',' && !quoted)
            rows.back().emplace_back();
        else if (csv[i] == '\n' && !quoted)
            rows.emplace_back(1);
        else
            rows.back().back() += csv[i];
    }
    rows.pop_back();
    return rows;
}

double number(const std::string& cell)
{
    return cell.empty() ? std::numeric_limits<double>::quiet_NaN() : std::strtod(cell.c_str(), nullptr);
}

bool is_of(double cell, const metric& value)
{
    return value.exists() ? cell == value.value : std::isnan(cell);
}

// titles of marks that hold this text
std::size_t marks_with(const chart& c, const std::string& text)
{
    const auto elements = svg_check::parse(c.svg);
    return static_cast<std::size_t>(
        std::count_if(elements.begin(), elements.end(), [&](const auto& e) { return e.name != "svg" && e.title.find(text) != std::string::npos; }));
}

bool shows(const chart& c, const std::string& text)
{
    const auto elements = svg_check::parse(c.svg);
    return std::any_of(elements.begin(), elements.end(), [&](const auto& e) { return e.name == "text" && e.text.find(text) != std::string::npos; });
}

const chart& named(const std::vector<chart>& charts, const std::string& name)
{
    for (const chart& c : charts)
        if (c.name == name)
            return c;
    throw std::runtime_error("no chart " + name);
}

// every chart that there is, of a model of so many layers
std::vector<chart> all_charts(const scan_result& scan)
{
    auto charts = plot_scan(scan, judge(scan), {.detailed_layers = 5, .weight_heatmap = [](const layer_result& layer) -> std::optional<chart> {
                                return plot_weight_heatmap(gaussian(24, 48), layer.name);
                            }});
    scan_result other = scan;
    for (layer_result& layer : other.layers)
        if (layer.basic_stats && layer.basic_stats->l2_norm.exists())
            layer.basic_stats->l2_norm = 3 * layer.basic_stats->l2_norm.value;
    charts.push_back(plot_layer_comparison(scan, other, "before", hostile));
    charts.push_back(plot_training_evolution(std::vector<scan_step>{{"step-1", scan}, {hostile, other}, {"step-3", scan}}));
    group_scores_chart groups{.below = hostile};
    bit_map_chart bits{.below = hostile, .bits = {"sign", "exponent 0"}};
    std::vector<allocation_point> points;
    for (std::size_t i = 0; i < scan.layers.size(); ++i) {
        const auto x = static_cast<double>(i);
        groups.groups.push_back({scan.layers[i].name, x * x, i % 2 == 0});
        bits.layers.push_back(scan.layers[i].name);
        points.push_back({2 + 6 * std::fmod(x * 0.37, 1), std::exp(-x / 10), scan.layers[i].name, i == 1});
    }
    for (std::size_t i = 0; i < 2 * scan.layers.size(); ++i)
        bits.values.push_back(i % 5 == 0 ? std::numeric_limits<double>::quiet_NaN() : std::exp(static_cast<double>(i % 7)));
    charts.push_back(plot_group_scores(groups));
    charts.push_back(plot_bit_map(bits));
    charts.push_back(plot_allocation_front(points, hostile));
    return charts;
}

}  // namespace

TEST_CASE("charts of models of any size are well-formed, marks and texts lie inside, and no text over another")
{
    for (const std::size_t count : {0, 1, 5, 50, 500}) {
        const auto charts = all_charts(scan_with(count));
        CHECK(charts.size() >= (count > 1 ? 8 : 6));
        for (const chart& c : charts) {
            INFO(count << " layers, " << c.name);
            CHECK(svg_check::fault_of(c.svg) == "");
            CHECK(c.svg.size() < 2'000'000);
            CHECK(!c.title.empty());
            CHECK(rows_of(c.csv).size() >= 1);
        }
    }
}

TEST_CASE("a layer with a hostile name is text in every chart, and so is one without numbers")
{
    auto layers = sample_layers();
    for (std::size_t i = 0; i < layers.size(); ++i)
        layers[i].name = (i == 0 ? "" : fmt::format("{}.", i)) + hostile;
    layers.push_back({.name = hostile + "/../x", .shape = {2, 2}, .dtype = "F32", .parameters = 4, .error = hostile});
    layers.push_back({.name = "mask" + hostile, .shape = {2, 2}, .dtype = "BOOL", .parameters = 4, .skipped = "no numbers"});
    scan_result scan = made_up::scan_of(layers);
    scan.model.path = hostile;
    for (const chart& c : all_charts(scan)) {
        INFO(c.name);
        CHECK(svg_check::fault_of(c.svg) == "");
        CHECK(c.name.find_first_of("<>'\";()\\") == std::string::npos);
        CHECK(c.name.find("..") == std::string::npos);
        CHECK(std::count(c.name.begin(), c.name.end(), '/') == (c.name.starts_with("layer_details/") ? 1 : 0));
    }
}

TEST_CASE("each illness is seen in the chart that is about it")
{
    scan_result scan = made_up::scan_of(sample_layers());
    const health_result health = judge(scan);
    const auto charts = plot_scan(scan, health);
    const chart& dashboard = named(charts, "health_dashboard");
    for (const char* text : {"dead: 1 of 24 rows", "low: numerical rank 3", "broken: 1 NaN", "zero: all 576 weights"})
        CHECK(shows(dashboard, text));
    CHECK(shows(dashboard, fmt::format("Health {}/100, Critical: do not deploy", health.score)));
    CHECK(shows(named(charts, "condition_heatmap"), "entries that are not finite"));
    CHECK(marks_with(named(charts, "condition_heatmap"), "low [24x24]: condition number >= ") == 4);  // cell, name, bar, figure
    CHECK(shows(named(charts, "rank_efficiency"), "3 of 24"));
    CHECK(marks_with(named(charts, "rank_efficiency"), "low [24x24]: numerical rank 12.5 %") >= 2);
    CHECK(shows(named(charts, "quantization_risk"), "outlier"));
    const auto outlier = svg_check::parse(named(charts, "quantization_risk").svg);
    const auto ring = std::find_if(outlier.begin(), outlier.end(), [](const auto& e) { return e.name == "circle" && e.title.starts_with("outlier [24x24]"); });
    REQUIRE(ring != outlier.end());
    CHECK(ring->attributes.at("stroke") == chart_colors::black);
    CHECK(shows(named(charts, "layer_details/broken_distribution"), "NaN 1"));
}

TEST_CASE("the data beside a chart are those of the scan, for every layer")
{
    const scan_result scan = scan_with(50);
    const health_result health = judge(scan);
    const auto conditions = rows_of(plot_condition_heatmap(scan, health).csv), risks = rows_of(plot_quantization_risk(scan, health).csv),
               ranks = rows_of(plot_rank_efficiency(scan, health).csv);
    REQUIRE(conditions.size() == 51);
    std::map<std::string, const layer_result*> layers;
    for (const layer_result& layer : scan.layers)
        layers.emplace(layer.name, &layer);
    for (std::size_t i = 1; i < conditions.size(); ++i) {
        const spectral_result& s = *scan.layers[i - 1].spectral;
        CHECK(conditions[i][0] == scan.layers[i - 1].name);
        CHECK(is_of(number(conditions[i][1]), s.condition_number.exists() ? s.condition_number : s.condition_number_at_least));
        CHECK(conditions[i][2] == (s.condition_number.exists() ? "false" : "true"));
    }
    for (std::size_t i = 1; i < risks.size(); ++i) {
        const quantization_sensitivity_result& q = *layers.at(risks[i][0])->quantization;
        CHECK(is_of(number(risks[i][1]), q.extreme_outlier_percentage));
        CHECK(is_of(number(risks[i][3]), q.sqnr_db));
        CHECK(is_of(number(risks[i][6]), q.group_sqnr_db));
        CHECK((i == 1 || number(risks[i][3]) >= number(risks[i - 1][3])));  // the worst first
    }
    for (std::size_t i = 1; i < ranks.size(); ++i) {
        const spectral_result& s = *layers.at(ranks[i][0])->spectral;
        CHECK(number(ranks[i][1]) == static_cast<double>(s.total_rank));
        CHECK(number(ranks[i][2]) == Approx(100 * s.numerical_rank.value / static_cast<double>(s.total_rank)).epsilon(1e-14));
    }
    const auto distribution = rows_of(plot_weight_distribution(scan.layers[0])->csv);
    const value_histogram& histogram = scan.layers[0].basic_stats->histogram;
    REQUIRE(distribution.size() == histogram.counts.size() + 1);
    for (std::size_t i = 0; i < histogram.counts.size(); ++i)
        CHECK((number(distribution[i + 1][0]) == histogram.edges[i] && number(distribution[i + 1][2]) == static_cast<double>(histogram.counts[i])));
    const auto values = rows_of(plot_singular_values(scan.layers[0])->csv);
    REQUIRE(values.size() == scan.layers[0].spectral->singular_values.values.size() + 1);
    CHECK(number(values[1][1]) == scan.layers[0].spectral->max_singular_value.value);
}

TEST_CASE("bars are as long as their figures, on a logarithmic axis")
{
    // κ = 10 and 1000 on an axis from 1 to 1000, and baselines of 10: the first bar is a third of the second one
    std::vector<layer_result> layers(2, sample_layers()[0]);
    for (std::size_t i = 0; i < 2; ++i) {
        layers[i].name = i == 0 ? "small" : "large";
        layers[i].spectral->condition_number = layers[i].spectral->condition_number_at_least = i == 0 ? 10 : 1000;
        layers[i].spectral->gaussian_condition_number = 10;
    }
    const scan_result scan = made_up::scan_of(layers);
    std::map<std::string, double> widths;
    for (const auto& e : svg_check::parse(plot_condition_heatmap(scan, judge(scan)).svg))
        if (e.name == "rect" && e.number("height") == 12 && e.title.find("condition number") != std::string::npos)
            widths[e.title.substr(0, 5)] = e.number("width");
    REQUIRE(widths.size() == 2);
    CHECK(widths["small"] * 3 == Approx(widths["large"]).margin(0.05));  // two digits after the point in the file
}

TEST_CASE("a saved scan has its charts too, those that need all singular values left out")
{
    scan_result scan = made_up::scan_of({sample_layers()[0]});
    const auto names = [](const std::vector<chart>& charts) {
        std::vector<std::string> result;
        for (const chart& c : charts)
            result.push_back(c.name);
        return result;
    };
    const std::vector<std::string> before = names(plot_scan(scan, judge(scan)));
    CHECK(before
          == std::vector<std::string>{"health_dashboard", "condition_heatmap", "rank_efficiency", "quantization_risk", "layer_details/healthy_distribution",
                                      "layer_details/healthy_singular_values", "layer_details/healthy_tail_fit", "layer_details/healthy_bulk"});
    scan.layers[0].spectral->singular_values = {};
    CHECK(names(plot_scan(scan, judge(scan))) == std::vector<std::string>(before.begin(), before.end() - 1));
    CHECK(rows_of(plot_singular_values(scan.layers[0])->csv).size() == 11);
    scan.layers[0].spectral.reset();
    scan.layers[0].quantization.reset();
    CHECK(names(plot_scan(scan, judge(scan))) == std::vector<std::string>{"health_dashboard", "layer_details/healthy_distribution"});
    CHECK_FALSE(plot_tail_fit(scan.layers[0]).has_value());
}

TEST_CASE("the bulk of a Gaussian matrix lies under the law that is drawn over it")
{
    const layer_result layer = layer_of("w", gaussian(120, 240, 3));
    const auto rows = rows_of(plot_marchenko_pastur(layer)->csv);
    double counted = 0, expected = 0, apart = 0;
    for (std::size_t i = 1; i < rows.size(); ++i) {
        counted += number(rows[i][2]);
        expected += number(rows[i][3]);
        apart = std::max(apart, std::fabs(counted - expected));
    }
    CHECK(counted == 120);
    CHECK(expected == Approx(120).margin(0.5));
    CHECK(apart < 6);  // Kolmogorov-Smirnov distance below 0.05
}

TEST_CASE("a heat map of weights shows means and magnitudes of blocks, as [out, in]")
{
    // [4, 6] in blocks of 2 x 3: the block at the lower left holds 1..6 from these rows
    made_up::float_matrix w = xt::zeros<float>({4, 6});
    for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t j = 0; j < 3; ++j)
            w(2 + i, j) = static_cast<float>(1 + 3 * i + j);
    w(0, 5) = -7;
    w(1, 5) = std::numeric_limits<float>::infinity();
    const auto rows = rows_of(plot_weight_heatmap(w, "w", {.most_rows = 2, .most_columns = 2}).csv);
    CHECK(rows[1] == std::vector<std::string>{"0", "0", "0", "0", "0"});
    CHECK(rows[2] == std::vector<std::string>{"0", "1", "-1.4", "7", "1"});
    CHECK(rows[3] == std::vector<std::string>{"1", "0", "3.5", "6", "0"});
    const auto turned = rows_of(plot_weight_heatmap(w, "w", {.most_rows = 2, .most_columns = 2, .transposed = true}).csv);
    CHECK(turned[2] == std::vector<std::string>{"0", "1", "3.5", "6", "0"});
    CHECK(turned[3] == std::vector<std::string>{"1", "0", "-1.4", "7", "1"});
    CHECK(svg_check::fault_of(plot_weight_heatmap(w, hostile).svg) == "");
    // rows 2 and 3 use the columns 0 to 2, row 0 and 1 the last one: the columns 3 and 4 are dead, and no row is
    const chart map = plot_weight_heatmap(w, "w");
    CHECK(marks_with(map, "inputs 3 to 3: 1 dead") == 2);  // beside both maps
    CHECK(marks_with(map, "inputs 5 to 5: 0 dead") == 2);
    CHECK(marks_with(map, "outputs") > 0);
    CHECK(marks_with(map, "1 dead") == 4);
    CHECK_THROWS_WITH(plot_weight_heatmap(w, "w", {.most_rows = 0}),
                      "weightscope::plot_weight_heatmap(weights, name, options): most_rows is 0 and most_columns 40, expected 1 or more");
    CHECK_THROWS_WITH(plot_weight_heatmap(made_up::float_matrix(xt::zeros<float>({0, 6})), "w"),
                      "weightscope::plot_weight_heatmap(weights, name): weights have no entries, expected some");
}

TEST_CASE("the front of allocations is what nothing else beats")
{
    const std::vector<allocation_point> points = {{2, 1, "a"}, {3, 0.5, "b", true}, {3, 0.7, "c"}, {4, 0.5, "d"}, {8, 0, "e"}};
    const auto rows = rows_of(plot_allocation_front(points, "loss").csv);
    REQUIRE(rows.size() == 6);
    CHECK(rows[0] == std::vector<std::string>{"name", "bits per weight", "loss", "on_front", "recommended"});
    const std::vector<std::string> expected = {"true", "true", "false", "false", "true"};
    for (std::size_t i = 0; i < 5; ++i)
        CHECK(rows[i + 1][3] == expected[i]);
    CHECK(rows[2][4] == "true");
}

TEST_CASE("a series shows what moves most, and its steps by what tells them apart")
{
    scan_result first = scan_with(50), last = first;
    last.layers[20].basic_stats->l2_norm = 100 * last.layers[20].basic_stats->l2_norm.value;
    const chart c = plot_training_evolution(std::vector<scan_step>{{"checkpoint-500", first}, {"checkpoint-1000", last}});
    CHECK(shows(c, "500"));
    CHECK_FALSE(shows(c, "checkpoint"));
    const chart files = plot_training_evolution(std::vector<scan_step>{{"run-5/step-500.st", first}, {"run-5/step-100.st", last}, {"run-5/step-20.st", last}});
    for (const char* label : {">500<", ">100<", ">20<"})  // their tooltips tell the whole name
        CHECK(files.svg.find(label) != std::string::npos);
    const auto rows = rows_of(c.csv);
    const auto moved = std::find_if(rows.begin(), rows.end(), [](const auto& row) { return row[0] == "norms that change most"; });
    REQUIRE(moved != rows.end());
    CHECK((*moved)[1] == "L2.up_proj");  // layer 20: (20 - 1) = 2 * 7 + 5
    CHECK(number((*(moved + 1))[3]) == Approx(100 * number((*moved)[3])));
    // what was not measured has no panel
    CHECK(shows(c, "SQNRs that change most"));
    CHECK(shows(plot_layer_comparison(first, last), "SQNR, dB"));
    for (layer_result& layer : first.layers)
        layer.quantization.reset();
    const chart without = plot_training_evolution(std::vector<scan_step>{{"a", first}, {"b", first}});
    CHECK(shows(without, "norms that change most"));
    CHECK_FALSE(shows(without, "SQNRs that change most"));
    CHECK_FALSE(shows(plot_layer_comparison(first, first), "SQNR, dB"));
    CHECK_THROWS_WITH(plot_training_evolution(std::vector<scan_step>(1)),
                      "weightscope::plot_training_evolution(steps): there are 1, expected 2 or more");
    CHECK_THROWS_WITH(plot_bit_map({.bits = {"a"}, .layers = {"b"}}), "weightscope::plot_bit_map(of): there are 0 values, expected 1 bits x 1 layers");
}

TEST_CASE("the limits in the chart of quantization risk are those of the verdict's rules")
{
    const scan_result scan = scan_with(20);
    const auto drawn = [&](const std::vector<rule>& rules) { return plot_quantization_risk(scan, judge(scan, rules)).svg; };
    const auto holds = [](const std::string& svg, const char* words) { return svg.find(std::string("<title>") + words + "</title>") != std::string::npos; };
    const std::string usual = drawn(default_rules());
    CHECK_FALSE(holds(usual, "warning below 20 dB"));  // all of them are better
    CHECK(holds(usual, "1 %"));
    const std::string strict = drawn(override_threshold(override_threshold(default_rules(), "quantization_sqnr", severity::critical, 35), "outliers", severity::warning, 0.5));
    CHECK(holds(strict, "critical below 35 dB"));
    CHECK(holds(strict, "0.5 %"));
    CHECK_FALSE(holds(strict, "1 %"));
    CHECK_FALSE(holds(drawn({}), "1 %"));
}
