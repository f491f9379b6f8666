// Fuzzes the reader of safetensors files.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/io/safetensors.hpp>

#include "../io/files.hpp"
#include "fuzz.hpp"

std::vector<std::string> seeds()
{
    return {files::one_tensor("w"),
            files::safetensors(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]},)"
                               R"("b":{"dtype":"F64","shape":[],"data_offsets":[4,12]},"c":{"dtype":"BF16","shape":[0,3],"data_offsets":[12,12]}})",
                               "abcdefghijkl"),
            files::safetensors(R"({"n":{"dtype":"F4","shape":[4],"data_offsets":[0,2],"more":[{"x":1e3}]}})", "ab"), files::safetensors("{}")};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const auto& file) { return weightscope::detail::read_safetensors(file); });
}
