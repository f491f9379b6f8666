#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/byte_pairs.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/split_words.hpp>
#include <weightscope/io/tokenizer.hpp>
#include <weightscope/io/tokenizer_file.hpp>
#include <weightscope/io/tokenizer_tables.hpp>
#include <weightscope/io/unicode_ranges.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE tokenizer::tokenizer(detail::tokenizer_tables tables)
{
    std::stable_sort(tables.added.begin(), tables.added.end(),
                     [](const auto& a, const auto& b) { return a.content.size() > b.content.size(); });
    tables_ = std::make_shared<const detail::tokenizer_tables>(std::move(tables));
    std::unordered_map<std::string_view, char> bytes;  // of byte-level characters
    for (std::size_t byte = 0; byte < 256; ++byte)
        bytes.emplace(detail::visible_bytes()[byte], static_cast<char>(byte));
    auto texts = std::make_shared<std::unordered_map<std::int32_t, token_text>>();
    for (const auto& [text, number] : tables_->vocabulary) {
        token_text& result = (*texts)[number];
        unsigned value = 0;
        if (!tables_->words && text.size() == 6 && std::sscanf(text.c_str(), "<0x%02X>", &value) == 1) {
            result.bytes = static_cast<char>(value);
            continue;
        }
        for (std::size_t at = 0; at < text.size();) {
            const std::string_view rest = std::string_view(text).substr(at);
            const std::string_view character = rest.substr(0, std::max<std::size_t>(1, detail::utf8_front(rest).length));
            at += character.size();
            if (!tables_->words)
                result.bytes += character == detail::visible_blank ? " " : character;
            else if (const auto byte = bytes.find(character); byte != bytes.end())
                result.bytes += byte->second;
            else
                result.bytes += character;
        }
    }
    for (const detail::added_token& added : tables_->added) {
        begins_added_[static_cast<unsigned char>(added.content[0])] = true;
        (*texts)[added.token] = {.bytes = added.content, .special = added.special};
    }
    texts_ = std::move(texts);
}

// The first place at or after `begin` where an added token stands, the longest that does; `begin` moves there, or to the end.
WEIGHTSCOPE_INLINE const detail::added_token* tokenizer::find_added(std::string_view text, std::size_t& begin) const
{
    for (; begin < text.size(); ++begin)
        if (begins_added_[static_cast<unsigned char>(text[begin])])
            for (const detail::added_token& added : tables_->added)
                if (text.substr(begin).starts_with(added.content))
                    return &added;
    return nullptr;
}

WEIGHTSCOPE_INLINE std::vector<std::int32_t> tokenizer::encode(std::string_view text, const encode_options& options) const
{
    const std::optional<std::size_t> bad = find_invalid_utf8(text);
    require(!bad, "tokenizer::encode(text): byte {} of the text is not UTF-8", bad.value_or(0));
    if (tables_->normalized)
        for (std::size_t at = 0; at < text.size();) {
            const detail::utf8_character character = detail::utf8_front(text.substr(at));
            require(!detail::is_inside(detail::unstable_bounds, character.code),
                    "tokenizer::encode(text): byte {} of the text begins U+{:04X}, which Unicode's NFC may change; this tokenizer wants "
                    "the text normalised, which is not done here",
                    at, static_cast<unsigned>(character.code));
            at += character.length;
        }
    std::vector<std::int32_t> tokens;
    if (options.add_special_tokens)
        tokens = tables_->prefix;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t next = at;
        const detail::added_token* added = find_added(text, next);
        if (next > at)
            encode_part(text.substr(at, next - at), at == 0, tokens);
        if (added)
            tokens.push_back(added->token);
        at = next + (added ? added->content.size() : 0);
    }
    if (options.add_special_tokens)
        tokens.insert(tokens.end(), tables_->suffix.begin(), tables_->suffix.end());
    return tokens;
}

WEIGHTSCOPE_INLINE void tokenizer::encode_part(std::string_view part, bool first, std::vector<std::int32_t>& tokens) const
{
    std::string changed;
    if (tables_->words) {
        if (tables_->add_prefix_space && !part.starts_with(' '))
            part = changed = fmt::format(" {}", part);
        for (const std::string_view word : detail::word_splitter(part, *tables_->words).split())
            encode_word(word, tokens);
        return;
    }
    const bool blank = tables_->blank == detail::blank_in_front::of_every_part || (tables_->blank == detail::blank_in_front::of_text && first);
    if (blank && (tables_->even_before_blank || !(part.starts_with(' ') || part.starts_with(detail::visible_blank))))
        changed = detail::visible_blank;
    for (const char c : part) {
        if (c == ' ')
            changed += detail::visible_blank;
        else
            changed += c;
    }
    encode_sentence(changed, tokens);
}

WEIGHTSCOPE_INLINE void tokenizer::encode_word(std::string_view word, std::vector<std::int32_t>& tokens) const
{
    std::string visible;
    std::vector<std::int32_t> pieces;
    for (const char byte : word) {
        const std::string& character = detail::visible_bytes()[static_cast<unsigned char>(byte)];
        visible += character;
        pieces.push_back(tables_->vocabulary.at(character));  // all are there: the reader has checked it
    }
    if (tables_->whole_words_first)
        if (const auto at = tables_->vocabulary.find(visible); at != tables_->vocabulary.end()) {
            tokens.push_back(at->second);
            return;
        }
    tables_->merges.merge_inplace(pieces);
    tokens.insert(tokens.end(), pieces.begin(), pieces.end());
}

WEIGHTSCOPE_INLINE void tokenizer::encode_sentence(const std::string& sentence, std::vector<std::int32_t>& tokens) const
{
    std::vector<std::int32_t> pieces;
    bool unknown_before = false;
    for (std::size_t at = 0; at < sentence.size();) {
        const std::string character = sentence.substr(at, detail::utf8_front(std::string_view(sentence).substr(at)).length);
        at += character.size();
        const auto known = tables_->vocabulary.find(character);
        const bool lost = known == tables_->vocabulary.end() && !tables_->byte_fallback;
        if (known != tables_->vocabulary.end())
            pieces.push_back(known->second);
        else if (!lost)
            for (const char byte : character)
                pieces.push_back(tables_->vocabulary.at(fmt::format("<0x{:02X}>", static_cast<unsigned char>(byte))));
        else if (!unknown_before || !tables_->fuse_unknown)
            pieces.push_back(tables_->unknown.value());
        unknown_before = lost;
    }
    tables_->merges.merge_inplace(pieces);
    tokens.insert(tokens.end(), pieces.begin(), pieces.end());
}

WEIGHTSCOPE_INLINE std::string tokenizer::decode(std::span<const std::int32_t> tokens) const
{
    std::string text;
    for (const std::int32_t token : tokens) {
        const auto at = texts_->find(token);
        require(at != texts_->end(), "tokenizer::decode(tokens): there is no token {}", token);
        if (!at->second.special)
            text += at->second.bytes;
    }
    const bool blank = !tables_->words && tables_->blank != detail::blank_in_front::never && text.starts_with(' ');
    return blank ? text.substr(1) : text;
}

WEIGHTSCOPE_INLINE tokenizer read_tokenizer(const std::filesystem::path& path)
{
    return tokenizer(detail::tokenizer_file_reader(path).read());
}

}  // namespace weightscope
