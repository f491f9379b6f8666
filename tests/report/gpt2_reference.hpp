#pragma once
// Published figures of GPT-2 small as scan results: fixtures/gpt2_reference.csv, one row per layer, the tied head counted.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <weightscope/analyzers/gaussian_baseline.hpp>
#include <weightscope/report/scan_result.hpp>

namespace gpt2_reference {

inline std::vector<std::map<std::string, std::string>> read_csv(const std::filesystem::path& path)
{
    std::ifstream file(path);
    const auto cells = [](const std::string& line) {
        std::vector<std::string> result(1);
        for (const char c : line)
            c == ',' ? result.emplace_back() : result.back() += c;
        return result;
    };
    std::string line;
    std::getline(file, line);
    const std::vector<std::string> columns = cells(line);
    std::vector<std::map<std::string, std::string>> rows;
    while (std::getline(file, line)) {
        const std::vector<std::string> values = cells(line);
        for (std::size_t i = 0; i < columns.size(); ++i)
            (i == 0 ? rows.emplace_back() : rows.back())[columns[i]] = values.at(i);
    }
    return rows;
}

inline weightscope::scan_result scan()
{
    using namespace weightscope;
    scan_result result{.model = {.path = "gpt2", .tensors = 51}};
    for (auto& row : read_csv(std::filesystem::path(__FILE__).parent_path() / "fixtures/gpt2_reference.csv")) {
        const auto number = [&](const char* column) { return metric(std::stod(row.at(column))); };
        const auto rows = static_cast<std::size_t>(std::stoul(row["rows"])),
                   cols = static_cast<std::size_t>(std::stoul(row["cols"]));
        layer_result layer{.name = row["layer"], .shape = {rows, cols}, .dtype = "F16", .parameters = rows * cols};
        layer.basic_stats = basic_stats_result{.census = {.count = rows * cols},
                                               .mean = number("mean"),
                                               .std = number("std"),
                                               .min = number("min"),
                                               .max = number("max"),
                                               .zeros_percentage = number("zeros_pct")};
        layer.spectral =
            spectral_result{.rows = rows,
                            .cols = cols,
                            .max_singular_value = number("smax"),
                            .min_singular_value = number("smin"),
                            .condition_number = number("cond"),
                            .condition_number_at_least = number("cond"),
                            .stable_rank = number("stable_rank"),
                            .effective_rank = number("effective_rank"),
                            .numerical_rank = number("total_rank"),
                            .total_rank = std::min(rows, cols),
                            .gaussian_condition_number = gaussian_condition_number(rows, cols),
                            .gaussian_stable_rank = gaussian_stable_rank(rows, cols),
                            .condition_number_p_value = condition_number_p_value(std::stod(row["cond"]), rows, cols)};
        layer.quantization = quantization_sensitivity_result{.outlier_percentage = number("outlier_pct"),
                                                             .extreme_outlier_percentage = number("extreme_pct"),
                                                             .quantization_scale = number("scale"),
                                                             .sqnr_db = number("sqnr_db"),
                                                             .abs_max = number("abs_max"),
                                                             .dynamic_range = number("dyn"),
                                                             .gaussian_sqnr_db = gaussian_sqnr_db(rows * cols, 8)};
        result.layers.push_back(layer);
    }
    return result;
}

}  // namespace gpt2_reference
