// The forms of a verdict that pipelines read: baseline, SARIF, JUnit, plans.

#include <optional>
#include <string>
#include <vector>

#include <weightscope/report/baseline.hpp>
#include <weightscope/report/baseline_report.hpp>
#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/junit.hpp>
#include <weightscope/report/plans_json.hpp>
#include <weightscope/report/quantization_plan.hpp>
#include <weightscope/report/sarif.hpp>
#include <weightscope/report/scan_result.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

finding found(const std::string& rule, const std::string& layer, severity level)
{
    return {.rule_id = rule, .level = level, .layer = layer, .metric_name = "m", .value = 2, .threshold = 1, .message = "2 > 1", .meaning = "it is much", .remedy = "Do less."};
}

health_result verdict_of(const std::vector<finding>& findings)
{
    return {.score = 39, .grade = health_grade::critical, .recommendation = "do not deploy", .findings = findings};
}

std::string states(const baseline_comparison& c)
{
    std::string text;
    for (const finding_state state : c.states)
        text += std::string(to_string(state)) + " ";
    return text;
}

scan_result scan_of(const std::vector<std::string>& names)
{
    scan_result scan{.model = {.path = "a b/m.safetensors"}};
    for (const std::string& name : names)
        scan.layers.push_back({.name = name, .shape = {2, 2}, .dtype = "F32", .parameters = 4});
    return scan;
}

const severity info = severity::info, warning = severity::warning, critical = severity::critical;

}  // namespace

TEST_CASE("a finding is known, worse, milder or new by its rule and its layer, and what is gone is resolved")
{
    const auto before = verdict_of({found("r", "a", critical), found("r", "b", warning), found("s", "a", warning), found("r", "gone", info)});
    const auto now = verdict_of({found("r", "b", critical), found("r", "a", warning), found("s", "a", warning), found("s", "b", warning), found("r", "", info)});
    const auto c = compare_findings(now, before);
    CHECK(states(c) == "worse milder known new new ");
    REQUIRE(c.resolved.size() == 1);
    CHECK(c.resolved[0].layer == "gone");
    CHECK(c.count(finding_state::added) == 2);
    CHECK((c.is_news(0) && !c.is_news(1) && !c.is_news(2) && c.is_news(3)));

    CHECK(count_failing(now, critical) == 1);
    CHECK(count_failing(now, warning) == 4);
    CHECK(count_failing(now, warning, c) == 2);   // worse, and the new warning
    CHECK(count_failing(now, info, c) == 3);
    CHECK(count_failing(now, critical, compare_findings(now, now)) == 0);
}

TEST_CASE("where a layer's name stands twice its findings are paired one by one")
{
    const auto one = verdict_of({found("r", "a", warning)}), two = verdict_of({found("r", "a", warning), found("r", "a", warning)});
    CHECK(states(compare_findings(two, one)) == "known new ");
    CHECK(compare_findings(one, two).resolved.size() == 1);
    CHECK(compare_findings(two, two).resolved.empty());
    CHECK(states(compare_findings(verdict_of({}), two)).empty());
}

TEST_CASE("a baseline is told as JSON and on a console")
{
    const auto now = verdict_of({found("r", "a\x1b[2J", critical), found("r", "b", info)});
    auto c = compare_findings(now, verdict_of({found("r", "b", info), found("s", "", warning)}));
    c.path = "base.json";
    const auto json = to_json(c, now);
    CHECK(json.dump() == R"({"path":"base.json","new_count":1,"worse_count":0,"milder_count":0,"known_count":1,"resolved_count":1,)"
                         R"("new":[{"rule":"r","layer":"a\u001b[2J","severity":"critical","state":"new"}],)"
                         R"("resolved":[{"rule":"s","layer":null,"severity":"warning"}]})");
    CHECK(to_console(c, now) == "Against base.json: 1 new, 0 worse, 1 known, 1 resolved\n"
                                "  new critical      a\\u{1b}[2J  r\n"
                                "  resolved warning  the model  s\n");
    CHECK(to_console(c, now, {.top_issues = 0}) == "Against base.json: 1 new, 0 worse, 1 known, 1 resolved\n  and 1 more\n  and 1 more\n");
    CHECK_THROWS_WITH(to_console(c, now, {.width = 20}), "weightscope::to_console(baseline, health, options): options.width is 20, expected 60 to 200");
    CHECK_THROWS_WITH(to_json(c, verdict_of({})), "weightscope::to_json(baseline, health): the baseline tells of 2 findings, the verdict has 0");
}

TEST_CASE("SARIF tells rule, severity, place and state of each finding")
{
    auto health = verdict_of({found("loud", "a\"<b>", critical), found("loud", "a\"<b>", critical), found("quiet", "", info)});
    health.rules = {{.judged_by = {.id = "quiet", .info = 1, .meaning = "it is little", .remedy = "Do more."}},
                    {.judged_by = {.id = "loud", .warning = 1, .critical = 2, .meaning = "it is much", .remedy = "Do less."}}};
    const auto scan = scan_of({"a\"<b>", "c"});
    const auto log = to_sarif(scan, health, compare_findings(health, verdict_of({found("loud", "a\"<b>", warning)})));
    const auto& run = log["runs"][0];
    CHECK(log["version"] == "2.1.0");
    CHECK(run["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"] == "note");
    CHECK(run["tool"]["driver"]["rules"][1]["defaultConfiguration"]["level"] == "error");
    CHECK(run["tool"]["driver"]["rules"][1]["help"]["text"].get<std::string>().find("Do less.") != std::string::npos);
    REQUIRE(run["results"].size() == 3);
    const auto &first = run["results"][0], &second = run["results"][1], &third = run["results"][2];
    CHECK(first["ruleId"] == "loud");
    CHECK(first["ruleIndex"] == 1);
    CHECK(first["level"] == "error");
    CHECK(first["message"]["text"] == "a\"<b>: 2 > 1; it is much. Do less.");
    CHECK(first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/m.safetensors");
    CHECK(first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "a\"<b>");
    CHECK(first["baselineState"] == "updated");
    CHECK(second["baselineState"] == "new");
    // hashlib.sha256(b'loud\na"<b>\n0').hexdigest()
    CHECK(first["partialFingerprints"]["ruleAndLayer/v1"] == "d521e82953e5ff01a9346d68657fbde888ecece0959a6f975d62cabdd402a4fb");
    CHECK(second["partialFingerprints"] != first["partialFingerprints"]);
    CHECK(third["level"] == "note");
    CHECK(third["message"]["text"] == "the model: 2 > 1; it is much. Do less.");
    CHECK_FALSE(third["locations"][0].contains("logicalLocations"));
    CHECK(run["invocations"][0]["executionSuccessful"] == true);
    CHECK_FALSE(to_sarif(scan, health)["runs"][0]["results"][0].contains("baselineState"));

    auto lost = scan;
    lost.layers[1].error = "the file ends early";
    CHECK(to_sarif(lost, health)["runs"][0]["invocations"][0]["executionSuccessful"] == false);
    auto without = scan;
    without.model.lost_shards = {"b.safetensors: no such file"};
    CHECK(to_sarif(without, health)["runs"][0]["invocations"][0]["executionSuccessful"] == false);

    // of a model in shards each finding is in the one that holds its layer, those about the model are where it was opened
    auto sharded = scan;
    sharded.layers[0].file = "a b/one of two";
    sharded.layers[1].file = "a b/two of two";
    const auto shards = to_sarif(sharded, health)["runs"][0];
    REQUIRE(shards["artifacts"].size() == 3);
    CHECK(shards["artifacts"][1]["location"]["uri"] == "a%20b/one%20of%20two");
    CHECK(shards["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].dump() == R"({"uri":"a%20b/one%20of%20two","index":1})");
    CHECK(shards["results"][2]["locations"][0]["physicalLocation"]["artifactLocation"].dump() == R"({"uri":"a%20b/m.safetensors","index":0})");
    CHECK(detail::sarif_uri("/tmp/\xc3\xa4?#") == "file:///tmp/%C3%A4%3F%23");
    CHECK_THROWS_WITH(to_sarif(scan, health, compare_findings(verdict_of({}), health)),
                      "weightscope::to_sarif(scan, health, baseline): the baseline tells of 0 findings, the verdict has 3");
}

TEST_CASE("a JUnit report has a test per layer that fails as the gate does")
{
    auto scan = scan_of({"a & b", "c", "d", "e"});
    scan.layers[2].error = "the file ends early";
    scan.layers[3].skipped = "BOOL";
    const auto health = verdict_of({found("loud", "a & b", critical), found("long", "a & b", critical), found("late", "c", warning), found("old", "", info)});
    CHECK(to_junit(scan, health) == R"xml(<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="weightscope" tests="5" failures="1" errors="1" time="0.000">
  <testsuite name="a b/m.safetensors" tests="5" failures="1" errors="1" skipped="1" time="0.000">
    <properties>
      <property name="score" value="39"/>
      <property name="grade" value="Critical"/>
      <property name="recommendation" value="do not deploy"/>
    </properties>
    <testcase classname="a b/m.safetensors" name="the model" time="0"><system-out>old (info): 2 &gt; 1; it is much. Do less.
</system-out></testcase>
    <testcase classname="a b/m.safetensors" name="a &amp; b" time="0"><failure type="loud" message="loud (critical): 2 &gt; 1; it is much. Do less.">loud (critical): 2 &gt; 1; it is much. Do less.
long (critical): 2 &gt; 1; it is much. Do less.
</failure></testcase>
    <testcase classname="a b/m.safetensors" name="c" time="0"><system-out>late (warning): 2 &gt; 1; it is much. Do less.
</system-out></testcase>
    <testcase classname="a b/m.safetensors" name="d" time="0"><error type="unreadable" message="the file ends early"/></testcase>
    <testcase classname="a b/m.safetensors" name="e" time="0"><skipped message="BOOL"/></testcase>
  </testsuite>
</testsuites>
)xml");
    const auto holds = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
    CHECK(holds(to_junit(scan, health, {.fail_on = std::nullopt}), "failures=\"0\""));
    CHECK(holds(to_junit(scan, health, {.fail_on = warning}), "failures=\"2\""));
    const std::string excused = to_junit(scan, health, {.fail_on = warning, .baseline = compare_findings(health, verdict_of({found("late", "c", warning)}))});
    CHECK(holds(excused, "failures=\"1\""));
    CHECK(holds(excused, "<system-out>late (warning, known): "));
    CHECK(holds(excused, "loud (critical, new): "));
    CHECK_THROWS_WITH(to_junit(scan, health, {.baseline = baseline_comparison{}}),
                      "weightscope::to_junit(scan, health, options): the baseline tells of 0 findings, the verdict has 4");
}

TEST_CASE("the plans of a scan are one document")
{
    const quantization_plan quantization{.layers = {{.name = "a", .format = "int8", .bits = 8, .reason = "it may"}},
                                         .formats = {{.format = "int8", .layer_count = 1, .parameters = 4}, {.format = "16bit"}},
                                         .bits_per_weight = 8};
    const compression_plan compression{
        .layers = {{.name = "a", .method = "factors", .rank = 1, .parameters = 4, .factor_parameters = 4, .reason = "it may"}}, .parameters = 4, .planned_parameters = 4};
    const auto plans = to_json(scan_of({"a"}), quantization, compression);
    CHECK(plans["schema"] == "weightscope/plans/1");
    CHECK(plans["quantization"].dump() == R"({"bits":8,"group_size":128,"bits_per_weight":8.0,"formats":[{"format":"int8","layers":1,"parameters":4},)"
                                          R"({"format":"16bit","layers":0,"parameters":0}],"layers":[{"name":"a","format":"int8","bits":8.0,"reason":"it may"}]})");
    CHECK(plans["compression"].dump() == R"({"parameters":4,"planned_parameters":4,"layers":[{"name":"a","method":"factors","rank":1,"parameters":4,)"
                                         R"("factor_parameters":4,"reason":"it may"}]})");
    const auto none = to_json(scan_of({}), {.bits_per_weight = metric::missing("no matrices")}, {});
    CHECK(none["quantization"]["bits_per_weight"].is_null());
    CHECK(none["quantization"]["bits_per_weight_reason"] == "no matrices");
}
