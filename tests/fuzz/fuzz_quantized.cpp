// Weights in parts: safetensors of GPTQ, AWQ, compressed-tensors, bitsandbytes and scaled weights, joined and decoded.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/quantized_tensors.hpp>
#include <weightscope/io/safetensors.hpp>

#include "../io/files.hpp"
#include "fuzz.hpp"

namespace {

struct part
{
    std::string_view name, type;
    std::vector<std::size_t> shape;
    std::size_t bytes;
};

// A file of these tensors, whose data are counted bytes, or the text `last` in the last of them.
std::string file_of(const std::vector<part>& parts, std::string_view last = {})
{
    std::string header, data;
    for (const part& p : parts) {
        header += fmt::format("{}\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", header.empty() ? "{" : ",", p.name,
                              p.type, fmt::join(p.shape, ","), data.size(), data.size() + p.bytes);
        for (std::size_t i = 0; i < p.bytes; ++i)
            data += static_cast<char>(i % 4);
    }
    data.replace(data.size() - last.size(), last.size(), last);
    return files::safetensors(header + "}", data);
}

}  // namespace

std::vector<std::string> seeds()
{
    const std::string_view state = R"({"blocksize": 64, "shape": [4, 16], "nested_blocksize": 1, "nested_offset": 0.5})";
    // weight_shape is a number of 8 bytes, [4, 16]
    const std::string_view shape{"\x04\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0", 16};
    return {file_of({{"l.qweight", "I32", {2, 8}, 64}, {"l.qzeros", "I32", {2, 1}, 8}, {"l.scales", "F16", {2, 8}, 32}, {"l.g_idx", "I32", {16}, 64}}),
            file_of({{"l.qweight", "I32", {3, 32}, 384}, {"l.qzeros", "I32", {1, 3}, 12}, {"l.scales", "F16", {1, 32}, 64}}),
            file_of({{"l.qweight", "I32", {16, 1}, 64}, {"l.qzeros", "I32", {2, 1}, 8}, {"l.scales", "F16", {2, 8}, 32}}),
            file_of({{"l.weight_packed", "I32", {4, 2}, 32},
                     {"l.weight_scale", "BF16", {4, 2}, 16},
                     {"l.weight_zero_point", "I32", {1, 2}, 8},
                     {"l.weight_shape", "I64", {2}, 16}},
                    shape),
            file_of({{"l.weight", "F8_E4M3", {4, 6}, 24}, {"l.weight_scale_inv", "F32", {2, 3}, 24}}),
            file_of({{"l.weight", "I8", {4, 6}, 24}, {"l.SCB", "F32", {4}, 16}}),
            file_of({{"w", "U8", {32, 1}, 32},
                     {"w.absmax", "U8", {1}, 1},
                     {"w.nested_absmax", "F32", {1}, 4},
                     {"w.nested_quant_map", "F32", {256}, 1024},
                     {"w.quant_map", "F32", {16}, 64},
                     {"w.quant_state.bitsandbytes__nf4", "U8", {state.size()}, state.size()}},
                    state)};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const auto& file) {
        weightscope::model m = weightscope::detail::read_safetensors(file);
        weightscope::detail::join_quantized_tensors(m, "no-such-folder");
        return m;
    });
}
