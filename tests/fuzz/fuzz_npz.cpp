// Fuzzes the reader of NPZ archives, and with it the directory of zip archives and inflation.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/io/npz.hpp>

#include "../io/npz_builder.hpp"
#include "fuzz.hpp"

std::vector<std::string> seeds()
{
    using namespace npz_builder;
    const std::string array = small_array(), turned = npy("{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }", std::string(24, '\2'));
    return {zip({{.name = "a.npy", .content = array}, {.name = "b.npy", .content = turned}}),
            zip({{.name = "a.npy", .content = array, .deflate = true}, {.name = "b.npy", .content = turned, .deflate = true, .sizes_follow = true}}),
            zip({{.name = "a.npy", .content = array, .large = true}, {.name = "read.me", .content = "?"}}, "a comment", true),
            zip({})};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const auto& file) { return weightscope::detail::read_npz(file); });
}
