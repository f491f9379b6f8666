#pragma once

#include <cstddef>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/quantization_diff_csv.hpp>
#include <weightscope/report/quantization_diff_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_csv(const quantization_diff_result& diff)
{
    std::string text = "layer,shape,dtype,kept,first_scheme,second_scheme,first_sqnr_db,second_sqnr_db,change_db,differing_values,differing_fraction,"
                       "differing_codes_fraction,largest_difference,groups,differing_groups,worst_row,worst_column,worst_weight,worst_first_value,"
                       "worst_second_value\n";
    const auto cell = [](const metric& figure) { return figure.exists() ? detail::csv_number(figure.value) : std::string(); };
    for (const quantization_diff_layer& one : diff.layers) {
        const std::string layer = fmt::format("{},{},{},{},{}", detail::quoted(one.layer.name), fmt::join(one.layer.shape, "x"), one.layer.dtype,
                                              detail::quoted(one.layer.error.empty() ? one.layer.kept : "not measured"), to_string(diff.schemes.front()));
        if (one.differences.empty())
            text += layer + std::string(15, ',') + "\n";
        for (std::size_t s = 1; s < diff.schemes.size() && !one.differences.empty(); ++s) {
            const scheme_difference& d = one.differences[s - 1];
            text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},", layer, to_string(diff.schemes[s]), cell(d.first_sqnr_db), cell(d.second_sqnr_db),
                                cell(d.change_db), d.differing_count, cell(d.differing_fraction), cell(d.differing_codes_fraction),
                                detail::csv_number(d.largest_difference), d.group_count, d.differing_groups);
            text += d.worst ? fmt::format("{},{},{},{},{}\n", d.worst->row, d.worst->worst_column, detail::csv_number(d.worst->weight),
                                          detail::csv_number(d.worst->first_value), detail::csv_number(d.worst->second_value))
                            : ",,,,\n";
        }
    }
    return text;
}

}  // namespace weightscope
