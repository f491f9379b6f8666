// Token numbers that were not worked out by hand come from the tokenizers library (0.23, Python), given the same files:
//     Tokenizer.from_file("tokenizer.json").encode(text).ids
//     pre_tokenizers.Split(Regex(pattern), "isolated", False).pre_tokenize_str(text)
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/io/byte_pairs.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/split_words.hpp>
#include <weightscope/io/tokenizer.hpp>
#include <weightscope/io/unicode_ranges.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;
using numbers = std::vector<std::int32_t>;
using words = std::vector<std::string_view>;

namespace {

constexpr std::string_view byte_level = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

// Splits by the pattern, then bytes.
std::string split_level(detail::word_pattern pattern)
{
    const nlohmann::json expression = detail::known_patterns[static_cast<std::size_t>(pattern)].expression;
    return R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)" + expression.dump()
         + R"(},"behavior":"Isolated","invert":false},)"
           R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
}

// The 256 bytes as tokens 0 to 255, six merges, and <|endoftext|> as 262.
nlohmann::json byte_level_file(std::string_view pre_tokenizer = byte_level)
{
    nlohmann::json file = nlohmann::json::parse(R"({"added_tokens":[{"id":262,"content":"<|endoftext|>","single_word":false,
        "lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"post_processor":null,
        "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"",
        "end_of_word_suffix":"","fuse_unk":false,"merges":["t h","th e",["Ġ","the"],"Ġ t","i n","in g"],
        "vocab":{"th":256,"the":257,"Ġthe":258,"Ġt":259,"in":260,"ing":261}}})");
    file["pre_tokenizer"] = nlohmann::json::parse(pre_tokenizer);
    for (int byte = 0; byte < 256; ++byte)
        file["model"]["vocab"][detail::visible_bytes()[static_cast<std::size_t>(byte)]] = byte;
    return file;
}

// LLaMA 2's parts: <unk>, <s>, </s>, the bytes (if they are to be there), and a few pieces.
nlohmann::json sentence_file(bool byte_fallback = true)
{
    nlohmann::json file = nlohmann::json::parse(R"({"added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[
        {"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,
        "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
        {"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},
        "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
        {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
        "model":{"type":"BPE","dropout":null,"unk_token":"<unk>","fuse_unk":true,"vocab":{"<unk>":0,"<s>":1,"</s>":2,"▁":259,
        "a":260,"b":261,"▁a":262,"ab":263,"▁ab":264,"▁▁":265},"merges":["▁ a","a b","▁a b","▁ ▁"]}})");
    file["model"]["byte_fallback"] = byte_fallback;
    for (int byte = 0; byte < 256 && byte_fallback; ++byte)
        file["model"]["vocab"][fmt::format("<0x{:02X}>", byte)] = 3 + byte;
    for (const char* name : {"<unk>", "<s>", "</s>"})
        file["added_tokens"].push_back({{"id", file["model"]["vocab"][name]}, {"content", name}, {"special", true}});
    return file;
}

tokenizer read(const nlohmann::json& file)
{
    const files::temporary_folder folder;
    return read_tokenizer(files::write(folder / "tokenizer.json", file.dump()));
}

std::string refusal(const nlohmann::json& file)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "tokenizer.json", file.dump());
    const std::string text = message<io_error>([&] { (void)read_tokenizer(path); }), prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

}  // namespace

TEST_CASE("GPT-2's byte-level tokens are those of the tokenizers library")
{
    const tokenizer t = read(byte_level_file());
    CHECK(t.size() == 263);
    CHECK(t.encode("the thing") == numbers{257, 32, 256, 261});  // " thing": "th" merges before "Ġt"
    CHECK(t.encode("in the  ring\n") == numbers{260, 258, 32, 32, 114, 261, 10});
    CHECK(t.encode("It's 12345 ½!?") == numbers{73, 116, 39, 115, 32, 49, 50, 51, 52, 53, 32, 194, 189, 33, 63});
    CHECK(t.encode("<|endoftext|>the<|endoftext|>") == numbers{262, 257, 262});
    CHECK(t.encode("äh 🙂") == numbers{195, 164, 104, 32, 240, 159, 153, 130});
    CHECK(t.encode("").empty());
}

TEST_CASE("LLaMA 2's tokens are those of the tokenizers library")
{
    const tokenizer t = read(sentence_file());
    CHECK(t.encode("ab a") == numbers{1, 264, 262});
    CHECK(t.encode("  ab") == numbers{1, 265, 264});
    CHECK(t.encode("aé b") == numbers{1, 262, 198, 172, 259, 261});
    CHECK(t.encode("<s>ab</s> ab") == numbers{1, 1, 264, 2, 259, 264});
    CHECK(t.encode("xyz a") == numbers{1, 259, 123, 124, 125, 262});
    CHECK(t.encode("ab a", {.add_special_tokens = false}) == numbers{264, 262});
    CHECK(t.decode(numbers{1, 264, 262}) == "ab a");
    CHECK(t.decode(numbers{1, 1, 264, 2, 259, 264}) == "ab  ab");
    CHECK(t.decode(numbers{1, 262, 198, 172, 259, 261}) == "aé b");

    const tokenizer lossy = read(sentence_file(false));
    CHECK(lossy.encode("aé b") == numbers{1, 262, 0, 259, 261});
    CHECK(lossy.encode("xyz a") == numbers{1, 259, 0, 262});  // the three unknown characters are one
    nlohmann::json apart = sentence_file(false);
    apart["model"]["fuse_unk"] = false;
    CHECK(read(apart).encode("xyz a") == numbers{1, 259, 0, 0, 0, 262});
}

TEST_CASE("Metaspace puts its blank before the text only, and not where there is one")
{
    nlohmann::json file = sentence_file();
    file["normalizer"] = nullptr;
    file["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", false}};
    CHECK(read(file).encode("ab a") == numbers{1, 264, 262});
    CHECK(read(file).encode(" ab") == numbers{1, 264});
    CHECK(read(file).encode("<s>ab") == numbers{1, 1, 263});
    file["pre_tokenizer"]["prepend_scheme"] = "always";
    CHECK(read(file).encode("<s>ab") == numbers{1, 1, 264});
    file["pre_tokenizer"]["prepend_scheme"] = "never";
    CHECK(read(file).encode("ab") == numbers{1, 263});
}

TEST_CASE("texts are cut into words as the three patterns say")
{
    constexpr std::string_view text = "IT'S  we'll 12345 (x)!\r\n\n \ta\u00a0b\u017f'\u017f ½Ⅷ4  ";
    const auto split = [&](detail::word_pattern pattern) { return detail::word_splitter(text, pattern).split(); };
    CHECK(split(detail::word_pattern::gpt2)
          == words{"IT", "'", "S", " ", " we", "'ll", " 12345", " (", "x", ")!", "\r\n\n ", "\t", "a", "\u00a0", "bſ", "'", "ſ", " ½Ⅷ4", "  "});
    CHECK(split(detail::word_pattern::llama3)
          == words{"IT", "'S", " ", " we", "'ll", " ", "123", "45", " (", "x", ")!\r\n\n", " ", "\ta", "\u00a0bſ", "'ſ", " ", "½Ⅷ4", "  "});
    CHECK(split(detail::word_pattern::qwen2)
          == words{"IT", "'S", " ", " we", "'ll", " ", "1", "2", "3", "4", "5", " (", "x", ")!\r\n\n", " ", "\ta", "\u00a0bſ", "'ſ", " ",
                   "½", "Ⅷ", "4", "  "});
}

TEST_CASE("letters and numbers are told as Unicode does")
{
    for (const char32_t c : {U'a', U'Z', U'ª', U'é', U'ж', U'中', U'\U0002a6d6', U'ǅ', U'ᾳ'})
        CHECK(detail::is_letter(c));
    for (const char32_t c : {U'0', U'9', U'½', U'²', U'Ⅷ', U'٣', U'〇'})
        CHECK((detail::is_number(c) && !detail::is_letter(c)));
    for (const char32_t c : {U' ', U'_', U'-', U'@', U'[', U'`', U'{', U'/', U':', U'\u0301', U'\u200b', U'🙂', U'\U0010ffff'})
        CHECK((!detail::is_letter(c) && !detail::is_number(c)));
    for (const char32_t c : {U' ', U'\t', U'\x0b', U'\x85', U'\xa0', U'\u2028', U'\u3000'})
        CHECK(detail::is_space(c));
    CHECK(!detail::is_space(U'\u200b'));
}

TEST_CASE("splitting loses no byte, and what is decoded is what was encoded")
{
    random_stream random(1);
    const std::vector<std::string> pieces = {"a", "the", " ", "  ", "\n", "\r\n", "'s", "'LL", "7", "42", "é", "中", "🙂", "!", "\u00a0", "'"};
    for (const auto pattern : {detail::word_pattern::gpt2, detail::word_pattern::llama3, detail::word_pattern::qwen2}) {
        const tokenizer t = read(byte_level_file(split_level(pattern)));
        for (int i = 0; i < 200; ++i) {
            std::string text, joined;
            for (std::uint64_t n = random.below(12); n > 0; --n)
                text += pieces[random.below(pieces.size())];
            for (const std::string_view word : detail::word_splitter(text, pattern).split()) {
                CHECK(!word.empty());
                joined += word;
            }
            CHECK(joined == text);
            CHECK(t.decode(t.encode(text)) == text);
        }
    }
}

TEST_CASE("pairs merge in the order of their rank, checked against a search for the lowest")
{
    // tokens 0 to 3 and the merges of all that arises, at ranks in random order
    random_stream random(2);
    for (int round = 0; round < 30; ++round) {
        detail::byte_pairs pairs;
        std::map<std::pair<std::int32_t, std::int32_t>, std::pair<std::size_t, std::int32_t>> table;
        for (std::int32_t next = 4; next < 20; ++next) {
            const std::pair<std::int32_t, std::int32_t> pair(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(next))),
                                                             static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(next))));
            pairs.add(pair.first, pair.second, next);
            table.emplace(pair, std::pair(table.size(), next));
        }
        numbers tokens;
        for (int i = 0; i < 60; ++i)
            tokens.push_back(static_cast<std::int32_t>(random.below(4)));
        numbers expected = tokens;
        for (;;) {
            std::size_t best = table.size(), at = 0;
            std::int32_t merged = 0;
            for (std::size_t i = 0; i + 1 < expected.size(); ++i)
                if (const auto found = table.find({expected[i], expected[i + 1]}); found != table.end() && found->second.first < best)
                    best = found->second.first, at = i, merged = found->second.second;
            if (best == table.size())
                break;
            expected[at] = merged;
            expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
        pairs.merge_inplace(tokens);
        CHECK(tokens == expected);
    }
}

TEST_CASE("words that are tokens are not merged where the file says so")
{
    nlohmann::json file = byte_level_file(split_level(detail::word_pattern::llama3));
    file["model"]["vocab"]["inn"] = 263;
    CHECK(read(file).encode("inn") == numbers{260, 110});
    file["model"]["ignore_merges"] = true;
    CHECK(read(file).encode("inn") == numbers{263});
}

TEST_CASE("special tokens stand before and after a text, the longest spelling counts, others are plain text")
{
    nlohmann::json file = byte_level_file();
    file["added_tokens"].push_back({{"id", 300}, {"content", "<|end"}, {"special", false}});
    file["post_processor"] = nlohmann::json::parse(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"TemplateProcessing",
        "single":[{"SpecialToken":{"id":"a","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"b","type_id":0}}],
        "special_tokens":{"a":{"ids":[262]},"b":{"ids":[300,262]}}}]})");
    const tokenizer t = read(file);
    CHECK(t.encode("a<|endoftext|><|end") == numbers{262, 97, 262, 300, 300, 262});
    CHECK(t.decode(t.encode("a<|endoftext|><|end")) == "a<|end<|end");
    CHECK(t.size() == 264);
}

TEST_CASE("a text that is not in NFC is refused where the tokenizer wants it to be")
{
    nlohmann::json file = byte_level_file(split_level(detail::word_pattern::qwen2));
    file["normalizer"] = {{"type", "NFC"}};
    const tokenizer t = read(file);
    CHECK(t.encode("é中") == numbers{195, 169, 228, 184, 173});
    CHECK(message<std::invalid_argument>([&] { (void)t.encode("ae\u0301"); })
          == "weightscope::tokenizer::encode(text): byte 2 of the text begins U+0301, which Unicode's NFC may change; this tokenizer wants "
             "the text normalised, which is not done here");
    CHECK(read(byte_level_file()).encode("e\u0301") == numbers{101, 204, 129});
}

TEST_CASE("a text that is not UTF-8 and a token that does not exist are refused")
{
    const tokenizer t = read(byte_level_file());
    CHECK(message<std::invalid_argument>([&] { (void)t.encode("ab\xff"); })
          == "weightscope::tokenizer::encode(text): byte 2 of the text is not UTF-8");
    CHECK(message<std::invalid_argument>([&] { (void)t.decode(numbers{999}); })
          == "weightscope::tokenizer::decode(tokens): there is no token 999");
    CHECK(t.decode(numbers{195}) == "\xc3");  // half a character is decoded as it is
}

TEST_CASE("parts of a tokenizer that are not supported are named")
{
    const std::string cure = " is not supported; this version reads the byte-level BPE of GPT-2, LLaMA 3 and Qwen2, and the "
                             "SentencePiece BPE of LLaMA 2";
    nlohmann::json file = byte_level_file();
    file["normalizer"] = {{"type", "Lowercase"}};
    CHECK(refusal(file) == R"(normalizer: {"type":"Lowercase"})" + cure);
    file = byte_level_file(R"({"type":"Whitespace"})");
    CHECK(refusal(file) == R"(pre_tokenizer: {"type":"Whitespace"})" + cure);
    file = byte_level_file(R"({"type":"Split","pattern":{"Regex":"x"},"behavior":"Isolated"})");
    CHECK(refusal(file) == R"(pre_tokenizer: {"behavior":"Isolated","pattern":{"Regex":"x"},"type":"Split"})" + cure);
    file = byte_level_file();
    file["post_processor"] = {{"type", "BertProcessing"}};
    CHECK(refusal(file) == R"(post_processor: {"type":"BertProcessing"})" + cure);
    file = byte_level_file();
    file["model"]["type"] = "Unigram";
    CHECK(refusal(file) == "model: type is 'Unigram', expected BPE");
    file = byte_level_file();
    file["model"]["dropout"] = 0.1;
    CHECK(refusal(file) == "dropout: is 0.1, expected null");
    file = byte_level_file();
    file["added_tokens"][0]["lstrip"] = true;
    CHECK(refusal(file) == "added_tokens: 'lstrip' is set for '<|endoftext|>', which is not supported");
}

TEST_CASE("a damaged tokenizer is refused")
{
    const std::string cure = " is not in the vocabulary; download or write the file again";
    nlohmann::json file = byte_level_file();
    file["model"]["merges"].push_back("q zz");
    CHECK(refusal(file) == "model.merges: 'zz'" + cure);
    file = byte_level_file();
    file["model"]["vocab"].erase("Ġ");
    CHECK(refusal(file) == "model.merges: 'Ġ'" + cure);
    file = byte_level_file();
    file["model"]["vocab"].erase("z");
    CHECK(refusal(file) == "model.vocab: 'z'" + cure);
    file = byte_level_file();
    file["model"]["vocab"]["z"] = -1;
    CHECK(refusal(file) == "model.vocab: the number of a token is -1, expected 0 to 2^31 - 1");
    file = byte_level_file();
    file["model"]["vocab"]["z"] = 3000000000;
    CHECK(refusal(file) == "model.vocab: the number of a token is 3000000000, expected 0 to 2^31 - 1");
    file = byte_level_file();
    file["added_tokens"][0]["content"] = "";
    CHECK(refusal(file) == "added_tokens: a token is empty; download or write the file again");
    file = sentence_file(false);
    file["model"]["unk_token"] = nullptr;
    CHECK(refusal(file)
          == "model: has neither byte_fallback nor unk_token: characters outside of the vocabulary would be lost");
    file = sentence_file();
    file["model"]["vocab"].erase("<0x7F>");
    CHECK(refusal(file) == "model.byte_fallback: '<0x7F>'" + cure);
    file = byte_level_file();
    file.erase("model");
    CHECK_THAT(refusal(file), Catch::Matchers::StartsWith("is no tokenizer.json as the tokenizers library writes it: ")
                                  && Catch::Matchers::ContainsSubstring("'model'"));
    file = byte_level_file();
    file["model"]["vocab"] = 7;
    CHECK_THAT(refusal(file), Catch::Matchers::StartsWith("model.vocab: the number of a token is 7")
                                  || Catch::Matchers::StartsWith("model.merges: "));
    CHECK_THAT(refusal(nlohmann::json(3)), Catch::Matchers::StartsWith("is no tokenizer.json as the tokenizers library writes it: "));
}
