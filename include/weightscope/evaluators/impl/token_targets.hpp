#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/evaluators/token_targets.hpp>
#include <weightscope/evaluators/transformer_config.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void require_tokens(const token_rows& t, const transformer_config& config)
{
    require(t.rows > 0 && t.tokens.size() == t.rows * t.length, "transformer(model, config, tokens): {} tokens, expected {} rows of {}",
            t.tokens.size(), t.rows, t.length);
    require(t.length >= 2 && t.length <= config.max_positions,
            "transformer(model, config, tokens): rows have {} tokens, expected 2 to {}, which the model can see", t.length,
            config.max_positions);
    for (std::size_t i = 0; i < t.tokens.size(); ++i) {
        require(t.tokens[i] < 0 || static_cast<std::size_t>(t.tokens[i]) < config.vocabulary_size,
                "transformer(model, config, tokens): token {} of row {} is {}, expected below {}, the size of the vocabulary",
                i % t.length, i / t.length, t.tokens[i], config.vocabulary_size);
        require(t.tokens[i] < 0 || i % t.length == 0 || t.tokens[i - 1] >= 0,
                "transformer(model, config, tokens): token {} of row {} follows padding, expected padding at the end only", i % t.length,
                i / t.length);
    }
}

WEIGHTSCOPE_INLINE std::vector<std::int32_t> targets_of(std::span<const std::int32_t> tokens, std::size_t length,
                                                        std::optional<std::int32_t> predict_after)
{
    std::vector<std::int32_t> targets(tokens.size(), -1);
    for (std::size_t begin = 0; begin < tokens.size(); begin += length) {
        bool counts = !predict_after.has_value();
        for (std::size_t i = begin; i + 1 < begin + length; ++i) {
            counts = counts || tokens[i] == *predict_after;
            if (counts && tokens[i + 1] >= 0)
                targets[i] = tokens[i + 1];
        }
    }
    return targets;
}

}  // namespace weightscope::detail
