#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/io/quantized_tensors.hpp>
#include <weightscope/io/safetensors.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;

namespace {

using words = std::vector<std::uint32_t>;
using lines = std::vector<std::string>;

template <class T>
tensor_to_write part(std::string name, dtype type, std::vector<std::size_t> shape, const std::vector<T>& values)
{
    const auto bytes = std::as_bytes(std::span(values));
    return {.name = std::move(name),
            .dtype = type,
            .shape = std::move(shape),
            .produce = [copy = std::vector<std::byte>(bytes.begin(), bytes.end())] { return copy; }};
}

// A model of these tensors, joined. config: what stands in config.json, if anything.
struct joined
{
    files::temporary_folder folder = {};
    model m = {};

    explicit joined(const std::vector<tensor_to_write>& parts, const std::string& config = {})
    {
        write_safetensors(folder / "m.safetensors", parts);
        if (!config.empty())
            files::write(folder / "config.json", config);
        m = read_safetensors(folder / "m.safetensors");
        detail::join_quantized_tensors(m, folder.path());
    }

    const named_tensor& operator[](std::string_view name) const
    {
        for (const named_tensor& tensor : m.tensors)
            if (tensor.name == name)
                return tensor;
        throw std::runtime_error("no tensor " + std::string(name));
    }
};

std::vector<float> values_of(const named_tensor& tensor)
{
    return visit(tensor, [](const auto& view) {
        return with_elements(view, [](auto span) { return std::vector<float>(span.begin(), span.end()); });
    });
}

// Element by element what `value(row, column)` says; and decoding may begin anywhere.
void check_values(const named_tensor& tensor, std::size_t out, std::size_t in, const std::function<float(std::size_t, std::size_t)>& value)
{
    CHECK(tensor.dtype == dtype::float32);
    REQUIRE(tensor.shape == std::vector{out, in});
    std::vector<float> expected;
    for (std::size_t o = 0; o < out; ++o)
        for (std::size_t i = 0; i < in; ++i)
            expected.push_back(value(o, i));
    CHECK(values_of(tensor) == expected);
    for (std::size_t first = 1; first < expected.size(); first += 37) {
        std::vector<float> some(std::min<std::size_t>(41, expected.size() - first));
        tensor.decoder->decode(first, std::as_writable_bytes(std::span(some)));
        CHECK(std::equal(some.begin(), some.end(), expected.begin() + static_cast<std::ptrdiff_t>(first)));
    }
}

int code_of(std::size_t i, std::size_t o, int levels)
{
    return static_cast<int>((i * 7 + o * 3 + i * o) % static_cast<std::size_t>(levels));
}

float16 scale_of(std::size_t g, std::size_t o)
{
    return float16(static_cast<float>(o + 1) / 64 * static_cast<float>(g + 1));
}

// What GPTQ's checkpoints hold, for codes of a width that divides 32.
struct gptq_parts
{
    std::size_t bits, in, out, groups;
    words qweight = words(in * bits / 32 * out), qzeros = words(groups * out * bits / 32);
    std::vector<float16> scales = {};
    std::vector<std::int32_t> g_idx = {};

    int zero(std::size_t g, std::size_t o) const { return static_cast<int>((g + o) % (1u << bits)); }

    void fill(int stored_less)
    {
        const std::size_t per_word = 32 / bits;
        const int levels = 1 << bits;
        for (std::size_t i = 0; i < in; ++i)
            for (std::size_t o = 0; o < out; ++o)
                qweight[i / per_word * out + o] |= static_cast<std::uint32_t>(code_of(i, o, levels)) << bits * (i % per_word);
        for (std::size_t g = 0; g < groups; ++g)
            for (std::size_t o = 0; o < out; ++o) {
                const int stored = (zero(g, o) - stored_less + levels) % levels;
                qzeros[g * (out / per_word) + o / per_word] |= static_cast<std::uint32_t>(stored) << bits * (o % per_word);
                scales.push_back(scale_of(g, o));
            }
    }

    std::vector<tensor_to_write> tensors() const
    {
        std::vector<tensor_to_write> result = {part("l.qweight", dtype::int32, {in * bits / 32, out}, qweight),
                                               part("l.qzeros", dtype::int32, {groups, out * bits / 32}, qzeros),
                                               part("l.scales", dtype::float16, {groups, out}, scales),
                                               part("l.bias", dtype::float32, {1}, std::vector<float>{1})};
        if (!g_idx.empty())
            result.push_back(part("l.g_idx", dtype::int32, {in}, g_idx));
        return result;
    }
};

}  // namespace

TEST_CASE("GPTQ weights of 2, 4 and 8 bits are shown as what they stand for")
{
    for (const std::size_t bits : {2, 4, 8}) {
        gptq_parts p{.bits = bits, .in = 64, .out = 16, .groups = 2};
        p.fill(1);
        const joined j(p.tensors());
        const named_tensor& w = j["l.weight"];
        CHECK(w.encoding == fmt::format("GPTQ {}-bit g32", bits));
        CHECK(w.stored_bytes() == 4 * (p.qweight.size() + p.qzeros.size()) + 2 * p.scales.size());
        CHECK(j.m.tensors.size() == 5);
        CHECK(j["l.qweight"].part_of == "l.weight");
        CHECK(j["l.qzeros"].part_of == "l.weight");
        CHECK(j["l.scales"].part_of == "l.weight");
        CHECK(j["l.bias"].part_of.empty());
        CHECK(j.m.metadata.empty());
        check_values(w, 16, 64, [&](std::size_t o, std::size_t i) {
            const std::size_t g = i / 32;
            return static_cast<float>(code_of(i, o, 1 << bits) - p.zero(g, o)) * static_cast<float>(scale_of(g, o));
        });
    }
}

TEST_CASE("GPTQ's second version stores zero points as they are, and g_idx says which group an input is in")
{
    gptq_parts p{.bits = 4, .in = 64, .out = 8, .groups = 4};
    p.fill(0);
    for (std::size_t i = 0; i < p.in; ++i)
        p.g_idx.push_back(static_cast<std::int32_t>(i * 13 % 4));
    const joined j(p.tensors(), R"({"quantization_config": {"quant_method": "gptq", "checkpoint_format": "gptq_v2"}})");
    CHECK(j["l.weight"].encoding == "GPTQ 4-bit g16");
    CHECK(j["l.g_idx"].part_of == "l.weight");
    check_values(j["l.weight"], 8, 64, [&](std::size_t o, std::size_t i) {
        const std::size_t g = i * 13 % 4;
        return static_cast<float>(code_of(i, o, 16) - p.zero(g, o)) * static_cast<float>(scale_of(g, o));
    });

    p.g_idx[5] = 4;
    const joined wrong(p.tensors());
    CHECK(message<io_error>([&] { (void)values_of(wrong["l.weight"]); }).ends_with(
        "tensor 'l.g_idx': names group 4, expected 0 to 3; download or write the file again"));
}

TEST_CASE("GPTQ codes of 3 bits lie in three words for 32 of them")
{
    constexpr std::size_t in = 64, out = 32;
    // ten codes, one over the end of the word, ten codes, one over the end, ten codes: as the packing loop of AutoGPTQ is written
    const auto pack = [](const std::function<std::uint32_t(std::size_t)>& code, const std::function<std::uint32_t&(std::size_t)>& word,
                         std::size_t count) {
        for (std::size_t i = 0, row = 0; i < count;) {
            for (std::size_t j = i; j < i + 10; ++j)
                word(row) |= code(j) << 3 * (j - i);
            i += 10;
            word(row++) |= code(i) << 30;
            word(row) |= code(i++) >> 2 & 1;
            for (std::size_t j = i; j < i + 10; ++j)
                word(row) |= code(j) << (3 * (j - i) + 1);
            i += 10;
            word(row++) |= code(i) << 31;
            word(row) |= code(i++) >> 1 & 3;
            for (std::size_t j = i; j < i + 10; ++j)
                word(row) |= code(j) << (3 * (j - i) + 2);
            i += 10;
            ++row;
        }
    };
    words qweight(in * 3 / 32 * out), qzeros(2 * out * 3 / 32);
    std::vector<float16> scales;
    for (std::size_t o = 0; o < out; ++o)
        pack([&](std::size_t i) { return static_cast<std::uint32_t>(code_of(i, o, 8)); },
             [&](std::size_t row) -> std::uint32_t& { return qweight[row * out + o]; }, in);
    for (std::size_t g = 0; g < 2; ++g) {
        pack([&](std::size_t o) { return static_cast<std::uint32_t>((g + o + 7) % 8); },
             [&](std::size_t column) -> std::uint32_t& { return qzeros[g * 3 + column]; }, out);
        for (std::size_t o = 0; o < out; ++o)
            scales.push_back(scale_of(g, o));
    }
    const joined j({part("l.qweight", dtype::int32, {6, out}, qweight), part("l.qzeros", dtype::int32, {2, 3}, qzeros),
                    part("l.scales", dtype::float16, {2, out}, scales)});
    CHECK(j["l.weight"].encoding == "GPTQ 3-bit g32");
    check_values(j["l.weight"], out, in, [&](std::size_t o, std::size_t i) {
        return static_cast<float>(code_of(i, o, 8) - static_cast<int>((i / 32 + o) % 8)) * static_cast<float>(scale_of(i / 32, o));
    });
}

TEST_CASE("AWQ weights are unpacked in their own order")
{
    constexpr std::size_t in = 32, out = 24, groups = 2;
    constexpr std::size_t order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    words qweight(in * out / 8), qzeros(groups * out / 8);
    std::vector<float16> scales;
    const auto zero = [](std::size_t g, std::size_t o) { return static_cast<std::uint32_t>((3 * g + o) % 16); };
    for (std::size_t column = 0; column < out / 8; ++column)
        for (std::size_t k = 0; k < 8; ++k) {
            const std::size_t o = column * 8 + order[k];
            for (std::size_t i = 0; i < in; ++i)
                qweight[i * (out / 8) + column] |= static_cast<std::uint32_t>(code_of(i, o, 16)) << 4 * k;
            for (std::size_t g = 0; g < groups; ++g)
                qzeros[g * (out / 8) + column] |= zero(g, o) << 4 * k;
        }
    for (std::size_t g = 0; g < groups; ++g)
        for (std::size_t o = 0; o < out; ++o)
            scales.push_back(scale_of(g, o));
    const joined j({part("l.qweight", dtype::int32, {in, out / 8}, qweight), part("l.qzeros", dtype::int32, {groups, out / 8}, qzeros),
                    part("l.scales", dtype::float16, {groups, out}, scales)});
    CHECK(j["l.weight"].encoding == "AWQ 4-bit g16");
    check_values(j["l.weight"], out, in, [&](std::size_t o, std::size_t i) {
        return static_cast<float>(code_of(i, o, 16) - static_cast<int>(zero(i / 16, o))) * static_cast<float>(scale_of(i / 16, o));
    });
}

TEST_CASE("packed weights of compressed-tensors are unpacked row by row")
{
    constexpr std::size_t in = 20, out = 10;
    for (const std::size_t bits : {4, 8})
        for (const int zeros : {0, 1, 2}) {  // none, packed, plain
            const std::size_t per_word = 32 / bits, columns = (in + per_word - 1) / per_word, zero_rows = (out + per_word - 1) / per_word;
            const int offset = 1 << (bits - 1);
            words packed(out * columns), packed_zeros(zero_rows * 2);
            std::vector<std::int8_t> plain_zeros;
            std::vector<bfloat16> scales;
            const auto zero = [&](std::size_t o, std::size_t g) { return static_cast<int>((o + 5 * g) % 16) - 8; };
            for (std::size_t o = 0; o < out; ++o) {
                for (std::size_t i = 0; i < in; ++i)
                    packed[o * columns + i / per_word] |= static_cast<std::uint32_t>(code_of(i, o, 2 * offset)) << bits * (i % per_word);
                for (std::size_t g = 0; g < 2; ++g) {
                    packed_zeros[o / per_word * 2 + g] |= static_cast<std::uint32_t>(zero(o, g) + offset) << bits * (o % per_word);
                    plain_zeros.push_back(static_cast<std::int8_t>(zero(o, g)));
                    scales.push_back(bfloat16(static_cast<float>(o + 1 + 16 * g) / 8));
                }
            }
            std::vector<tensor_to_write> parts = {part("l.weight_packed", dtype::int32, {out, columns}, packed),
                                                  part("l.weight_scale", dtype::bfloat16, {out, 2}, scales),
                                                  part("l.weight_shape", dtype::int64, {2}, std::vector<std::int64_t>{out, in})};
            if (zeros == 1)
                parts.push_back(part("l.weight_zero_point", dtype::int32, {zero_rows, 2}, packed_zeros));
            if (zeros == 2)
                parts.push_back(part("l.weight_zero_point", dtype::int8, {out, 2}, plain_zeros));
            const joined j(parts);
            CHECK(j["l.weight"].encoding == fmt::format("compressed-tensors {}-bit g10", bits));
            CHECK(j["l.weight_scale"].part_of == "l.weight");
            check_values(j["l.weight"], out, in, [&](std::size_t o, std::size_t i) {
                const std::size_t g = i / 10;
                const int code = code_of(i, o, 2 * offset) - offset - (zeros == 0 ? 0 : zero(o, g));
                return static_cast<float>(code) * static_cast<float>(o + 1 + 16 * g) / 8;
            });
        }
}

TEST_CASE("weights of 8 bits are multiplied by the scale of their tensor, row or block")
{
    constexpr std::size_t out = 130, in = 260;
    std::vector<std::uint8_t> codes;
    for (std::size_t o = 0; o < out; ++o)
        for (std::size_t i = 0; i < in; ++i)
            codes.push_back(static_cast<std::uint8_t>((o * 5 + i) % 127));  // no NaN among them
    const auto fp8 = [&](std::size_t o, std::size_t i) { return static_cast<float>(float8_e4m3::from_bits(codes[o * in + i])); };
    const auto int8 = [&](std::size_t o, std::size_t i) { return static_cast<float>(static_cast<std::int8_t>(codes[o * in + i])); };
    std::vector<float> rows;
    for (std::size_t o = 0; o < out; ++o)
        rows.push_back(static_cast<float>(o + 1) / 3);

    const joined blocks({part("l.weight", dtype::float8_e4m3, {out, in}, codes),
                         part("l.weight_scale_inv", dtype::float32, {2, 3}, std::vector<float>{1, 2, 3, 0.1f, 0.2f, 0.3f})});
    CHECK(blocks["l.weight"].encoding == "F8_E4M3 blocks of 128 x 128");
    CHECK(blocks["l.weight"].stored_bytes() == out * in + 24);
    CHECK(blocks["l.weight.codes"].dtype == dtype::float8_e4m3);
    CHECK(blocks["l.weight.codes"].part_of == "l.weight");
    CHECK(blocks["l.weight_scale_inv"].part_of == "l.weight");
    check_values(blocks["l.weight"], out, in, [&](std::size_t o, std::size_t i) {
        const float scales[] = {1, 2, 3, 0.1f, 0.2f, 0.3f};
        return fp8(o, i) * scales[o / 128 * 3 + i / 128];
    });

    const joined tensor({part("l.weight", dtype::float8_e4m3, {out, in}, codes),
                         part("l.weight_scale", dtype::bfloat16, {}, std::vector<bfloat16>{bfloat16(0.75f)})});
    CHECK(tensor["l.weight"].encoding == "F8_E4M3 per tensor");
    check_values(tensor["l.weight"], out, in, [&](std::size_t o, std::size_t i) { return fp8(o, i) * 0.75f; });

    const joined channel({part("l.weight", dtype::int8, {out, in}, codes), part("l.weight_scale", dtype::float32, {out, 1}, rows)});
    CHECK(channel["l.weight"].encoding == "I8 per channel");
    check_values(channel["l.weight"], out, in, [&](std::size_t o, std::size_t i) { return int8(o, i) * rows[o]; });

    const joined bits({part("l.weight", dtype::int8, {out, in}, codes), part("l.SCB", dtype::float32, {out}, rows)});
    CHECK(bits["l.weight"].encoding == "bitsandbytes I8 per channel");
    check_values(bits["l.weight"], out, in, [&](std::size_t o, std::size_t i) { return int8(o, i) * rows[o] / 127; });
}

TEST_CASE("bitsandbytes' codes of 4 bits are looked up and scaled block by block")
{
    constexpr std::size_t out = 5, in = 40, block = 64;
    std::vector<float> table, absmax = {0.5f, 2, 4, 8}, nested_table(256);
    for (int i = 0; i < 16; ++i)
        table.push_back(static_cast<float>(i * i) - 100);
    for (std::size_t i = 0; i < 256; ++i)
        nested_table[i] = static_cast<float>(i) / 255;
    std::vector<std::uint8_t> codes((out * in + 1) / 2);
    for (std::size_t k = 0; k < out * in; ++k)
        codes[k / 2] |= static_cast<std::uint8_t>(k * 11 % 16 << (k % 2 == 0 ? 4 : 0));
    const auto state = [](const std::string& text) {
        return part("l.weight.quant_state.bitsandbytes__nf4", dtype::uint8, {text.size()}, std::vector<char>(text.begin(), text.end()));
    };
    std::vector<tensor_to_write> parts = {part("l.weight", dtype::uint8, {codes.size(), 1}, codes),
                                          part("l.weight.quant_map", dtype::float32, {16}, table)};
    std::vector<tensor_to_write> plain = parts, nested = parts;
    plain.push_back(part("l.weight.absmax", dtype::float32, {4}, absmax));
    plain.push_back(state(R"({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [5, 40]})"));
    const joined j(plain);
    CHECK(j["l.weight"].encoding == "bitsandbytes nf4 b64");
    CHECK(j["l.weight.codes"].part_of == "l.weight");
    CHECK(j["l.weight.quant_state.bitsandbytes__nf4"].part_of == "l.weight");
    check_values(j["l.weight"], out, in, [&](std::size_t o, std::size_t i) {
        const std::size_t k = o * in + i;
        return table[k * 11 % 16] * absmax[k / block];
    });

    const std::vector<std::uint8_t> scale_codes = {0, 50, 255, 7};
    const std::vector<float> nested_absmax = {0.5f, 3};
    nested.push_back(part("l.weight.absmax", dtype::uint8, {4}, scale_codes));
    nested.push_back(part("l.weight.nested_absmax", dtype::float32, {2}, nested_absmax));
    nested.push_back(part("l.weight.nested_quant_map", dtype::float32, {256}, nested_table));
    nested.push_back(state(R"({"quant_type": "nf4", "blocksize": 64, "shape": [5, 40], "nested_blocksize": 2, "nested_offset": 0.25})"));
    const joined n(nested);
    CHECK(n["l.weight"].encoding == "bitsandbytes nf4 b64 nested");
    check_values(n["l.weight"], out, in, [&](std::size_t o, std::size_t i) {
        const std::size_t k = o * in + i, b = k / block;
        return table[k * 11 % 16] * (nested_table[scale_codes[b]] * nested_absmax[b / 2] + 0.25f);
    });
}

TEST_CASE("what fits no convention stays in parts, and the reason is kept")
{
    const auto notes = [](const std::vector<tensor_to_write>& parts) {
        const joined j(parts);
        lines result;
        for (const auto& [key, value] : j.m.metadata)
            result.push_back(key + ": " + value);
        CHECK(j.m.tensors.size() == parts.size());
        for (const named_tensor& tensor : j.m.tensors)
            CHECK((tensor.part_of.empty() && !tensor.decoder));
        return result;
    };
    const std::vector<std::int32_t> many(64);
    const std::vector<float> floats(64);
    const std::vector<std::int8_t> codes(64);
    CHECK(notes({part("l.qweight", dtype::int32, {4, 8}, std::vector<std::int32_t>(32))})
          == lines{"left in parts: l.weight: expected matrices qweight and qzeros of I32 and scales of floats"});
    CHECK(notes({part("l.qweight", dtype::int32, {8, 8}, many), part("l.qzeros", dtype::int32, {8, 8}, many),
                 part("l.scales", dtype::float32, {8, 8}, floats)})
          == lines{"left in parts: l.weight: the shapes [8, 8] of qweight, [8, 8] of qzeros and [8, 8] of scales fit neither GPTQ nor AWQ"});
    CHECK(notes({part("l.weight_packed", dtype::int32, {8, 8}, many), part("l.weight_scale", dtype::float32, {8, 8}, floats),
                 part("l.weight_shape", dtype::int64, {2}, std::vector<std::int64_t>{9, 64})})
          == lines{"left in parts: l.weight: the shapes [8, 8] of weight_packed and [8, 8] of weight_scale do not fit weight_shape, [9, 64]"});
    CHECK(notes({part("l.weight", dtype::int8, {8, 8}, codes), part("l.weight_scale", dtype::float32, {3}, std::vector<float>(3))})
          == lines{"left in parts: l.weight: weight_scale of shape [3] does not fit a weight of shape [8, 8]"});
    CHECK(notes({part("l.weight", dtype::uint8, {8, 8}, codes), part("l.weight_scale", dtype::float32, {8, 1}, std::vector<float>(8))})
          == lines{"left in parts: l.weight: expected a weight of I8 or F8 beside it"});
    CHECK(notes({part("l.weight", dtype::uint8, {64}, codes),
                 part("l.weight.quant_state.bitsandbytes__fp4", dtype::uint8, {2}, std::vector<char>{'{', '}'})})
          == lines{"left in parts: l.weight: its parts do not fit together"});
    // a scale that belongs to no weight of 8 bits is a tensor like others
    CHECK(notes({part("l.weight", dtype::float32, {8, 8}, floats), part("l.weight_scale", dtype::float32, {8, 1}, std::vector<float>(8))})
          == lines{});
}
