#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/document_csv.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE document_table to_table(const std::vector<finding>& findings)
{
    document_table table{.title = "Findings", .headings = {"severity", "layer", "rule", "metric", "value", "threshold", "found", "meaning", "what to do"}};
    for (const finding& f : findings)
        table.rows.push_back({std::string(to_string(f.level)), f.layer, f.rule_id, f.metric_name, detail::csv_number(f.value), detail::csv_number(f.threshold), f.message,
                              f.meaning, f.remedy});
    return table;
}

WEIGHTSCOPE_INLINE std::string to_csv(const document_table& table)
{
    csv_table csv(table.headings);
    for (const auto& row : table.rows)
        csv.add(row);
    return csv.text();
}

WEIGHTSCOPE_INLINE std::vector<std::pair<std::string, std::string>> to_csv_files(const report_document& document)
{
    const auto name_of = [](std::string_view title) {
        std::string name;
        for (const char c : title)
            if (std::isalnum(static_cast<unsigned char>(c)) != 0)
                name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            else if (!name.empty() && name.back() != '-')
                name += '-';
        while (!name.empty() && name.back() == '-')
            name.pop_back();
        return name.empty() ? std::string("table") : name;
    };
    std::vector<std::pair<std::string, std::string>> files;
    const auto add = [&](const document_table& table) {
        const std::string name = name_of(table.title);
        std::string file = name + ".csv";
        for (std::size_t n = 2; std::any_of(files.begin(), files.end(), [&](const auto& other) { return other.first == file; }); ++n)
            file = name + "-" + std::to_string(n) + ".csv";
        files.emplace_back(std::move(file), to_csv(table));
    };
    if (document.judged || !document.findings.empty())
        add(to_table(document.findings));
    for (const document_table& table : document.tables)
        add(table);
    return files;
}

}  // namespace weightscope
