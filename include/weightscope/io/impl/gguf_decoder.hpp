#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/ggml_blocks.hpp>
#include <weightscope/core/ggml_super_blocks.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/mapped_file.hpp>

namespace weightscope::detail {

template <class Block>
struct ggml_block_kernel
{
    [[gnu::always_inline]] void operator()(const std::uint8_t* blocks, std::size_t count, float* out) const
    {
        for (std::size_t i = 0; i < count; ++i)
            Block::decode(blocks + i * Block::bytes, out + i * Block::weights);
    }
};

template <class Block>
void decode_ggml_blocks(const std::uint8_t* blocks, std::size_t count, float* out)
{
    ggml_block_kernel<Block>{}(blocks, count, out);
}

// For the types that gain by wider instructions, which is not so where the loops over a block have 16 steps.
template <class Block>
void decode_ggml_blocks_dispatched(const std::uint8_t* blocks, std::size_t count, float* out)
{
    dispatch(ggml_block_kernel<Block>{}, blocks, count, out);
}

WEIGHTSCOPE_INLINE ggml_block_decoder find_ggml_block_decoder(std::string_view type)
{
    static constexpr std::array<std::pair<std::string_view, ggml_block_decoder>, 20> decoders = {{
        {"Q4_0", decode_ggml_blocks<ggml_q4_0>},
        {"Q4_1", decode_ggml_blocks<ggml_q4_1>},
        {"Q5_0", decode_ggml_blocks<ggml_q5_0>},
        {"Q5_1", decode_ggml_blocks<ggml_q5_1>},
        {"Q8_0", decode_ggml_blocks<ggml_q8_0>},
        {"Q2_K", decode_ggml_blocks<ggml_q2_k>},
        {"Q3_K", decode_ggml_blocks<ggml_q3_k>},
        {"Q4_K", decode_ggml_blocks_dispatched<ggml_q4_k>},
        {"Q5_K", decode_ggml_blocks_dispatched<ggml_q5_k>},
        {"Q6_K", decode_ggml_blocks<ggml_q6_k>},
        {"IQ4_NL", decode_ggml_blocks<ggml_iq4_nl>},
        {"IQ4_XS", decode_ggml_blocks<ggml_iq4_xs>},
        {"MXFP4", decode_ggml_blocks<ggml_mxfp4>},
        {"NVFP4", decode_ggml_blocks<ggml_nvfp4>},
        {"Q1_0", decode_ggml_blocks<ggml_q1_0>},
        {"Q2_0", decode_ggml_blocks<ggml_q2_0>},
        {"Q8_1", decode_ggml_blocks<ggml_q8_1>},
        {"Q8_K", decode_ggml_blocks<ggml_q8_k>},
        {"TQ1_0", decode_ggml_blocks<ggml_tq1_0>},
        {"TQ2_0", decode_ggml_blocks<ggml_tq2_0>},
    }};
    for (const auto& [name, decoder] : decoders)
        if (name == type)
            return decoder;
    return nullptr;
}

WEIGHTSCOPE_INLINE gguf_decoder::gguf_decoder(const ggml_type& type, ggml_block_decoder decode_blocks, std::shared_ptr<const mapped_file> file,
                                              std::span<const std::byte> bytes)
    : type_(type), decode_blocks_(decode_blocks), file_(std::move(file)), bytes_(bytes)
{
}

WEIGHTSCOPE_INLINE void gguf_decoder::decode(std::size_t first, std::span<std::byte> out) const
{
    const std::size_t block = type_.block_weights;
    auto* values = reinterpret_cast<float*>(out.data());
    std::size_t count = out.size() / sizeof(float);
    const auto decode_some = [&](std::size_t skipped) {  // of a block that is wanted in part
        float whole[longest_block];
        decode_blocks_(block_at(first / block), 1, whole);
        const std::size_t wanted = std::min(count, block - skipped);
        std::copy_n(whole + skipped, wanted, values);
        first += wanted, values += wanted, count -= wanted;
    };
    if (first % block != 0 && count > 0)
        decode_some(first % block);
    const std::size_t whole_blocks = count / block;
    if (whole_blocks > 0)
        decode_blocks_(block_at(first / block), whole_blocks, values);
    first += whole_blocks * block, values += whole_blocks * block, count -= whole_blocks * block;
    if (count > 0)
        decode_some(0);
}

WEIGHTSCOPE_INLINE const std::uint8_t* gguf_decoder::block_at(std::size_t i) const
{
    return reinterpret_cast<const std::uint8_t*>(bytes_.data()) + i * type_.block_bytes;
}

}  // namespace weightscope::detail
