#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/byte_pairs.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void byte_pairs::add(std::int32_t left, std::int32_t right, std::int32_t merged)
{
    merges_.emplace(key(left, right), merge{static_cast<std::int32_t>(merges_.size()), merged});
}

WEIGHTSCOPE_INLINE void byte_pairs::merge_inplace(std::vector<std::int32_t>& tokens) const
{
    constexpr std::size_t none = static_cast<std::size_t>(-1);
    const std::size_t count = tokens.size();
    std::vector<std::size_t> next(count), previous(count);
    std::priority_queue<candidate, std::vector<candidate>, later> queue;
    const auto offer = [&](std::size_t left) {
        if (left == none || next[left] == none)
            return;
        const auto at = merges_.find(key(tokens[left], tokens[next[left]]));
        if (at != merges_.end())
            queue.push({at->second.rank, left, tokens[left], tokens[next[left]], at->second.merged});
    };
    for (std::size_t i = 0; i < count; ++i) {
        previous[i] = i == 0 ? none : i - 1;
        next[i] = i + 1 == count ? none : i + 1;
    }
    for (std::size_t i = 0; i + 1 < count; ++i)
        offer(i);
    while (!queue.empty()) {
        const candidate best = queue.top();
        queue.pop();
        const std::size_t left = best.position, right = next[left];
        if (tokens[left] != best.left || right == none || tokens[right] != best.right)
            continue;  // one of the two has merged with another meanwhile
        tokens[left] = best.merged;
        tokens[right] = -1;
        next[left] = next[right];
        if (next[left] != none)
            previous[next[left]] = left;
        offer(previous[left]);
        offer(left);
    }
    std::erase(tokens, -1);
}

WEIGHTSCOPE_INLINE std::uint64_t byte_pairs::key(std::int32_t left, std::int32_t right)
{
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

WEIGHTSCOPE_INLINE const std::array<std::string, 256>& visible_bytes()
{
    static const std::array<std::string, 256> characters = [] {
        std::array<std::string, 256> result;
        unsigned next = 0x100;
        for (unsigned byte = 0; byte < 256; ++byte) {
            const bool visible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
            const unsigned code = visible ? byte : next++;
            if (code < 0x80)
                result[byte] = std::string(1, static_cast<char>(code));
            else
                result[byte] = {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
        }
        return result;
    }();
    return characters;
}

}  // namespace weightscope::detail
