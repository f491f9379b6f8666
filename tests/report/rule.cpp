#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include <weightscope/report/judge.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/rules.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;

namespace {

// One layer whose Frobenius norm is 10.
scan_result norm_ten()
{
    layer_result layer{.name = "a", .shape = {2, 50}, .dtype = "F32", .parameters = 100};
    layer.basic_stats = basic_stats_result{.l2_norm = 10};
    return made_up::scan_of({layer});
}

rule norm_rule()
{
    return {.id = "loud",
            .metric_name = "basic_stats.l2_norm",
            .value = metric_of(&layer_result::basic_stats, &basic_stats_result::l2_norm)};
}

}  // namespace

TEST_CASE("a rule is a few lines: an id, a number and a limit")
{
    auto rules = default_rules();
    rules.push_back({.id = "loud",
                     .metric_name = "basic_stats.l2_norm",
                     .value =
                         [](const layer_result& layer) {
                             return layer.basic_stats ? layer.basic_stats->l2_norm : metric::missing("not measured");
                         },
                     .warning = 9,
                     .meaning = "too loud",
                     .remedy = "rescale it"});
    const health_result health = judge(norm_ten(), rules);
    REQUIRE(health.findings.size() == 1);
    const finding& f = health.findings[0];
    CHECK(f.rule_id == "loud");
    CHECK(f.level == severity::warning);
    CHECK(f.layer == "a");
    CHECK(f.metric_name == "basic_stats.l2_norm");
    CHECK(f.value == 10);
    CHECK(f.threshold == 9);
    CHECK(f.message == "basic_stats.l2_norm: 10 > 9");
    CHECK(f.meaning == "too loud");
    CHECK(f.remedy == "rescale it");
    CHECK(health.score == 97);
}

TEST_CASE("each comparison holds at its limit as its sign says")
{
    for (const auto& [how, below, at, above] :
         {std::tuple{comparison::above, false, false, true}, std::tuple{comparison::at_least, false, true, true},
          std::tuple{comparison::below, true, false, false}, std::tuple{comparison::at_most, true, true, false}}) {
        for (const auto& [limit, fires] : {std::pair{11.0, below}, std::pair{10.0, at}, std::pair{9.0, above}}) {
            rule r = norm_rule();
            r.compare = how;
            r.info = limit;
            CHECK(judge(norm_ten(), {r}).findings.size() == (fires ? 1 : 0));
        }
    }
    CHECK(to_string(comparison::above) == ">");
    CHECK(to_string(comparison::at_least) == ">=");
    CHECK(to_string(comparison::below) == "<");
    CHECK(to_string(comparison::at_most) == "<=");
}

TEST_CASE("the most severe of the limits that are crossed counts")
{
    rule r = norm_rule();
    r.info = 1;
    CHECK(made_up::told(judge(norm_ten(), {r})) == "info loud");
    r.warning = 2;
    CHECK(made_up::told(judge(norm_ten(), {r})) == "warning loud");
    r.critical = 3;
    CHECK(made_up::told(judge(norm_ten(), {r})) == "critical loud");
    r.critical = 30;
    CHECK(made_up::told(judge(norm_ten(), {r})) == "warning loud");
}

TEST_CASE("limits may be multiples of the baseline, and the message says so")
{
    rule r = norm_rule();
    r.label = "norm";
    r.unit = "m";
    r.times_baseline = true;
    r.baseline = [](const layer_result&) { return metric(4); };
    r.warning = 2;
    r.critical = 3;
    const health_result health = judge(norm_ten(), {r});
    REQUIRE(health.findings.size() == 1);
    CHECK(health.findings[0].level == severity::warning);
    CHECK(health.findings[0].threshold == 8);
    CHECK(health.findings[0].message == "norm: 10 m > 8 m (2 times a Gaussian matrix's 4 m)");
    r.baseline = [](const layer_result&) { return metric::missing("unknown"); };
    CHECK(judge(norm_ten(), {r}).findings.empty());
    CHECK(judge(norm_ten(), {r}).rules[0].missing_count == 1);
}

TEST_CASE("a limit can be changed and removed by the id of its rule")
{
    auto rules = override_threshold({norm_rule()}, "loud", severity::critical, 9);
    CHECK(made_up::told(judge(norm_ten(), rules)) == "critical loud");
    rules = override_threshold(rules, "loud", severity::critical, 11);
    CHECK(judge(norm_ten(), rules).findings.empty());
    rules = override_threshold(rules, "loud", severity::info, 5);
    CHECK(made_up::told(judge(norm_ten(), rules)) == "info loud");
    rules = override_threshold(rules, "loud", severity::info, std::nullopt);
    rules = override_threshold(rules, "loud", severity::warning, 1);
    CHECK(made_up::told(judge(norm_ten(), rules)) == "warning loud");
}

TEST_CASE("an unknown id is refused with those that there are")
{
    CHECK_THROWS_WITH(override_threshold(classic_rules(), "kappa", severity::warning, 1),
                      "weightscope::override_threshold(rules, id): there is no rule 'kappa'; the rules are "
                      "condition_number, extreme_outliers, low_stable_rank");
    CHECK_THROWS_AS(override_threshold({}, "kappa", severity::warning, 1), std::invalid_argument);
}

TEST_CASE("a table that cannot be judged by is refused")
{
    CHECK_THROWS_WITH(
        judge(norm_ten(), {norm_rule(), norm_rule()}),
        "weightscope::judge(scan, rules): rule 'loud' stands in the table twice; rename one, or override_threshold");
    CHECK_THROWS_WITH(
        judge(norm_ten(), {rule{.id = "empty"}}),
        "weightscope::judge(scan, rules): rule 'empty' has neither, expected one of value and model_value");
    rule both = norm_rule();
    both.model_value = [](const scan_result&) { return metric(1); };
    CHECK_THROWS_WITH(judge(norm_ten(), {both}),
                      "weightscope::judge(scan, rules): rule 'loud' has both, expected one of value and model_value");
}
