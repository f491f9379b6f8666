#include <optional>
#include <string>
#include <vector>

#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/layer_change.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

std::string told(const layer_change& change, const std::vector<change_rule>& rules)
{
    std::string text;
    for (const finding& f : judge_changes({&change, 1}, rules))
        text += (text.empty() ? "" : ", ") + std::string(to_string(f.level)) + " " + f.rule_id;
    return text;
}

layer_change grown(double ratio)
{
    return {.name = "w", .l2_norm_ratio = ratio};
}

}  // namespace

TEST_CASE("a series tells growth, explosion and collapse by the norm, each once")
{
    const auto rules = series_rules();
    CHECK(told(grown(1), rules) == "");
    CHECK(told(grown(1.1), rules) == "");
    CHECK(told(grown(1.2), rules) == "info growth");
    CHECK(told(grown(2.5), rules) == "warning growth");
    CHECK(told(grown(10), rules) == "critical explosion");
    CHECK(told(grown(0.85), rules) == "info collapse");
    CHECK(told(grown(0.4), rules) == "warning collapse");
    CHECK(told(grown(0.05), rules) == "critical collapse");
}

TEST_CASE("a layer that does not change is frozen, a model that does not is stalled")
{
    const auto rules = series_rules();
    CHECK(told({.name = "w", .relative_l2_distance = 0.0, .unchanged_percentage = 100.0}, rules) == "info frozen");
    CHECK(told({.name = "w", .unchanged_percentage = 99.9}, rules) == "");
    CHECK(told({.relative_l2_distance = 1e-7}, rules) == "warning stall");
    CHECK(told({.relative_l2_distance = 1e-5}, rules) == "");
}

TEST_CASE("other changes are told by their own rules")
{
    const auto series = series_rules(), pair = comparison_rules();
    CHECK(told({.name = "w", .appeared_count = 1.0}, series) == "critical appeared_nonfinite");
    CHECK(told({.name = "w", .spectral_norm_ratio = 5.0}, series) == "warning spectral_growth");
    CHECK(told({.name = "w", .stable_rank_ratio = 0.4}, series) == "warning lost_rank");
    CHECK(told({.name = "w", .relative_l2_distance = 0.6}, series) == "warning sharp_change");
    CHECK(told({.name = "w", .removed = 1.0}, series) == "warning removed");
    CHECK(told({.name = "w", .condition_number_ratio = 100.0}, pair) == "warning conditioning");
    CHECK(told({.name = "w", .relative_l2_distance = 0.2}, pair) == "info drift");
    CHECK(told({.name = "w", .stable_rank_ratio = 0.05}, pair) == "critical lost_rank");
    CHECK(told({.cosine_similarity = 0.1}, pair) == "warning unrelated");
    CHECK(told({.name = "w"}, series) == "");  // what is not known is not judged
}

TEST_CASE("a finding about a change has its number, its limit and what to do")
{
    const layer_change change = grown(20);
    const auto found = judge_changes({&change, 1}, series_rules());
    REQUIRE(found.size() == 1);
    CHECK(found[0].layer == "w");
    CHECK(found[0].message == "norm, after / before: 20 >= 10");
    CHECK(found[0].meaning == "training has diverged");
    CHECK_FALSE(found[0].remedy.empty());
}

TEST_CASE("limits of rules about changes can be changed and removed")
{
    auto rules = override_threshold(series_rules(), "growth", severity::warning, 1.15);
    CHECK(told(grown(1.2), rules) == "warning growth");
    rules = override_threshold(rules, "growth", severity::warning, std::nullopt);
    CHECK(told(grown(2.5), rules) == "info growth");
    CHECK_THROWS_WITH(override_threshold(comparison_rules(), "kappa", severity::warning, 1),
                      "weightscope::override_threshold(rules, id): there is no rule 'kappa'; the rules are appeared_nonfinite, removed, "
                      "unrelated, drift, conditioning, lost_rank");
}
