#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/value_decoder.hpp>

namespace weightscope::detail {

// Makes the floats of `count` blocks that lie side by side.
using ggml_block_decoder = void (*)(const std::uint8_t* blocks, std::size_t count, float* out);

// The decoder of a block type; null for types that are plain arrays and for those whose codebooks are not known here.
WEIGHTSCOPE_INLINE ggml_block_decoder find_ggml_block_decoder(std::string_view type);

// The blocks of one tensor as floats.
class gguf_decoder : public value_decoder
{
public:
    gguf_decoder(const ggml_type& type, ggml_block_decoder decode_blocks, std::shared_ptr<const mapped_file> file,
                 std::span<const std::byte> bytes);

    void decode(std::size_t first, std::span<std::byte> out) const override;

    bool determined_by_bytes() const override { return true; }

private:
    static constexpr std::size_t longest_block = 256;

    const std::uint8_t* block_at(std::size_t i) const;

    const ggml_type& type_;  // in ggml_types
    ggml_block_decoder decode_blocks_;
    std::shared_ptr<const mapped_file> file_;  // that bytes_ lie in
    std::span<const std::byte> bytes_;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/gguf_decoder.hpp>
#endif
