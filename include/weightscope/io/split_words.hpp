#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/unicode_ranges.hpp>

namespace weightscope::detail {

// How a byte-level tokenizer cuts a text into words, within which it merges.
enum class word_pattern
{
    gpt2,
    llama3,
    qwen2,
};

struct known_pattern
{
    word_pattern pattern;
    std::string_view expression;  // as tokenizer.json writes it
};

inline constexpr std::array<known_pattern, 3> known_patterns = {{
    {word_pattern::gpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {word_pattern::llama3, R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                           R"(\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {word_pattern::qwen2, R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                          R"(\s*[\r\n]+|\s+(?!\S)|\s+)"},
}};

WEIGHTSCOPE_INLINE std::optional<word_pattern> find_pattern(std::string_view expression);

// The patterns above, alternative by alternative. The text must be UTF-8.
class word_splitter
{
public:
    word_splitter(std::string_view text, word_pattern pattern);

    std::vector<std::string_view> split() const;

private:
    // 0, which is in no set, past the end
    char32_t code(std::size_t i) const { return i < codes_.size() ? codes_[i] : 0; }
    bool symbol(std::size_t i) const { return i < codes_.size() && !is_space(codes_[i]) && !is_letter(codes_[i]) && !is_number(codes_[i]); }
    static bool line_end(char32_t c) { return c == '\r' || c == '\n'; }

    template <class Set>
    std::size_t run_end(std::size_t begin, const Set& inside) const
    {
        while (begin < codes_.size() && inside(codes_[begin]))
            ++begin;
        return begin;
    }

    std::size_t word_end(std::size_t i) const;

    // What may stand before the letters of a word.
    bool begins_word(std::size_t i) const;

    std::size_t contraction_end(std::size_t i) const;

    std::string_view text_;
    bool gpt2_;
    std::size_t most_digits_;
    std::vector<char32_t> codes_ = {};
    std::vector<std::size_t> offsets_ = {};
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/split_words.hpp>
#endif
