#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <weightscope/io/byte_pairs.hpp>
#include <weightscope/io/split_words.hpp>

namespace weightscope::detail {

// What stands in a text for a whole token, whatever is around it.
struct added_token
{
    std::string content = {};
    std::int32_t token = 0;
    bool special = false;
};

// Where a SentencePiece vocabulary puts its "▁" besides the places of blanks.
enum class blank_in_front
{
    never,
    of_text,
    of_every_part,  // after each special token again
};

// A tokenizer.json in this library's words.
struct tokenizer_tables
{
    std::unordered_map<std::string, std::int32_t> vocabulary = {};
    byte_pairs merges = {};
    std::vector<added_token> added = {};
    std::vector<std::int32_t> prefix = {}, suffix = {};  // special tokens around a text
    std::optional<word_pattern> words = {};              // byte-level where set, else SentencePiece
    bool add_prefix_space = false;                       // of byte-level ones
    blank_in_front blank = blank_in_front::never;        // of SentencePiece ones
    bool even_before_blank = false;                      // where the text begins with a blank already
    bool whole_words_first = false;                      // a word that is a token is not merged
    bool normalized = false;                             // texts must be in Unicode's NFC
    bool byte_fallback = false;                          // unknown characters become tokens of their bytes
    std::optional<std::int32_t> unknown = {};
    bool fuse_unknown = false;
};

inline constexpr std::string_view visible_blank = "\xe2\x96\x81";  // ▁

}  // namespace weightscope::detail
