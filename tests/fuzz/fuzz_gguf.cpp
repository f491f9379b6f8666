// GGUF: header, keys, tensor list, and the decoders of all block types.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/gguf.hpp>

#include "../io/gguf_writer.hpp"
#include "fuzz.hpp"

std::vector<std::string> seeds()
{
    using namespace gguf_writer;
    std::vector<std::string> result;
    file every_kind;
    every_kind.key("general.architecture", "llama").key("a", std::uint8_t{1}).key("b", std::int8_t{-1}).key("c", std::uint16_t{2});
    every_kind.key("d", std::int16_t{-2}).key("e", std::uint32_t{3}).key("f", std::int32_t{-3}).key("g", 1.5f).key("h", true);
    every_kind.key("i", std::uint64_t{4}).key("j", std::int64_t{-4}).key("k", 2.5);
    every_kind.keys.emplace_back("l", texts({"x", "yy"}));
    every_kind.keys.emplace_back("m", texts(std::vector<std::string>(9, "z")));
    every_kind.keys.emplace_back("n", array(4, 2, bytes_of(std::vector<std::uint32_t>{5, 6})));
    every_kind.keys.emplace_back("o", array(9, 2, bytes_of(std::uint32_t{0}) + bytes_of(std::uint64_t{1}) + "7"
                                                     + bytes_of(std::uint32_t{8}) + bytes_of(std::uint64_t{1}) + text("t")));
    result.push_back(every_kind.content());

    file every_type;
    for (const weightscope::ggml_type& type : weightscope::ggml_types) {
        std::string blocks(3 * type.block_bytes, '\0');
        for (std::size_t i = 0; i < blocks.size(); ++i)
            blocks[i] = static_cast<char>(37 * i + type.number);
        every_type.tensors.push_back({std::string(type.name), {type.block_weights, 3}, type.number, blocks});
        file alone{.version = 2, .alignment = 8};
        alone.key("general.alignment", std::uint32_t{8});
        alone.tensors.push_back(every_type.tensors.back());
        result.push_back(alone.content());
    }
    result.push_back(every_type.content());
    return result;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const auto& file) { return weightscope::detail::read_gguf(file); });
}
