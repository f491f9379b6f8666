#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace weightscope::detail {

// Byte pair encoding: neighbours merge in the order of their rank, and where ranks are equal from left to right.
// Sennrich, Haddow, Birch 2016, arXiv:1508.07909
class byte_pairs
{
public:
    // The first rank of a pair counts.
    void add(std::int32_t left, std::int32_t right, std::int32_t merged)
    {
        merges_.emplace(key(left, right), merge{static_cast<std::int32_t>(merges_.size()), merged});
    }

    // Replaces the tokens by what they merge to.
    void merge_inplace(std::vector<std::int32_t>& tokens) const
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

private:
    struct merge
    {
        std::int32_t rank = 0, merged = 0;
    };
    struct candidate
    {
        std::int32_t rank = 0;
        std::size_t position = 0;
        std::int32_t left = 0, right = 0, merged = 0;
    };
    struct later
    {
        bool operator()(const candidate& a, const candidate& b) const
        {
            return std::tie(a.rank, a.position) > std::tie(b.rank, b.position);
        }
    };

    static std::uint64_t key(std::int32_t left, std::int32_t right)
    {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    }

    std::unordered_map<std::uint64_t, merge> merges_;
};

// Byte-level vocabularies write each byte as a character that can be seen: itself where it can, or one from U+0100 on. UTF-8.
inline const std::array<std::string, 256>& visible_bytes()
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
