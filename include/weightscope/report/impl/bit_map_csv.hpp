#pragma once

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/bit_map_csv.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/csv.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_csv(const bit_map_study_result& study)
{
    std::string text = "name,shape,dtype,max_magnitude,rms,part,bit,class,weights_per_flip,flips,nan_count,infinite_count,unchanged_count,"
                       "max_change,max_flat,max_old,max_new,mean_change,rms_change,above_max_count,above_rms_count\n";
    const auto cell = [](const metric& figure) { return figure.exists() ? detail::csv_number(figure.value) : std::string(); };
    for (const tensor_bit_map& tensor : study.tensors)
        for (const bit_position& p : tensor.map.positions) {
            const bool any = p.max_change.exists();
            text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", detail::quoted(tensor.name),
                                fmt::join(tensor.shape, "x"), detail::quoted(tensor.dtype), detail::csv_number(tensor.map.max_magnitude),
                                detail::csv_number(tensor.map.rms), p.part, p.bit, to_string(p.kind), p.weights_per_flip, p.flip_count, p.nan_count,
                                p.infinite_count, p.unchanged_count, cell(p.max_change), any ? fmt::format("{}", p.max_index) : "",
                                any ? detail::csv_number(p.max_old) : "", any ? detail::csv_number(p.max_new) : "", cell(p.mean_change),
                                cell(p.rms_change), p.above_max_count, p.above_rms_count);
        }
    return text;
}

}  // namespace weightscope
