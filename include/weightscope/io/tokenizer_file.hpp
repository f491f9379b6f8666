#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/io/byte_pairs.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/split_words.hpp>
#include <weightscope/io/tokenizer_tables.hpp>

namespace weightscope::detail {

class tokenizer_file_reader
{
public:
    explicit tokenizer_file_reader(const std::filesystem::path& path) : path_(path), json_(read_json_document(path)) {}

    tokenizer_tables read()
    {
        try {
            read_normalizer(json_.value("normalizer", nlohmann::json()));
            read_pre_tokenizer(json_.value("pre_tokenizer", nlohmann::json()));
            read_model(json_.at("model"));
            if (const auto at = json_.find("added_tokens"); at != json_.end() && !at->is_null())
                for (const nlohmann::json& token : *at)
                    read_added(token);
            read_post_processor(json_.value("post_processor", nlohmann::json()));
        } catch (const nlohmann::json::exception& e) {  // a field is missing, or of another type
            const std::string_view text = e.what();
            const std::size_t after = text.find("] ");
            refuse("", fmt::format("is no tokenizer.json as the tokenizers library writes it: {}",
                                   printable(after == std::string_view::npos ? text : text.substr(after + 2))));
        }
        return std::move(tables_);
    }

private:
    [[noreturn]] void refuse(const char* field, std::string_view fault) const { throw io_error(path_, std::nullopt, field, fault); }
    [[noreturn]] void not_supported(const char* field, const nlohmann::json& found) const
    {
        const std::string text = found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        refuse(field, fmt::format("{} is not supported; this version reads the byte-level BPE of GPT-2, LLaMA 3 and Qwen2, and the "
                                  "SentencePiece BPE of LLaMA 2",
                                  printable(text, 200)));
    }
    static std::string type_of(const nlohmann::json& part) { return part.is_null() ? "" : part.at("type").get<std::string>(); }

    std::int32_t token_number(const nlohmann::json& value, const char* field) const
    {
        if (!value.is_number_unsigned() || value > std::numeric_limits<std::int32_t>::max())
            refuse(field, fmt::format("the number of a token is {}, expected 0 to 2^31 - 1", printable(value.dump(), 40)));
        return value.get<std::int32_t>();
    }

    // Calls f for the members of a Sequence, or for the part itself.
    template <class F>
    static void for_each_part(const nlohmann::json& part, const char* members, const F& f)
    {
        if (type_of(part) == "Sequence")
            for (const nlohmann::json& member : part.at(members))
                f(member);
        else
            f(part);
    }

    void read_normalizer(const nlohmann::json& normalizer)
    {
        for_each_part(normalizer, "normalizers", [&](const nlohmann::json& part) {
            const std::string type = type_of(part);
            if (type == "NFC")
                tables_.normalized = true;
            else if (type == "Prepend" && part.at("prepend") == visible_blank)
                tables_.blank = blank_in_front::of_every_part, tables_.even_before_blank = true;
            else if (!type.empty()
                     && !(type == "Replace" && part.at("pattern").value("String", "") == " " && part.at("content") == visible_blank))
                not_supported("normalizer", part);
        });
    }

    void read_pre_tokenizer(const nlohmann::json& pre_tokenizer)
    {
        for_each_part(pre_tokenizer, "pretokenizers", [&](const nlohmann::json& part) {
            const std::string type = type_of(part);
            if (type == "ByteLevel") {
                tables_.add_prefix_space = part.at("add_prefix_space").get<bool>();
                if (part.value("use_regex", true))
                    tables_.words = word_pattern::gpt2;
                else if (!tables_.words)
                    not_supported("pre_tokenizer", pre_tokenizer);
            } else if (type == "Split") {
                tables_.words = find_pattern(part.at("pattern").value("Regex", ""));
                if (!tables_.words || part.at("behavior") != "Isolated" || part.value("invert", false))
                    not_supported("pre_tokenizer", part);
            } else if (type == "Metaspace") {
                if (part.at("replacement") != visible_blank || part.value("split", true))
                    not_supported("pre_tokenizer", part);
                const std::string scheme = part.value("prepend_scheme", "always");
                tables_.blank = scheme == "always"  ? blank_in_front::of_every_part
                                : scheme == "first" ? blank_in_front::of_text
                                                    : blank_in_front::never;
            } else if (!type.empty()) {
                not_supported("pre_tokenizer", part);
            }
        });
    }

    void read_model(const nlohmann::json& m)
    {
        if (m.value("type", "BPE") != "BPE")
            refuse("model", fmt::format("type is '{}', expected BPE", printable(m.at("type").get<std::string>(), 40)));
        for (const char* name : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
            if (const auto at = m.find(name); at != m.end() && !at->is_null() && *at != "" && *at != 0)
                refuse(name, fmt::format("is {}, expected null", printable(at->dump(), 40)));
        for (const auto& [text, number] : m.at("vocab").items())
            tables_.vocabulary.emplace(text, token_number(number, "model.vocab"));
        for (const nlohmann::json& pair : m.at("merges"))
            read_merge(pair);
        tables_.whole_words_first = m.value("ignore_merges", false);
        tables_.fuse_unknown = m.value("fuse_unk", false);
        if (const auto at = m.find("unk_token"); at != m.end() && at->is_string())
            tables_.unknown = find(at->get<std::string>(), "model.unk_token");
        const bool bytes = tables_.byte_fallback = m.value("byte_fallback", false);
        for (int byte = 0; byte < 256; ++byte)
            if (bytes && !tables_.words)
                (void)find(fmt::format("<0x{:02X}>", byte), "model.byte_fallback");
            else if (tables_.words)
                (void)find(visible_bytes()[static_cast<std::size_t>(byte)], "model.vocab");
        if (!tables_.words && !bytes && !tables_.unknown)
            refuse("model", "has neither byte_fallback nor unk_token: characters outside of the vocabulary would be lost");
    }

    void read_merge(const nlohmann::json& pair)
    {
        std::string left, right;
        if (pair.is_array()) {
            left = pair.at(0).get<std::string>();
            right = pair.at(1).get<std::string>();
        } else {
            const auto text = pair.get<std::string>();
            const std::size_t blank = text.find(' ');
            left = text.substr(0, blank);
            right = blank == std::string::npos ? "" : text.substr(blank + 1);
        }
        const std::int32_t first = find(left, "model.merges"), second = find(right, "model.merges");
        tables_.merges.add(first, second, find(left + right, "model.merges"));
    }

    std::int32_t find(const std::string& text, const char* field) const
    {
        const auto at = tables_.vocabulary.find(text);
        if (at == tables_.vocabulary.end())
            refuse(field, fmt::format("'{}' is not in the vocabulary; download or write the file again", printable(text, 60)));
        return at->second;
    }

    void read_added(const nlohmann::json& token)
    {
        for (const char* name : {"single_word", "lstrip", "rstrip"})
            if (token.value(name, false))
                refuse("added_tokens", fmt::format("'{}' is set for '{}', which is not supported", name,
                                                   printable(token.at("content").get<std::string>(), 60)));
        const auto content = token.at("content").get<std::string>();
        if (content.empty())
            refuse("added_tokens", "a token is empty; download or write the file again");
        tables_.added.push_back({.content = content,
                                 .token = token_number(token.at("id"), "added_tokens"),
                                 .special = token.value("special", false)});
    }

    void read_post_processor(const nlohmann::json& processor)
    {
        for_each_part(processor, "processors", [&](const nlohmann::json& part) {
            const std::string type = type_of(part);
            if (type == "TemplateProcessing") {
                bool after = false;
                for (const nlohmann::json& piece : part.at("single")) {
                    if (piece.contains("Sequence")) {
                        after = true;
                        continue;
                    }
                    const auto name = piece.at("SpecialToken").at("id").get<std::string>();
                    for (const nlohmann::json& number : part.at("special_tokens").at(name).at("ids"))
                        (after ? tables_.suffix : tables_.prefix).push_back(token_number(number, "post_processor"));
                }
            } else if (!type.empty() && type != "ByteLevel") {
                not_supported("post_processor", part);
            }
        });
    }

    const std::filesystem::path& path_;
    nlohmann::json json_;
    tokenizer_tables tables_;
};

}  // namespace weightscope::detail
