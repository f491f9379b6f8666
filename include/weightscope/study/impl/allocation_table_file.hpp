#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/quantization_study_advice.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_table_file.hpp>

namespace weightscope {

namespace detail {

// Rows of a CSV text after RFC 4180; nothing where a quote does not end.
inline std::optional<std::vector<std::vector<std::string>>> table_rows(std::string_view text)
{
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> row;
    std::string cell;
    bool within = false;
    const auto end_row = [&] {
        row.push_back(std::move(cell));
        cell.clear();
        if (row.size() > 1 || !row.front().empty())
            rows.push_back(std::move(row));
        row.clear();
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (within && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
            cell += '"';
            ++i;
        } else if (c == '"') {
            within = !within;
        } else if (within || (c != ',' && c != '\n' && c != '\r')) {
            cell += c;
        } else if (c == ',') {
            row.push_back(std::move(cell));
            cell.clear();
        } else if (c == '\n') {
            end_row();
        }
    }
    if (within)
        return std::nullopt;
    end_row();
    return rows;
}

// Lines of a table by the names of their columns, from CSV or from a JSON list of objects.
using table_line = std::map<std::string, std::string>;

inline std::vector<table_line> read_table_lines(const std::filesystem::path& path)
{
    const mapped_file file(path);
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    std::vector<table_line> lines;
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != text.npos && (text[first] == '[' || text[first] == '{')) {
        const nlohmann::json document = read_json_document(path);
        if (!document.is_array())
            throw io_error(path, std::nullopt, {}, "is no list of objects such as {\"layer\": \"a\", \"scheme\": \"int4-g64\", \"value\": 0.5}");
        for (const nlohmann::json& object : document) {
            table_line& line = lines.emplace_back();
            if (object.is_object())
                for (const auto& [key, value] : object.items())
                    line[key] = value.is_string() ? value.get<std::string>() : value.dump();
        }
        return lines;
    }
    const auto rows = table_rows(text);
    if (!rows || rows->empty())
        throw io_error(path, std::nullopt, {}, rows ? "is empty" : "has a quote that does not end");
    for (std::size_t r = 1; r < rows->size(); ++r) {
        table_line& line = lines.emplace_back();
        for (std::size_t c = 0; c < (*rows)[r].size() && c < rows->front().size(); ++c)
            line[rows->front()[c]] = (*rows)[r][c];
    }
    return lines;
}

inline double table_number(const std::filesystem::path& path, std::size_t row, const std::string& column, const std::string& text, double least)
{
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < least)
        throw io_error(path, std::nullopt, fmt::format("entry {}: {}", row, column),
                       fmt::format("is '{}', expected a finite number{}", printable(text), least == 0 ? " from 0 on" : ""));
    return value;
}

// Calls f(line, value) for each line that has these columns; all must.
template <class F>
void for_each_table_value(const std::filesystem::path& path, const std::vector<std::string>& columns, const std::string& value_column, const F& f)
{
    const std::vector<table_line> lines = read_table_lines(path);
    if (lines.empty())
        throw io_error(path, std::nullopt, {}, "has no entries");
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const table_line& line = lines[i];
        for (const std::string& column : columns)
            if (!line.contains(column))
                throw io_error(path, std::nullopt, fmt::format("entry {}", i + 1),
                               fmt::format("lacks '{}', expected {} and where known standard_error", column, fmt::join(columns, ", ")));
        uncertain_value value{.value = table_number(path, i + 1, value_column, line.at(value_column), -1e300)};
        if (const auto found = line.find("standard_error"); found != line.end() && !found->second.empty() && found->second != "null")
            value.standard_error = table_number(path, i + 1, found->first, found->second, 0);
        f(i + 1, line, value);
    }
}

// A scheme as to_string() names it.
inline std::string table_scheme(const std::filesystem::path& path, std::size_t row, const std::string& name)
{
    try {
        return to_string(canonical(parse_scheme(name)));
    } catch (const std::invalid_argument&) {
        throw io_error(path, std::nullopt, fmt::format("entry {}: scheme", row), fmt::format("no scheme is named '{}'", printable(name)));
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::map<std::pair<std::string, std::string>, uncertain_value> read_allocation_losses(const std::filesystem::path& path)
{
    std::map<std::pair<std::string, std::string>, uncertain_value> losses;
    detail::for_each_table_value(path, {"layer", "scheme", "value"}, "value", [&](std::size_t row, const detail::table_line& line, uncertain_value value) {
        const std::string name = detail::table_scheme(path, row, line.at("scheme"));
        if (!losses.emplace(std::pair(line.at("layer"), name), value).second)
            throw io_error(path, std::nullopt, fmt::format("entry {}", row),
                           fmt::format("is the second one of {} in {}", printable(line.at("layer")), name));
    });
    return losses;
}

WEIGHTSCOPE_INLINE std::map<std::string, uncertain_value> read_hessian_traces(const std::filesystem::path& path)
{
    std::map<std::string, uncertain_value> traces;
    detail::for_each_table_value(path, {"layer", "trace"}, "trace", [&](std::size_t row, const detail::table_line& line, uncertain_value value) {
        if (!traces.emplace(line.at("layer"), value).second)
            throw io_error(path, std::nullopt, fmt::format("entry {}", row), fmt::format("is the second one of {}", printable(line.at("layer"))));
    });
    return traces;
}

WEIGHTSCOPE_INLINE std::map<std::pair<std::string, std::string>, double> read_latencies(const std::filesystem::path& path)
{
    std::map<std::pair<std::string, std::string>, double> latencies;
    detail::for_each_table_value(path, {"layer", "scheme", "latency"}, "latency", [&](std::size_t row, const detail::table_line& line, uncertain_value value) {
        const std::string name = line.at("scheme") == "keep" ? "keep" : detail::table_scheme(path, row, line.at("scheme"));
        if (value.value < 0)
            throw io_error(path, std::nullopt, fmt::format("entry {}: latency", row), fmt::format("is {}, expected 0 or more", value.value));
        if (!latencies.emplace(std::pair(line.at("layer"), name), value.value).second)
            throw io_error(path, std::nullopt, fmt::format("entry {}", row), fmt::format("is the second one of {} in {}", printable(line.at("layer")), name));
    });
    return latencies;
}

}  // namespace weightscope
