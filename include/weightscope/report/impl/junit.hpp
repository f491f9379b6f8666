#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/junit.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/svg.hpp>

namespace weightscope {

namespace detail {

// One test: what failed in it, and what is worth telling beside.
struct junit_case
{
    std::vector<std::string> failures = {}, notes = {};
    std::string failure_type = {};
};

inline junit_case junit_case_of(const health_result& health, const std::vector<std::size_t>& found, const junit_options& options)
{
    junit_case result;
    for (const std::size_t k : found) {
        const finding& f = health.findings[k];
        const bool fails = options.fail_on && f.level >= *options.fail_on && (!options.baseline || options.baseline->is_news(k));
        const std::string state = options.baseline ? fmt::format(", {}", to_string(options.baseline->states[k])) : "";
        (fails ? result.failures : result.notes)
            .push_back(fmt::format("{} ({}{}): {}; {}. {}", f.rule_id, to_string(f.level), state, f.message, f.meaning, f.remedy));
        if (fails && result.failure_type.empty())
            result.failure_type = f.rule_id;
    }
    return result;
}

// Several failures are told in one element: readers of this format disagree on whether there may be more.
inline std::string junit_text(std::string_view model, std::string_view name, const junit_case& c, std::string_view error, std::string_view skipped)
{
    std::string inside;
    const auto lines = [](const std::vector<std::string>& texts) {
        std::string text;
        for (const std::string& line : texts)
            text += xml_text(line) + "\n";
        return text;
    };
    if (!error.empty())
        inside += fmt::format("<error type=\"unreadable\" message=\"{}\"/>", xml_text(error));
    else if (!c.failures.empty())
        inside += fmt::format("<failure type=\"{}\" message=\"{}\">{}</failure>", xml_text(c.failure_type), xml_text(c.failures.front()), lines(c.failures));
    else if (!skipped.empty())
        inside += fmt::format("<skipped message=\"{}\"/>", xml_text(skipped));
    if (!c.notes.empty())
        inside += fmt::format("<system-out>{}</system-out>", lines(c.notes));
    const std::string head = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"0\"", xml_text(model), xml_text(name));
    return inside.empty() ? head + "/>\n" : head + ">" + inside + "</testcase>\n";
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_junit(const scan_result& scan, const health_result& health, const junit_options& options)
{
    require(!options.baseline || options.baseline->states.size() == health.findings.size(),
            "to_junit(scan, health, options): the baseline tells of {} findings, the verdict has {}",
            options.baseline ? options.baseline->states.size() : 0, health.findings.size());
    std::unordered_map<std::string_view, std::vector<std::size_t>> found;
    for (std::size_t k = 0; k < health.findings.size(); ++k)
        found[health.findings[k].layer].push_back(k);
    std::string cases;
    std::size_t failures = 0, errors = 0, skipped = 0;
    const auto add = [&](std::string_view name, const std::vector<std::size_t>& of_layer, const std::string& error, const std::string& reason) {
        const detail::junit_case c = detail::junit_case_of(health, of_layer, options);
        ++(!error.empty() ? errors : !c.failures.empty() ? failures : skipped);
        if (error.empty() && c.failures.empty() && reason.empty())
            --skipped;
        cases += detail::junit_text(scan.model.path, name, c, error, reason);
    };
    add("the model", found[""], "", "");
    for (const layer_result& layer : scan.layers)
        add(layer.name.empty() ? "(no name)" : layer.name, layer.name.empty() ? std::vector<std::size_t>() : found[layer.name], layer.error, layer.skipped);
    const std::string counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\"", scan.layers.size() + 1, failures, errors);
    return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"weightscope\" {0} time=\"{1:.3f}\">\n  <testsuite name=\"{2}\" {0} "
                       "skipped=\"{3}\" time=\"{1:.3f}\">\n    <properties>\n      <property name=\"score\" value=\"{4}\"/>\n      <property name=\"grade\" "
                       "value=\"{5}\"/>\n      <property name=\"recommendation\" value=\"{6}\"/>\n    </properties>\n{7}  </testsuite>\n</testsuites>\n",
                       counts, scan.seconds, detail::xml_text(scan.model.path), skipped, health.score, to_string(health.grade),
                       detail::xml_text(health.recommendation), cases);
}

}  // namespace weightscope
