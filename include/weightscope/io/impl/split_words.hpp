#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/split_words.hpp>
#include <weightscope/io/unicode_ranges.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::optional<word_pattern> find_pattern(std::string_view expression)
{
    for (const known_pattern& known : known_patterns)
        if (known.expression == expression)
            return known.pattern;
    return std::nullopt;
}

WEIGHTSCOPE_INLINE word_splitter::word_splitter(std::string_view text, word_pattern pattern) : text_(text), gpt2_(pattern == word_pattern::gpt2)
{
    most_digits_ = pattern == word_pattern::llama3 ? 3 : pattern == word_pattern::qwen2 ? 1 : text.size();
    for (std::size_t at = 0; at < text.size();) {
        const utf8_character character = utf8_front(text.substr(at));
        codes_.push_back(character.code);
        offsets_.push_back(at);
        at += character.length;
    }
    offsets_.push_back(text.size());
}

WEIGHTSCOPE_INLINE std::vector<std::string_view> word_splitter::split() const
{
    std::vector<std::string_view> words;
    for (std::size_t begin = 0; begin < codes_.size();) {
        const std::size_t end = word_end(begin);
        words.push_back(text_.substr(offsets_[begin], offsets_[end] - offsets_[begin]));
        begin = end;
    }
    return words;
}

WEIGHTSCOPE_INLINE std::size_t word_splitter::word_end(std::size_t i) const
{
    if (const std::size_t end = contraction_end(i); end > i)
        return end;
    const std::size_t letters = i + (begins_word(i) && is_letter(code(i + 1)));
    if (is_letter(code(letters)))
        return run_end(letters, is_letter);
    const std::size_t digits = i + (gpt2_ && code(i) == ' ' && is_number(code(i + 1)));
    if (is_number(code(digits)))
        return digits + std::min(run_end(digits, is_number) - digits, most_digits_);
    std::size_t symbols = i + (code(i) == ' ' && symbol(i + 1));
    if (symbol(symbols)) {
        while (symbol(symbols))
            ++symbols;
        return gpt2_ ? symbols : run_end(symbols, line_end);
    }
    const std::size_t end = run_end(i, is_space);
    if (!gpt2_)
        for (std::size_t last = end; last > i; --last)
            if (line_end(codes_[last - 1]))
                return last;
    return end == codes_.size() || end == i + 1 ? end : end - 1;  // the last blank goes with the word that follows
}

WEIGHTSCOPE_INLINE bool word_splitter::begins_word(std::size_t i) const
{
    const char32_t c = code(i);
    return gpt2_ ? c == ' ' : !line_end(c) && !is_letter(c) && !is_number(c);
}

WEIGHTSCOPE_INLINE std::size_t word_splitter::contraction_end(std::size_t i) const
{
    if (code(i) != '\'')
        return i;
    const auto lower = [&](std::size_t at) -> char32_t {
        const char32_t c = code(at);
        if (gpt2_ || c == 0x17f)
            return gpt2_ ? c : U's';  // the long s is an s in another case
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    };
    const char32_t first = lower(i + 1), second = lower(i + 2);
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
        return i + 3;
    return first == 's' || first == 't' || first == 'm' || first == 'd' ? i + 2 : i;
}

}  // namespace weightscope::detail
