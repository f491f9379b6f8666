#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/tokenizer_tables.hpp>

namespace weightscope {

struct encode_options
{
    bool add_special_tokens = true;  ///< those that the file puts around a text, such as LLaMA's <s>
};

/// Text to token numbers and back, as a tokenizer.json says; made by read_tokenizer(). May be used from several threads at once.
class tokenizer
{
public:
    explicit tokenizer(detail::tokenizer_tables tables);

    /// Numbers of the tokens of a text. What spells an added token ("<|endoftext|>") becomes that token.
    ///
    /// @param text  UTF-8; in Unicode's NFC where the tokenizer wants that (Qwen2)
    /// @throws std::invalid_argument  the text is neither
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, const encode_options& options = {}) const;

    /// The text that tokens spell, special tokens left out. Bytes as they come: a part of a text need not be UTF-8.
    ///
    /// @throws std::invalid_argument  there is no such token
    [[nodiscard]] std::string decode(std::span<const std::int32_t> tokens) const;

    /// Tokens there are, added ones included.
    [[nodiscard]] std::size_t size() const noexcept { return texts_->size(); }

private:
    struct token_text
    {
        std::string bytes = {};
        bool special = false;
    };

    void encode_part(std::string_view part, bool first, std::vector<std::int32_t>& tokens) const;
    void encode_word(std::string_view word, std::vector<std::int32_t>& tokens) const;
    void encode_sentence(const std::string& sentence, std::vector<std::int32_t>& tokens) const;
    const detail::added_token* find_added(std::string_view text, std::size_t& begin) const;

    std::shared_ptr<const detail::tokenizer_tables> tables_;
    std::shared_ptr<const std::unordered_map<std::int32_t, token_text>> texts_;
    std::array<bool, 256> begins_added_ = {};  // by first byte
};

/// Reads a tokenizer.json: the byte-level BPE of GPT-2, LLaMA 3 and Qwen2, or the SentencePiece BPE of LLaMA 2.
///
///     const tokenizer t = read_tokenizer("gpt2/tokenizer.json");
///     const token_rows rows = cut_tokens(t.encode(text), 512);
///
/// @throws io_error  the file is damaged, or holds a part that is not supported: then it says which
[[nodiscard]] WEIGHTSCOPE_INLINE tokenizer read_tokenizer(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/tokenizer.hpp>
#endif
