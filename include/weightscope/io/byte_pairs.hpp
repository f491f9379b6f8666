#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <weightscope/core/compiled.hpp>

namespace weightscope::detail {

// Byte pair encoding: neighbours merge in the order of their rank, and where ranks are equal from left to right.
// Sennrich, Haddow, Birch 2016, arXiv:1508.07909
class byte_pairs
{
public:
    // The first rank of a pair counts.
    void add(std::int32_t left, std::int32_t right, std::int32_t merged);

    // Replaces the tokens by what they merge to.
    void merge_inplace(std::vector<std::int32_t>& tokens) const;

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

    static std::uint64_t key(std::int32_t left, std::int32_t right);

    std::unordered_map<std::uint64_t, merge> merges_;
};

// Byte-level vocabularies write each byte as a character that can be seen: itself where it can, or one from U+0100 on. UTF-8.
WEIGHTSCOPE_INLINE const std::array<std::string, 256>& visible_bytes();

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/byte_pairs.hpp>
#endif
