#include <filesystem>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/io/onnx_weight_nodes.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "onnx_writer.hpp"

using namespace weightscope;
using namespace onnx_writer;

TEST_CASE("nodes are those that compute with a weight, however it reaches them")
{
    const files::temporary_folder folder;
    const std::string graph = initializer(raw_tensor("w", f32, {1}, raw({1.0F}))) + initializer(raw_tensor("v", f32, {1}, raw({1.0F}))) +
                              node("MatMul", {"x", "w"}, {"a"}, {}, {}, "first") +                 //
                              node("Reshape", {"v", "shape"}, {"flat"}, {}, {}, "reshape") +       //
                              node("Transpose", {"flat"}, {"turned"}, {}, {}, "transpose") +       //
                              node("MatMul", {"a", "turned"}, {"b"}, {}, {}, "second") +           //
                              node("Gemm", {"b", "w", ""}, {"c"}, {}, {}, "third") +               //
                              node("Add", {"c", "w"}, {"y"});                                      // a node without a name
    files::write(folder / "m.onnx", model(graph));
    files::write(folder / "m.onnx.data", "no graph");
    for (const auto& path : {folder / "m.onnx", folder / "."}) {
        const weight_nodes nodes = onnx_weight_nodes(path);
        CHECK(nodes.at("w") == std::vector<std::string>{"first", "third"});
        CHECK(nodes.at("v") == std::vector<std::string>{"second"});
        CHECK(nodes.at("x") == std::vector<std::string>{"first"});
    }
    std::filesystem::remove(folder / "m.onnx");
    CHECK_THROWS_AS(onnx_weight_nodes(folder / "."), io_error);
}
