#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

/// What a file of chosen or ranked bits says of the model and the choice, besides what the results hold.
struct bit_report_context
{
    std::string model = {};                 ///< path
    std::string format = {};
    std::vector<std::string> restricted = {};  ///< parts of names that were asked for
    std::size_t num_val_batches = 0;        ///< that forwards ran over; 0: there were none
    std::size_t eval_seq_len = 0;           ///< tokens of a row; 0: not known
    std::string weights_file = {};          ///< that candidates were read from; empty: they were chosen in the same run
    std::vector<std::string> notes = {};
};

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_flip_counts& flips);

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_candidate& c);

}  // namespace detail

/// Chosen weights as one document, "weightscope/bits_select/1", described by tests/schemas/bits_select.schema.json. The score of a weight
/// that was drawn is null.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_selection& selection, const select_bits_options& options,
                                                                const bit_report_context& context);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_selection_json.hpp>
#endif
