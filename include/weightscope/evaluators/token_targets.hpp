#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/evaluators/transformer_config.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void require_tokens(const token_rows& t, const transformer_config& config);

// What each place is to predict; -1 for nothing.
WEIGHTSCOPE_INLINE std::vector<std::int32_t> targets_of(std::span<const std::int32_t> tokens, std::size_t length,
                                                        std::optional<std::int32_t> predict_after);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/token_targets.hpp>
#endif
