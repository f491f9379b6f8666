#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/report/document.hpp>
#include <weightscope/report/document_csv.hpp>
#include <weightscope/report/html_document.hpp>
#include <weightscope/report/markdown_document.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

const std::string evil = "</td><script>x</script>|`*_\x1b";

std::size_t count_of(const std::string& text, const std::string& part)
{
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

report_document made_up()
{
    report_document document{.subject = "a <model>", .verdict = "3 of 9 & more", .sentences = {"first <b>", "second"}, .steps = {"do <this>"}};
    document.findings = {{.rule_id = "some_rule", .level = severity::critical, .layer = evil, .message = "1 > 2", .meaning = "that is bad", .remedy = "mend it"}};
    document.worst = detail::worst_of(document.findings);
    document.tables.push_back({.title = "Layers & more", .headings = {"layer", "bits", "format"}, .below = "said <below>"});
    for (int i = 0; i < 9; ++i)
        document.tables[0].rows.push_back({i == 0 ? evil : "blk.0." + std::to_string(i), std::to_string(i) + ".5 KiB", i % 2 ? "int4" : "8bit"});
    document.tables.push_back({.title = "Few", .headings = {"bits", "note"}, .rows = {{"12.5", "-"}, {"-", "word"}}});
    document.charts.push_back({.name = "c", .title = "A <chart>", .svg = "<svg></svg>"});
    document.facts = {{"seconds", "1"}, {"nothing", ""}};
    return document;
}

}  // namespace

TEST_CASE("a document's page has the verdict first, then what to do, its tables and charts, and no markup of others")
{
    const std::string page = to_html(made_up());
    const auto at = [&](const std::string& part) { return page.find(part); };
    for (const char* part : {"<h1>3 of 9 &amp; more</h1>", "<p>first &lt;b&gt;</p>", "<title>a &lt;model&gt;: 3 of 9 &amp; more</title>", "<li>do &lt;this&gt;</li>",
                             "<h2>Layers &amp; more</h2>", "said &lt;below&gt;", "<figcaption>A &lt;chart&gt;</figcaption>\n<svg></svg>", "<dt>seconds</dt><dd>1</dd>"})
        CHECK(at(part) != std::string::npos);
    const std::vector<std::string> order = {"<h1>", "What to do</h2>", "some_rule", "do &lt;this&gt;", "Layers &amp; more</h2>", "Few</h2>", "Charts</h2>", "Settings</h2>"};
    for (std::size_t i = 1; i < order.size(); ++i)
        CHECK(at(order[i - 1]) < at(order[i]));
    CHECK(at("<div class=\"verdict Critical\">") != std::string::npos);
    CHECK(at("nothing</dt>") == std::string::npos);
    CHECK(at("<script>x") == std::string::npos);
    CHECK(count_of(page, "<script>") == 1);
    CHECK(count_of(page, "https://") + count_of(page, "http://") == count_of(page, "http://www.w3.org/2000/svg"));
    // a filter where there are rows enough for one; names break after their parts; figures stand right
    CHECK(count_of(page, "type=\"search\"") == 1);
    CHECK(at("<td class=\"name\">blk.<wbr>0.<wbr>1</td><td class=\"number\">1.5 KiB</td><td>int4</td>") != std::string::npos);
    CHECK(at("<td class=\"number\">12.5</td><td>-</td>") != std::string::npos);
}

TEST_CASE("a figure is a number that stands by itself")
{
    for (const char* text : {"1,024", "-3.5e-07", "≥ 2 %", "x 1.5", "12 of 40", "+0.1 ± 0.02", ".5", "0", "7%", "1.5 KiB"})
        CHECK(detail::is_figure(text));
    for (const char* text : {"8bit", "", "-", "int4", "none", "x", "keep +3 KiB", "1.5KiB"})
        CHECK_FALSE(detail::is_figure(text));
}

TEST_CASE("a document that nobody judged has no colour, and one without findings says so")
{
    report_document document{.subject = "m", .verdict = "v"};
    CHECK(to_html(document).find("<div class=\"verdict\">") != std::string::npos);
    CHECK(to_html(document).find("What to do") == std::string::npos);
    document.judged = true;
    CHECK(to_html(document).find("<div class=\"verdict Good\">") != std::string::npos);
    CHECK(to_html(document).find("Nothing was found that a rule objects to.") != std::string::npos);
    document.worst = severity::warning;
    CHECK(to_html(document).find("<div class=\"verdict Warning\">") != std::string::npos);
}

TEST_CASE("a document in Markdown has every table, cut at so many rows")
{
    const std::string text = to_markdown(made_up(), {.top_issues = 2});
    CHECK(text.find("## 3 of 9 &#38; more\n\n`a <model>`\n\nfirst &#60;b&#62;\n\nsecond\n") == 0);
    CHECK(text.find("\n- do &#60;this&#62;\n") != std::string::npos);
    CHECK(text.find("\n### Layers &#38; more\n\n| layer | bits | format |\n|---|---:|---:|\n| `` </td><script>x</script>\\|`*_\\u{1b} `` | 0.5 KiB | 8bit |\n"
                    "| `blk.0.1` | 1.5 KiB | int4 |\n\nand 7 more\n\nsaid &#60;below&#62;\n")
          != std::string::npos);
    CHECK(text.find("| `-` | word |\n") != std::string::npos);
    CHECK(text.find("| critical | ") != std::string::npos);
    CHECK(to_markdown({.subject = "m", .verdict = "v"}) == "## v\n\n`m`\n");
}

TEST_CASE("every table of a document is a CSV file, what was found first")
{
    report_document document = made_up();
    document.tables.push_back({.title = "few", .headings = {"a", "b"}, .rows = {{"1,5", "say \"x\""}}});
    document.tables.push_back({.title = "###", .headings = {"a"}, .rows = {}});
    const auto files = to_csv_files(document);
    std::vector<std::string> names;
    for (const auto& [name, text] : files)
        names.push_back(name);
    CHECK(names == std::vector<std::string>{"findings.csv", "layers-more.csv", "few.csv", "few-2.csv", "table.csv"});
    CHECK(files[3].second == "a,b\n\"1,5\",\"say \"\"x\"\"\"\n");
    CHECK(files[4].second == "a\n");
    CHECK(files[0].second.find("severity,layer,rule,metric,value,threshold,found,meaning,what to do\ncritical,") == 0);
    detail::text_table table{.headings = {"name", "empty", "full"}, .rows = {{"a", "", "1"}, {"", "", ""}}};
    report_document other;
    detail::add_table(other, "t", table);
    CHECK(other.tables.front().headings == std::vector<std::string>{"name", "full"});
    CHECK(other.tables.front().rows == std::vector<std::vector<std::string>>{{"a", "1"}, {"", ""}});
    detail::add_table(other, "nothing", {.headings = {"x"}, .rows = {}});
    CHECK(other.tables.size() == 1);
}

TEST_CASE("lines of a text for a terminal are sentences")
{
    CHECK(detail::document_lines("one\ntwo, three\n\nfour") == std::vector<std::string>{"one", "two, three", "four"});
    CHECK(detail::document_lines("").empty());
}
