#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

using csv_row = std::vector<std::pair<std::string, std::string>>;  // column, cell

WEIGHTSCOPE_INLINE std::string csv_number(double value)
{
    return std::isfinite(value) ? fmt::format("{}", value) : std::string();
}

// One cell per field; parts of parts are joined by dots, lists of figures stay out.
template <has_fields T>
void append_cells(csv_row& row, const T& value, const std::string& prefix)
{
    for_each_field(value, [&]<class V>(std::string_view name, const V& field) {
        const std::string column = prefix + std::string(name);
        if constexpr (has_fields<V>)
            append_cells(row, field, column + ".");
        else if constexpr (std::is_same_v<V, metric>)
            row.emplace_back(column, field.exists() ? csv_number(field.value) : "");
        else if constexpr (std::is_same_v<V, whole_metric>)
            row.emplace_back(column, field.number.exists() ? csv_number(field.number.value) : "");
        else if constexpr (std::is_same_v<V, double>)
            row.emplace_back(column, csv_number(field));
        else if constexpr (std::is_arithmetic_v<V> || std::is_convertible_v<V, std::string_view>)
            row.emplace_back(column, fmt::format("{}", field));
        else if (column == "shape")
            row.emplace_back(column, fmt::format("{}", fmt::join(field, "x")));
    });
}

WEIGHTSCOPE_INLINE std::string quoted(std::string_view cell)
{
    if (cell.find_first_of(",\"\r\n") == std::string_view::npos)
        return std::string(cell);
    std::string text = "\"";
    for (const char c : cell) {
        text += c;
        if (c == '"')
            text += c;
    }
    return text + '"';
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_csv(const scan_result& scan)
{
    std::vector<std::string> columns = {"name",    "shape",        "dtype",   "parameters", "transposed",
                                        "tied_to", "duplicate_of", "skipped", "error"};
    const auto fixed = static_cast<std::ptrdiff_t>(columns.size());
    std::vector<std::map<std::string, std::string>> rows;
    for (const layer_result& layer : scan.layers) {
        detail::csv_row row = {{"name", layer.name}};
        detail::append_cells(row, layer, "");
        auto place = columns.begin();  // where a column that is new belongs: after the one before it
        for (const auto& entry : row) {
            auto found = std::find(columns.begin(), columns.end(), entry.first);
            if (found == columns.end())
                found = columns.insert(std::max(place, columns.begin() + fixed), entry.first);
            place = found + 1;
        }
        rows.emplace_back(row.begin(), row.end());
    }

    std::string text = fmt::format("{}\n", fmt::join(columns, ","));
    for (const auto& row : rows) {
        std::string line;
        for (const std::string& column : columns) {
            const auto cell = row.find(column);
            line += (line.empty() && column == columns.front() ? "" : ",")
                    + (cell == row.end() ? std::string() : detail::quoted(cell->second));
        }
        text += line + "\n";
    }
    return text;
}

}  // namespace weightscope
