#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/ggml_blocks.hpp>
#include <weightscope/core/ggml_super_blocks.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/scalars.hpp>

#include "../catch.hpp"

using namespace weightscope;
using namespace weightscope::detail;

namespace {

using bytes = std::vector<std::uint8_t>;

// `count` bits of a block from bit `first` on, the lowest bit of the first byte being number 0.
int bits(const bytes& block, std::size_t first, std::size_t count)
{
    int result = 0;
    for (std::size_t i = 0; i < count; ++i)
        result |= (block[(first + i) / 8] >> (first + i) % 8 & 1) << i;
    return result;
}

double half(const bytes& block, std::size_t byte)
{
    return float16::from_bits(static_cast<std::uint16_t>(bits(block, 8 * byte, 16)));
}

// Number i of a row of codes of `width` bits from byte `byte` on, where each run of `run` bytes holds first all lowest codes of its
// bytes, then all next ones.
int code(const bytes& block, std::size_t byte, std::size_t run, std::size_t width, std::size_t i)
{
    const std::size_t in_run = run * 8 / width, at = i % in_run;
    return bits(block, 8 * (byte + i / in_run * run + at % run) + at / run * width, width);
}

// Scale and minimum of part 0..7 of Q4_K and Q5_K, from the picture of the 12 bytes, highest bits first (capitals: scales):
//     EEAAAAAA FFBBBBBB GGCCCCCC HHDDDDDD eeaaaaaa ffbbbbbb ggcccccc hhdddddd eeeeEEEE ffffFFFF ggggGGGG hhhhHHHH
int k_scale(const bytes& block, std::size_t byte, std::size_t part)
{
    if (part < 4)
        return bits(block, 8 * (byte + part), 6);
    return bits(block, 8 * (byte + 4 + part), 4) + 16 * bits(block, 8 * (byte + part - 4) + 6, 2);
}
int k_least(const bytes& block, std::size_t byte, std::size_t part)
{
    if (part < 4)
        return bits(block, 8 * (byte + 4 + part), 6);
    return bits(block, 8 * (byte + 4 + part) + 4, 4) + 16 * bits(block, 8 * (byte + part) + 6, 2);
}

const std::array<double, 16> fp4 = {0, .5, 1, 1.5, 2, 3, 4, 6, -0.0, -.5, -1, -1.5, -2, -3, -4, -6};
const std::array<double, 16> steps = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

double unsigned_e4m3(int code)
{
    if (code == 0x7f)
        return 0;
    const int exponent = code / 8 % 16, mantissa = code % 8;
    return exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
}

// Weight i of a block, weight by weight as the formats are defined, in double: exact for all but the rounding to float at the end.
double plain(std::string_view type, const bytes& b, std::size_t i)
{
    if (type == "Q1_0")
        return bits(b, 16 + i, 1) ? half(b, 0) : -half(b, 0);
    if (type == "Q2_0")
        return (bits(b, 16 + 2 * i, 2) - 1) * half(b, 0);
    if (type == "Q4_0")
        return (code(b, 2, 16, 4, i) - 8) * half(b, 0);
    if (type == "Q4_1")
        return code(b, 4, 16, 4, i) * half(b, 0) + half(b, 2);
    if (type == "Q5_0")
        return (code(b, 6, 16, 4, i) + 16 * bits(b, 16 + i, 1) - 16) * half(b, 0);
    if (type == "Q5_1")
        return (code(b, 8, 16, 4, i) + 16 * bits(b, 32 + i, 1)) * half(b, 0) + half(b, 2);
    if (type == "Q8_0" || type == "Q8_1")
        return static_cast<std::int8_t>(b[(type == "Q8_0" ? 2 : 4) + i]) * half(b, 0);
    if (type == "Q2_K")
        return code(b, 16, 32, 2, i) * (bits(b, 8 * (i / 16), 4) * half(b, 80)) - bits(b, 8 * (i / 16) + 4, 4) * half(b, 82);
    if (type == "Q3_K") {
        // 16 scales of 6 bits: part p has its lower half in byte p % 8, its upper bits in byte 8 + p % 4
        const std::size_t p = i / 16;
        const int scale = bits(b, 8 * (96 + p % 8) + p / 8 * 4, 4) + 16 * bits(b, 8 * (104 + p % 4) + p / 4 * 2, 2) - 32;
        return (code(b, 32, 32, 2, i) + 4 * code(b, 0, 32, 1, i) - 4) * (scale * half(b, 108));
    }
    if (type == "Q4_K")
        return code(b, 16, 32, 4, i) * (k_scale(b, 4, i / 32) * half(b, 0)) - k_least(b, 4, i / 32) * half(b, 2);
    if (type == "Q5_K")
        return (code(b, 48, 32, 4, i) + 16 * code(b, 16, 32, 1, i)) * (k_scale(b, 4, i / 32) * half(b, 0)) - k_least(b, 4, i / 32) * half(b, 2);
    if (type == "Q6_K")
        return (code(b, 0, 64, 4, i) + 16 * code(b, 128, 32, 2, i) - 32) * (static_cast<std::int8_t>(b[192 + i / 16]) * half(b, 208));
    if (type == "Q8_K")
        return static_cast<std::int8_t>(b[4 + i]) * static_cast<double>(std::bit_cast<float>(bits(b, 0, 32)));
    if (type == "IQ4_NL")
        return steps[static_cast<std::size_t>(code(b, 2, 16, 4, i))] * half(b, 0);
    if (type == "IQ4_XS") {
        const std::size_t p = i / 32;
        const int scale = bits(b, 32 + 4 * p, 4) + 16 * bits(b, 16 + 2 * p, 2) - 32;
        return scale * half(b, 0) * steps[static_cast<std::size_t>(code(b, 8, 16, 4, i))];
    }
    if (type == "MXFP4")
        return fp4[static_cast<std::size_t>(code(b, 1, 16, 4, i))] * std::ldexp(1, b[0] - 127);
    if (type == "NVFP4")
        return fp4[static_cast<std::size_t>(code(b, 4, 8, 4, i))] * unsigned_e4m3(b[i / 16]);
    if (type == "TQ2_0")
        return (code(b, 0, 32, 2, i) - 1) * half(b, 64);
    // TQ1_0: the byte is a number from 0 to 255 of 256, its digits in base 3 are the weights
    const std::size_t run = i < 160 ? 32 : i < 240 ? 16 : 4, first = i < 160 ? 0 : i < 240 ? 160 : 240;
    int fraction = b[(i < 160 ? 0 : i < 240 ? 32 : 48) + (i - first) % run];
    for (std::size_t digit = 0; digit < (i - first) / run; ++digit)
        fraction = fraction * 3 % 256;
    return (fraction * 3 / 256 - 1) * half(b, 52);
}

struct codec
{
    std::string_view name;
    std::size_t weights, bytes;
    void (*decode)(const std::uint8_t*, float*);
    std::vector<std::size_t> halves;  // where its half floats are
    std::uint64_t sum = 0;            // of gguf-py, see below; 0: it does not know the type
};

template <class Block>
codec codec_of(std::string_view name, std::vector<std::size_t> halves, std::uint64_t sum)
{
    return {name, Block::weights, Block::bytes, [](const std::uint8_t* block, float* out) { Block::decode(block, out); }, std::move(halves), sum};
}

// import numpy as np; from gguf import quants, constants as c           # gguf 0.19.0 of the Python package index
// for name, halves in {'Q4_0': [0], 'Q4_1': [0, 2], ...}.items():
//     t = c.GGMLQuantizationType[name]; n, size = c.GGML_QUANT_SIZES[t]
//     i = np.arange(64 * size, dtype=np.uint64)
//     b = (i * np.uint64(0x9e3779b97f4a7c15) >> np.uint64(40)).astype(np.uint8).reshape(64, size)
//     for h in halves: b[:, h + 1] &= 0xbf                             # neither Inf nor NaN
//     v = quants.dequantize(b.reshape(-1), t).astype(np.float32).reshape(-1).view(np.uint32).astype(np.uint64)
//     print(name, hex(int(np.sum(v * (2 * np.arange(v.size, dtype=np.uint64) + np.uint64(1))))))
const std::vector<codec> codecs = {
    codec_of<ggml_q1_0>("Q1_0", {0}, 0),
    codec_of<ggml_q2_0>("Q2_0", {0}, 0),
    codec_of<ggml_q4_0>("Q4_0", {0}, 0x1dd696c07eac00),
    codec_of<ggml_q4_1>("Q4_1", {0, 2}, 0x204adabf765950),
    codec_of<ggml_q5_0>("Q5_0", {0}, 0x1f26fb7c6fa400),
    codec_of<ggml_q5_1>("Q5_1", {0, 2}, 0x1ed47e2d822bdf),
    codec_of<ggml_q8_0>("Q8_0", {0}, 0x203759b32c6100),
    codec_of<ggml_q8_1>("Q8_1", {0, 2}, 0),
    codec_of<ggml_q2_k>("Q2_K", {80, 82}, 0x7af57598c6003c9),
    codec_of<ggml_q3_k>("Q3_K", {108}, 0x754e6359e8524c0),
    codec_of<ggml_q4_k>("Q4_K", {0, 2}, 0x89334998028a415),
    codec_of<ggml_q5_k>("Q5_K", {0, 2}, 0x84193332f133e49),
    codec_of<ggml_q6_k>("Q6_K", {208}, 0x7f4e0dcdf129faa),
    codec_of<ggml_q8_k>("Q8_K", {2}, 0),
    codec_of<ggml_iq4_nl>("IQ4_NL", {0}, 0x1f30ff95657200),
    codec_of<ggml_iq4_xs>("IQ4_XS", {0}, 0x7d9a6d718b971e4),
    codec_of<ggml_mxfp4>("MXFP4", {}, 0x1c9f46db000000),
    codec_of<ggml_nvfp4>("NVFP4", {}, 0x6fcd2b774c0000),
    codec_of<ggml_tq1_0>("TQ1_0", {52}, 0x66eff03d5fa4000),
    codec_of<ggml_tq2_0>("TQ2_0", {64}, 0x6da8c06d4712000),
};

bytes made_block(const codec& c, std::uint64_t number)
{
    bytes block(c.bytes);
    for (std::size_t i = 0; i < c.bytes; ++i)
        block[i] = static_cast<std::uint8_t>((number * c.bytes + i) * 0x9e3779b97f4a7c15u >> 40);
    for (const std::size_t at : c.halves)
        block[at + 1] &= 0xbf;
    return block;
}

std::vector<float> decoded(const codec& c, const bytes& block)
{
    std::vector<float> out(c.weights);
    c.decode(block.data(), out.data());
    return out;
}

// Weights that are not what the definition says.
std::size_t wrong_weights(const codec& c, const bytes& block)
{
    const std::vector<float> out = decoded(c, block);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < c.weights; ++i) {
        const float expected = static_cast<float>(plain(c.name, block, i));
        wrong += std::isnan(expected) ? !std::isnan(out[i]) : expected != out[i];
    }
    return wrong;
}

}  // namespace

TEST_CASE("the table of ggml's types agrees with the decoders, the bits per weight with what is published")
{
    for (const codec& c : codecs) {
        const ggml_type* type = find_ggml_type(c.name);
        REQUIRE(type != nullptr);
        CHECK(type->block_weights == c.weights);
        CHECK(type->block_bytes == c.bytes);
        CHECK(find_ggml_type(type->number) == type);
    }
    struct published
    {
        std::string_view name;
        double bits;
    };
    for (const published& p : {published{"F32", 32}, {"BF16", 16}, {"Q4_0", 4.5}, {"Q4_1", 5}, {"Q5_0", 5.5}, {"Q5_1", 6}, {"Q8_0", 8.5},
                               {"Q2_K", 2.625}, {"Q3_K", 3.4375}, {"Q4_K", 4.5}, {"Q5_K", 5.5}, {"Q6_K", 6.5625}, {"IQ4_NL", 4.5},
                               {"IQ4_XS", 4.25}, {"IQ3_S", 3.4375}, {"IQ3_XXS", 3.0625}, {"IQ2_XXS", 2.0625}, {"IQ2_XS", 2.3125},
                               {"IQ2_S", 2.5625}, {"IQ1_S", 1.5625}, {"IQ1_M", 1.75}, {"TQ1_0", 1.6875}, {"TQ2_0", 2.0625},
                               {"MXFP4", 4.25}, {"NVFP4", 4.5}, {"Q1_0", 1.125}, {"Q2_0", 2.25}})
        CHECK(find_ggml_type(p.name)->bits_per_weight() == p.bits);
    CHECK(find_ggml_type(4) == nullptr);
    CHECK(find_ggml_type(31) == nullptr);
    CHECK(find_ggml_type(43) == nullptr);
    CHECK(find_ggml_type("q4_0") == nullptr);
}

TEST_CASE("blocks of ggml decode as their definitions say, weight by weight")
{
    for (const codec& c : codecs) {
        INFO(c.name);
        std::size_t wrong = 0;
        for (std::uint64_t number = 0; number < 400; ++number)
            wrong += wrong_weights(c, made_block(c, number));
        for (const std::uint8_t byte : {std::uint8_t{0}, std::uint8_t{0xff}, std::uint8_t{0x55}, std::uint8_t{0xaa}})
            wrong += wrong_weights(c, bytes(c.bytes, byte));  // 0xff: scales that are NaN
        CHECK(wrong == 0);
    }
}

TEST_CASE("blocks of ggml decode to the bits that ggml's own Python package makes")
{
    for (const codec& c : codecs) {
        if (c.sum == 0)
            continue;
        std::uint64_t sum = 0, place = 1;
        for (std::uint64_t number = 0; number < 64; ++number)
            for (const float x : decoded(c, made_block(c, number))) {
                sum += std::bit_cast<std::uint32_t>(x) * place;
                place += 2;
            }
        INFO(c.name);
        CHECK(sum == c.sum);
    }
}

TEST_CASE("a block of Q4_0 by hand")
{
    bytes block(18);
    block[0] = 0x00, block[1] = 0x38;  // 0.5
    block[2] = 0xf0;                   // weight 0: (0 - 8) / 2, weight 16: (15 - 8) / 2
    block[17] = 0x9a;                  // weight 15: (10 - 8) / 2, weight 31: (9 - 8) / 2
    const std::vector<float> out = decoded(codecs[2], block);
    CHECK(out[0] == -4);
    CHECK(out[16] == 3.5f);
    CHECK(out[15] == 1);
    CHECK(out[31] == 0.5f);
    CHECK(out[1] == -4);
}

TEST_CASE("every scale code of the packed scales is found in its place")
{
    std::size_t wrong = 0;
    for (int scale = 0; scale < 64; ++scale)
        for (std::size_t part = 0; part < 8; ++part) {
            // Q4_K and Q5_K: written by the picture above, scale in one part, its complement as that part's minimum
            std::array<std::uint8_t, 12> packed = {};
            const int least = 63 - scale;
            const auto put = [&](std::size_t byte, int value) { packed[byte] = static_cast<std::uint8_t>(packed[byte] | value); };
            if (part < 4) {
                put(part, scale), put(4 + part, least);
            } else {
                put(part - 4, scale / 16 * 64), put(part, least / 16 * 64), put(4 + part, scale % 16 + least % 16 * 16);
            }
            for (std::size_t p = 0; p < 8; ++p) {
                const ggml_scale_and_least found = scale_and_least(packed.data(), p);
                wrong += found.scale != (p == part ? scale : 0) || found.least != (p == part ? least : 0);
            }
        }
    CHECK(wrong == 0);
}

TEST_CASE("every shared scale of MXFP4 and NVFP4 is the number that ggml takes it for")
{
    std::size_t wrong = 0;
    for (int code = 0; code < 256; ++code) {
        wrong += ggml_mxfp4::scale_of(static_cast<std::uint32_t>(code)) != static_cast<float>(std::ldexp(1, code - 128));
        wrong += ggml_nvfp4::scale_of(static_cast<std::uint32_t>(code)) != static_cast<float>(unsigned_e4m3(code) / 2);
    }
    CHECK(wrong == 0);
    CHECK(ggml_nvfp4::scale_of(0x7e) == 224);  // half of E4M3's largest, 448
}

TEST_CASE("zeros keep the sign that ggml gives them")
{
    bytes block(18);
    block[1] = 0xbc;  // -1
    block[2] = 0x08;  // weight 0: 0 · -1
    CHECK(std::signbit(decoded(codecs[2], block)[0]));
    bytes fp4_block(17);
    fp4_block[0] = 128, fp4_block[1] = 0x80;  // the table has no -0: code 8 is 0
    CHECK(!std::signbit(decoded(codecs[16], fp4_block)[16]));
}

TEST_CASE("blocks decode at compile time")
{
    constexpr float last = [] {
        const std::uint8_t block[18] = {0, 0x3c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0};
        float out[32] = {};
        ggml_q4_0::decode(block, out);
        return out[31];
    }();
    STATIC_REQUIRE(last == 7);
}
