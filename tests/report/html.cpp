#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/html.hpp>
#include <weightscope/report/html_data.hpp>
#include <weightscope/report/html_text.hpp>
#include <weightscope/report/judge.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;

namespace {

// The text between two marks, each the first one.
std::string between(const std::string& text, const std::string& begin, const std::string& end)
{
    const std::size_t from = text.find(begin);
    if (from == std::string::npos)
        return {};
    return text.substr(from + begin.size(), text.find(end, from + begin.size()) - from - begin.size());
}

nlohmann::json data_of(const std::string& page)
{
    return nlohmann::json::parse(between(page, "id=\"data\">", "</script>"));
}

bool holds(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("text of a page is nothing but text, in JSON too")
{
    CHECK(detail::html_text("<b>'\"&\x1b") == "&lt;b&gt;&#39;&quot;&amp;\\u{1b}");
    CHECK(detail::html_json_string("</script><!-- \"\\ & \xe2\x80\xa8 \xff") == R"("\u003c/script\u003e\u003c!-- \"\\ \u0026 \\u{2028} \\xff")");
    CHECK(detail::html_json_number(393216) == "393216");
    CHECK(detail::html_json_number(0.1234567) == "0.1235");
    CHECK(detail::html_json_number(-1e300) == "-1e+300");
    CHECK(detail::html_json_number(123456.7) == "1.235e5");
    CHECK(detail::html_json_number(1.5e-7) == "1.5e-7");
    CHECK(detail::html_json_number(-2.5e-11) == "-2.5e-11");
    CHECK(detail::html_json_number(NAN) == "null");
}

TEST_CASE("a page allows its own style and script by their hashes, and nothing else")
{
    const std::string page = detail::html_page({.title = "a<b>", .body = "<p>c</p>\n", .data = "{}", .style = "p { }", .script = "\nlet x;\n"});
    // base64.b64encode(hashlib.sha256(b"p { }").digest()), and of b"\n'use strict';\n(() => {\nlet x;\n})();\n"
    CHECK(holds(page, "content=\"default-src 'none'; style-src 'sha256-2H5CUCvyo5cSkj1YhUngR72ks13QrmBjgN+zz/lp2DY='; script-src 'sha256-t7ZrWLcYKrvmFhI1msf/wsTrQleR13Axn2o9mf5FHdQ='; base-uri 'none'; form-action 'none'\""));
    CHECK(holds(page, "<title>a&lt;b&gt;</title>"));
    CHECK(holds(page, "<script>\n'use strict';\n(() => {\nlet x;\n})();\n</script>"));
    CHECK(holds(detail::html_page({.title = "a", .body = "", .style = "p { }"}), "script-src 'none'"));
}

TEST_CASE("a page tells the verdict, what to do, every layer and its figures")
{
    auto zero = made_up::gaussian(16, 24);
    zero.fill(0);
    const std::string evil = "</script><b onclick='x'>";
    scan_result scan = made_up::scan_of({made_up::layer_of("a.weight", made_up::gaussian(32, 24)), made_up::layer_of(evil, zero)});
    scan.layers.push_back({.name = "codes", .shape = {4}, .dtype = "BOOL", .parameters = 4, .skipped = "of a type without numbers"});
    scan.layers.push_back({.name = "lost", .shape = {4, 4}, .dtype = "F32", .parameters = 16, .error = "the file ends early"});
    const health_result health = judge(scan);
    REQUIRE(health.findings.size() >= 2);
    const std::string page = to_html(scan, health);
    CHECK(holds(page, "<h1>Health 39/100, Critical: do not deploy</h1>"));
    CHECK(holds(page, "1 of 4 tensors could not be analysed"));
    CHECK_FALSE(holds(page, "<b onclick"));
    CHECK(holds(page, "all 384 weights are 0"));
    CHECK(holds(page, "<a class=\"name\" href=\"#layer-1\">&lt;/script&gt;"));
    for (const char* chart : {"score, findings, and how six figures", "condition numbers beside", "numerical and energy ranks", "outliers against quantization"})
        CHECK(holds(page, chart));

    const nlohmann::json data = data_of(page);
    REQUIRE(data["layers"].size() == 4);
    CHECK(data["layers"][1]["n"] == evil);
    const auto note_of = [&](std::size_t layer) { return data["words"][data["layers"][layer]["notes"][0].get<std::size_t>()]; };
    CHECK(note_of(2) == "Not analysed: of a type without numbers");
    CHECK(note_of(3) == "Could not be analysed: the file ends early");
    CHECK(data["findings"].size() == health.findings.size());
    const std::size_t place = data["layers"][1]["f"][0];
    CHECK(data["findings"][place]["rule"] == health.findings[place].rule_id);
    CHECK(data["layers"][1]["l"] == "critical");
    std::size_t column = 0;
    while (data["fields"][column][0] != "basic_stats.std")
        ++column;
    // four digits; of a layer of zeros there is a number too, of those that were not analysed none
    REQUIRE(data["values"].size() == data["fields"].size());
    CHECK(data["values"][column][0].get<double>() == Approx(scan.layers[0].basic_stats->std.value).epsilon(5e-4));
    CHECK(data["values"][column][1] == 0);
    CHECK(data["values"][column][2].is_null());
    // a column whose values are all alike is one value; why there is none is a word
    scan_result twins = scan;
    twins.layers = {scan.layers[1], scan.layers[1]};
    const nlohmann::json alike = data_of(to_html(twins, judge(twins)));
    std::size_t condition = 0;
    while (alike["fields"][condition][0] != "spectral.condition_number")
        ++condition;
    CHECK(alike["values"][condition].is_string());
    CHECK(alike["words"][std::stoul(alike["values"][condition].get<std::string>())] == twins.layers[0].spectral->condition_number.reason);
    CHECK(data["layers"][0]["t"].size() == scan.layers[0].spectral->top_singular_values.size());
    // lowest and highest edge, then the counts in base 36
    REQUIRE(data["layers"][0]["h"].size() == 3);
    const std::string counts = data["layers"][0]["h"][2];
    CHECK(static_cast<std::size_t>(std::count(counts.begin(), counts.end(), ' ')) + 1 == scan.layers[0].basic_stats->histogram.counts.size());

    // rows: the worst first, else in model order
    const std::string rows = between(page, "<tbody id=\"rows\">", "</tbody>");
    CHECK(rows.find("id=\"layer-0\"") > rows.find("id=\"layer-1\""));
    CHECK(rows.find("id=\"layer-2\"") > rows.find("id=\"layer-0\""));

    // with an earlier verdict
    const std::string beside = to_html(scan, health, {.baseline = compare_findings(health, health)});
    CHECK(holds(beside, fmt::format("0 new, 0 worse, {} known, 0 resolved", health.findings.size())));
    CHECK(data_of(beside)["findings"][0]["state"] == "known");
    CHECK_THROWS_WITH(to_html(scan, health, {.baseline = baseline_comparison{}}),
                      fmt::format("weightscope::to_html(scan, health, options): the baseline tells of 0 findings, the verdict has {}", health.findings.size()));
}

TEST_CASE("a page of a model without tensors, or of which nothing was measured, is a page")
{
    const scan_result none;
    const std::string empty = to_html(none, judge(none, {}));
    CHECK(data_of(empty)["layers"].empty());
    CHECK(holds(empty, "Nothing was found that a rule objects to."));
    scan_result names;
    names.layers = {{.name = "", .dtype = "F32", .parameters = 1}, {.name = "b", .shape = {3}, .dtype = "F32", .parameters = 3}};
    const std::string bare = to_html(names, judge(names));
    CHECK(data_of(bare)["fields"].empty());
    CHECK(holds(bare, "(no name)"));
    CHECK(holds(bare, "<td>scalar</td>"));
}

TEST_CASE("counts are short in base 36")
{
    CHECK(detail::html_short_counts(std::vector<std::size_t>{0, 35, 36, 1295, 1296, 1'000'000'007}) == "0 z 10 zz 100 gjdgxz");
    CHECK(detail::html_short_counts(std::vector<std::size_t>{1, 2, 3, 4, 5}, 2) == "3 7 5");
}

TEST_CASE("marks of large models name their layers by the number that the table has")
{
    const std::unordered_map<std::string, std::size_t> places = {{"a.weight", 0}, {"b [c].weight", 41}};
    CHECK(detail::html_numbered_marks("<title>a.weight [2x3]: 5 dB</title><title>b [c].weight [4]: 6</title>", places) == "<title>#1: 5 dB</title><title>#42: 6</title>");
    for (const char* other : {"<title>no layer [2x3]: 5</title>", "<title>a.weight: 5</title>", "<title>a.weight</title><p>x [2]: 5</p>", "a.weight [2x3]: 5"})
        CHECK(detail::html_numbered_marks(other, places) == other);
}
