#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_ranking_csv.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/scorers/bit_population.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_trial_order.hpp>

namespace weightscope {

namespace detail {

// "model.layers.12.mlp.up_proj.weight" is of layer "model.layers.12", number 12.
struct bit_layer_name
{
    std::string key = {};
    std::string number = {};
};

inline bit_layer_name bit_layer_of(std::string_view name)
{
    for (std::size_t begin = 0; begin < name.size();) {
        const std::size_t end = std::min(name.find('.', begin), name.size());
        const std::string_view part = name.substr(begin, end - begin);
        if (!part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos)
            return {std::string(name.substr(0, end)), std::string(part)};
        begin = end + 1;
    }
    return {std::string(name), ""};
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_csv(const bit_ranking& ranking, std::size_t count)
{
    std::string text = "metric,rank,group_rank,model,model_group,name,layer_key,layer_id,bit,flat,weight_score,metric_delta,metric_value,part\n";
    for (std::size_t m = 0; m < ranking.metrics.size(); ++m) {
        std::map<std::string, std::size_t> in_group;
        std::size_t rank = 0;
        for (const bit_trial* trial : detail::trials_by_metric(ranking, m)) {
            if (count > 0 && rank == count)
                break;
            const std::string kind = detail::kind_of_tensor(trial->flip.name);
            const detail::bit_layer_name layer = detail::bit_layer_of(trial->flip.name);
            text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", detail::quoted(ranking.metrics[m]), ++rank, ++in_group[kind],
                                detail::quoted(trial->flip.model), detail::quoted(kind), detail::quoted(trial->flip.name), detail::quoted(layer.key), layer.number,
                                trial->flip.bit, trial->flip.flat, detail::csv_number(trial->weight_score), detail::csv_number(trial->deltas[m]),
                                detail::csv_number(trial->values[m]), trial->flip.part);
        }
    }
    return text;
}

}  // namespace weightscope
