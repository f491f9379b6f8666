#include <string>
#include <vector>

#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/markdown.hpp>
#include <weightscope/report/markdown_text.hpp>
#include <weightscope/report/series_result.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("Markdown shows text as it stands")
{
    CHECK(detail::markdown_text("a*b_c [x](y) <b> @all | `q` #1 $z \\ ~") == "a\\*b\\_c \\[x\\](y) &#60;b&#62; &#64;all \\| \\`q\\` \\#1 \\$z \\\\ \\~");
    CHECK(detail::markdown_text("a\nb\x1b") == "a\\\\u{a}b\\\\u{1b}");
    CHECK(detail::markdown_code("a.weight") == "`a.weight`");
    CHECK(detail::markdown_code("a|``b`") == "``` a\\|``b` ```");
    CHECK(detail::markdown_code("").empty());
    CHECK(detail::markdown_table({.headings = {"layer", "kappa"}, .rows = {}}).empty());
    CHECK(detail::markdown_table({.headings = {"layer", "kappa"}, .rows = {{"a", "1"}, {"b|c", ">= 2"}}})
          == "\n| layer | kappa |\n|---|---:|\n| `a` | 1 |\n| `b\\|c` | &#62;= 2 |\n");
}

TEST_CASE("a verdict in Markdown has its findings as a table, with their state beside a baseline")
{
    scan_result scan{.model = {.path = "m.safetensors"}};
    scan.layers = {{.name = "a", .shape = {2}, .dtype = "F32", .parameters = 2}};
    const finding loud{.rule_id = "loud", .level = severity::critical, .layer = "a", .message = "2 > 1", .meaning = "it is much", .remedy = "Do less."};
    const finding quiet{.rule_id = "quiet", .level = severity::info, .message = "1 < 2"};
    const health_result health{.score = 79, .grade = health_grade::good, .recommendation = "optimise first", .limited_by = "loud", .findings = {loud, quiet}};
    const std::string head = "## Health 79/100, Good: optimise first\n\n1 critical finding, 0 warnings, 1 note in 1 tensor of `m.safetensors`; the score is held "
                             "down by `loud`\n";
    CHECK(to_markdown(scan, health)
          == head + "\n| | layer | rule | what was found | what to do |\n|---|---|---|---|---|\n"
                    "| critical | `a` | `loud` | 2 &#62; 1; it is much | Do less. |\n| info | the model | `quiet` | 1 &#60; 2 |  |\n");
    CHECK(to_markdown(scan, health, {.top_issues = 0}) == head);
    auto baseline = compare_findings(health, {.findings = {quiet, {.rule_id = "gone", .layer = "b"}}});
    baseline.path = "base.json";
    CHECK(to_markdown(scan, health, {.top_issues = 1, .baseline = baseline})
          == head + "\nAgainst `base.json`: 1 new, 0 worse, 1 known, 1 resolved\n- resolved: `b` `gone`\n"
                    "\n| | layer | rule | what was found | what to do | beside the baseline |\n|---|---|---|---|---|---|\n"
                    "| critical | `a` | `loud` | 2 &#62; 1; it is much | Do less. | new |\n\nand 1 more\n");
    CHECK_THROWS_WITH(to_markdown(scan, health, {.baseline = baseline_comparison{}}),
                      "weightscope::to_markdown(scan, health, options): the baseline tells of 0 findings, the verdict has 2");
}

TEST_CASE("a comparison and a series have their tables in Markdown")
{
    comparison_result r;
    r.a.path = "a";
    r.b.path = "b";
    r.relation = model_relation::fine_tune;
    r.evidence = {"All 2 layers moved."};
    r.layers = {{.name = "w|x", .name_b = "w|x", .parameters = 4}};
    r.layers[0].scans = scan_difference{.mean_diff = 0.5, .std_diff = 0.25, .l2_norm_ratio = 2, .change_score = 8.5};
    r.only_in_b = {{.name = "new", .parameters = 1000}};
    const std::string text = to_markdown(r);
    CHECK(text.starts_with("## fine-tune\n\n- A: `a`\n- B: `b`\n- All 2 layers moved.\n"));
    CHECK(text.find("\n| `w\\|x` | 8.5000 | +5.00e-01 | +2.50e-01 | 2.0000 |\n") != std::string::npos);
    CHECK(text.find("\n| only in B | parameters |\n|---|---:|\n| `new` | 1,000 |\n") != std::string::npos);

    series_result s;
    s.checkpoints = {{.name = "one", .layers = {{.name = "w", .l2_norm = 1}}}, {.name = "two", .layers = {{.name = "w", .l2_norm = 2, .relative_l2_distance = 1}}}};
    s.checkpoints[1].findings = {{.rule_id = "growth", .level = severity::warning, .layer = "w", .message = "2", .remedy = "Watch."}};
    CHECK(to_markdown(s) == "## 2 checkpoints, 0 critical findings, 1 warning\n\n| | layer | rule | what was found | what to do |\n|---|---|---|---|---|\n"
                            "| warning | `w at two` | `growth` | 2 | Watch. |\n\n| moved most | way | norm at first | at last | largest sigma | stable rank |\n"
                            "|---|---:|---:|---:|---:|---:|\n| `w` | 1 | 1 | 2 | - | - |\n");
}
