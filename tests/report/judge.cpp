#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/report/judge.hpp>
#include <weightscope/report/rules.hpp>

#include "../catch.hpp"
#include "gpt2_reference.hpp"
#include "made_up.hpp"

using namespace weightscope;

namespace {

// A model with as many layers above each limit of a rule about the norm.
scan_result with_norms(const std::vector<double>& norms)
{
    std::vector<layer_result> layers;
    for (const double norm : norms) {
        layer_result layer{
            .name = "layer " + std::to_string(layers.size()), .shape = {2, 50}, .dtype = "F32", .parameters = 100};
        layer.basic_stats = basic_stats_result{.l2_norm = norm};
        layers.push_back(layer);
    }
    return made_up::scan_of(layers);
}

std::vector<rule> norm_rules()
{
    return {{.id = "loud",
             .value = metric_of(&layer_result::basic_stats, &basic_stats_result::l2_norm),
             .info = 1,
             .warning = 2,
             .critical = 3}};
}

}  // namespace

TEST_CASE("the score loses 10 for each critical finding and 3 for each warning, down to 0")
{
    const auto score = [](std::size_t critical, std::size_t warning, std::size_t info) {
        std::vector<double> norms(critical, 4);
        norms.insert(norms.end(), warning, 2.5);
        norms.insert(norms.end(), info, 1.5);
        return judge(with_norms(norms), norm_rules()).score;
    };
    CHECK(score(0, 0, 0) == 100);
    CHECK(score(0, 0, 9) == 100);
    CHECK(score(1, 0, 0) == 90);
    CHECK(score(2, 5, 1) == 65);
    CHECK(score(10, 0, 0) == 0);
    CHECK(score(0, 33, 0) == 1);
    CHECK(score(0, 34, 0) == 0);
    CHECK(score(400, 400, 0) == 0);
}

TEST_CASE("the grade and the recommendation follow the score")
{
    CHECK(to_string(grade_of(100)) == "Excellent");
    CHECK(to_string(grade_of(80)) == "Excellent");
    CHECK(to_string(grade_of(79)) == "Good");
    CHECK(to_string(grade_of(60)) == "Good");
    CHECK(to_string(grade_of(59)) == "Warning");
    CHECK(to_string(grade_of(40)) == "Warning");
    CHECK(to_string(grade_of(39)) == "Critical");
    CHECK(to_string(grade_of(0)) == "Critical");
    CHECK(judge(with_norms({}), norm_rules()).recommendation == "deploy");
    CHECK(judge(with_norms({4, 4, 4}), norm_rules()).recommendation == "optimise first");
    CHECK(judge(with_norms({4, 4, 4, 4, 4}), norm_rules()).recommendation == "do not deploy");
}

TEST_CASE("findings stand by severity, and in model order within one")
{
    const health_result health = judge(with_norms({2.5, 4, 1.5, 2.6, 0, 5}), norm_rules());
    std::string order;
    for (const finding& f : health.findings)
        order += f.layer.substr(6);
    CHECK(order == "15032");
    CHECK(health.count(severity::critical) == 2);
    CHECK(health.count(severity::warning) == 2);
    CHECK(health.count(severity::info) == 1);
    CHECK(health.rules[0].judged_count == 6);
    CHECK(health.rules[0].finding_count == 5);
}

TEST_CASE("top_issues are the worst ones, or all")
{
    const health_result health = judge(with_norms({2.5, 4, 1.5}), norm_rules());
    CHECK(health.top_issues(0).empty());
    REQUIRE(health.top_issues(1).size() == 1);
    CHECK(health.top_issues(1)[0].layer == "layer 1");
    CHECK(health.top_issues(10).size() == 3);
}

TEST_CASE("each layer has a score of its own")
{
    const health_result health = judge(with_norms({2.5, 4, 1.5, 0}), norm_rules());
    REQUIRE(health.layers.size() == 4);
    CHECK(health.layers[0].score == 80);
    CHECK(health.layers[1].score == 60);
    CHECK(health.layers[2].score == 100);
    CHECK(health.layers[3].score == 100);
    CHECK(health.layers[1].grade == health_grade::good);
    CHECK(health.layers[1].name == "layer 1");
}

TEST_CASE("a broken model is not called good, however good the rest is")
{
    using made_up::gaussian;
    using made_up::layer_of;
    std::vector<layer_result> layers;
    for (std::uint64_t i = 1; i < 20; ++i)
        layers.push_back(layer_of("layer " + std::to_string(i), gaussian(20, 30, i)));
    CHECK(judge(made_up::scan_of(layers)).score == 100);

    made_up::float_matrix w = gaussian(20, 30);
    w.fill(0);
    layers.push_back(layer_of("zero", w));
    health_result health = judge(made_up::scan_of(layers));
    CHECK(health.score == 79);
    CHECK(health.limited_by == "all_zero");
    CHECK(health.recommendation == "optimise first");

    w(0, 0) = std::numeric_limits<float>::quiet_NaN();
    layers.push_back(layer_of("nan", w));
    health = judge(made_up::scan_of(layers));
    CHECK(health.score == 39);
    CHECK(health.limited_by == "nonfinite");
    CHECK(health.recommendation == "do not deploy");
    CHECK(health.grade == health_grade::critical);
}

TEST_CASE("a limit that the score has not reached holds nothing down")
{
    rule fatal = norm_rules()[0];
    fatal.score_limit = 79;
    CHECK(judge(with_norms({4}), {fatal}).limited_by == "loud");
    const health_result health = judge(with_norms({4, 4, 4, 4}), {fatal});
    CHECK(health.score == 60);
    CHECK(health.limited_by.empty());
}

TEST_CASE("the classic rules give the published verdict on GPT-2")
{
    const scan_result scan = gpt2_reference::scan();
    REQUIRE(scan.layers.size() == 51);
    const auto above = [&](double limit) {
        return std::count_if(scan.layers.begin(), scan.layers.end(),
                             [=](const layer_result& l) { return l.spectral->condition_number.value > limit; });
    };
    CHECK(above(1e3) == 15);
    CHECK(above(1e4) == 11);
    CHECK(above(1e5) == 2);

    const health_result health = judge(scan, classic_rules());
    CHECK(health.count(severity::critical) == 4);
    CHECK(health.count(severity::warning) == 10);
    CHECK(health.count(severity::info) == 43);
    CHECK(health.score == 30);
    CHECK(health.recommendation == "do not deploy");

    // layer by layer: 48 Excellent, 2 Good, 1 Critical, 93.4 on average
    const auto graded = [&](health_grade grade) {
        return std::count_if(health.layers.begin(), health.layers.end(),
                             [=](const layer_health& l) { return l.grade == grade; });
    };
    CHECK(graded(health_grade::excellent) == 48);
    CHECK(graded(health_grade::good) == 2);
    CHECK(graded(health_grade::warning) == 0);
    CHECK(graded(health_grade::critical) == 1);
    double sum = 0;
    for (const layer_health& layer : health.layers)
        sum += layer.score;
    CHECK(sum / 51 == Approx(93.4).margin(0.05));
}

TEST_CASE("the default rules find no ill-conditioned or low-rank layer in GPT-2, but those that INT8 would break")
{
    scan_result scan = gpt2_reference::scan();
    scan.layers.back().tied_to = scan.layers.front().name;
    const health_result health = judge(scan);
    std::size_t outliers = 0, sqnr = 0;
    for (const finding& f : health.findings) {
        outliers += f.rule_id == "outliers";
        sqnr += f.rule_id == "quantization_sqnr";
    }
    CHECK(health.findings.size() == outliers + sqnr);
    CHECK(outliers == 3);  // wpe, h.0.attn.c_attn, h.0.attn.c_proj
    CHECK(sqnr == 10);     // those below 20 dB, of which h.1, h.2 and h.3 mlp.c_proj are below 10
    CHECK(health.count(severity::critical) == 5);
}
