// Fuzzes the reader of NPY files.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/io/npy.hpp>

#include "../io/npz_builder.hpp"
#include "fuzz.hpp"

std::vector<std::string> seeds()
{
    using npz_builder::npy;
    const std::string data(24, '\1');
    std::vector<std::string> result;
    for (const char version : {1, 2, 3})
        result.push_back(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", data, version));
    for (const char* header : {"{'descr': '>f8', 'fortran_order': True, 'shape': (3, 1), }", "{'descr': '>c8', 'fortran_order': True, 'shape': (1, 3, 1), }",
                               "{'descr': '|b1', 'fortran_order': False, 'shape': (24,), }", "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 2, 3L)}",
                               "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5)}"})
        result.push_back(npy(header, std::string_view(header).find("(0,") == std::string_view::npos ? data : std::string()));
    return result;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const auto& file) { return weightscope::detail::read_npy_model(file); });
}
