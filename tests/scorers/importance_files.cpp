// Gradients, curvature and activations from files.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/npz_writer.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/activation_file.hpp>
#include <weightscope/scorers/importance_files.hpp>
#include <weightscope/scorers/scorer.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "../io/gguf_writer.hpp"

using namespace weightscope;

namespace {

const std::vector<weight_info> two_weights = {{.name = "model.layers.0.self_attn.q_proj.weight", .shape = {2, 3}},
                                              {.name = "norm", .shape = {2}}};
const std::string& query = two_weights[0].name;

std::vector<double> numbers(const importance_values& values)
{
    std::vector<double> result(values.size());
    values.read(0, result);
    return result;
}

tensor_to_write floats(std::string name, std::vector<std::size_t> shape, const std::vector<float>& values)
{
    return {.name = std::move(name), .shape = std::move(shape), .produce = [values] {
                const auto bytes = std::as_bytes(std::span(values));
                return std::vector<std::byte>(bytes.begin(), bytes.end());
            }};
}

}  // namespace

TEST_CASE("derivatives are read by the names of their weights, and what is missing is listed in one line")
{
    files::temporary_folder folder;
    write_safetensors(folder / "g.safetensors", std::vector{floats(query, {2, 3}, {1, -2, 3, 4, 5, 6}), floats("norm", {2}, {7, 8})});
    write_safetensors(folder / "h.safetensors", std::vector{floats(query, {2, 3}, {6, 5, 4, -3, 2, 1}), floats("unknown", {1}, {1})});
    write_safetensors(folder / "f.safetensors", std::vector{floats("norm", {2}, {9, 0})});
    const importance_files_result found = read_importance_files(two_weights, {.gradients = folder / "g.safetensors",
                                                                              .squared_gradients = folder / "f.safetensors",
                                                                              .hessian_diag = folder / "h.safetensors"});
    const importance_info info = found.data.of(query);
    CHECK(numbers(info.gradients) == std::vector<double>{1, -2, 3, 4, 5, 6});
    CHECK(numbers(info.hessian_diag) == std::vector<double>{6, 5, 4, -3, 2, 1});
    CHECK(info.squared_gradients.empty());
    CHECK(info.origin.source == "g.safetensors, h.safetensors");
    CHECK(numbers(found.data.of("norm").squared_gradients) == std::vector<double>{9, 0});
    CHECK(found.missing == std::vector<std::string>{"f.safetensors lacks " + query, "h.safetensors lacks norm"});
    const xt::xtensor<float, 2> w = xt::ones<float>({2, 3});
    CHECK(score_taylor_2nd_signed(w, info).scores == std::vector<double>{2, 4.5, -1, -5.5, -4, -5.5});
}

TEST_CASE("files that do not fit are refused with the tensor at fault")
{
    files::temporary_folder folder;
    const auto refused = [&](const tensor_to_write& tensor, bool squares = false) {
        const auto path = folder / "x.safetensors";
        write_safetensors(path, std::span(&tensor, 1));
        importance_files asked;
        (squares ? asked.squared_gradients : asked.gradients) = path;
        std::string message;
        try {
            (void)read_importance_files(two_weights, asked);
        } catch (const io_error& error) {
            message = error.what();
        }
        return message.substr(std::min(message.size(), path.string().size() + 2));
    };
    CHECK(refused(floats("norm", {1}, {1})) == "tensor 'norm': has shape [1], expected that of the weight, [2]");
    CHECK(refused(floats("norm", {2}, {1, std::nanf("")})) == "tensor 'norm': element 1 is nan, expected finite numbers");
    CHECK(refused(floats("norm", {2}, {-1, 2}), true) == "tensor 'norm': element 0 is -1, expected finite numbers, none of them negative");
    CHECK(refused(floats("other", {2}, {1, 2}))
          == "has nothing under the name of any of the 2 weights, such as 'model.layers.0.self_attn.q_proj.weight'; arrays must be named as the weights are");
}

TEST_CASE("arrays may come from NumPy")
{
    files::temporary_folder folder;
    {
        npz_writer out(folder / "g.npz");
        out.add("norm", std::vector<double>{0.5, -1.5});
        out.commit();
    }
    const importance_files_result found = read_importance_files(std::span(two_weights).subspan(1), {.gradients = folder / "g.npz"});
    CHECK(numbers(found.data.of("norm").gradients) == std::vector<double>{0.5, -1.5});
    CHECK(found.missing.empty());
}

TEST_CASE("statistics of inputs are written and read again")
{
    files::temporary_folder folder;
    const std::vector<activation_statistics> statistics = {{.tensor = query,
                                                            .rows = 7,
                                                            .sums = {1, -2, 3},
                                                            .sums_of_magnitudes = {2, 3, 4},
                                                            .sums_of_squares = {4, 16, 25},
                                                            .max_magnitudes = {1, 2, 3}},
                                                           {.tensor = "b", .rows = 3, .sums_of_squares = {1}}};
    write_activation_statistics(folder / "x.safetensors", statistics);
    const auto found = read_activation_statistics(folder / "x.safetensors");
    REQUIRE(found.size() == 2);
    CHECK(found[0].tensor == "b");
    CHECK(found[0].sums.empty());
    CHECK(found[1].rows == 7);
    CHECK(found[1].sums == statistics[0].sums);
    CHECK(found[1].sums_of_magnitudes == statistics[0].sums_of_magnitudes);
    CHECK(found[1].sums_of_squares == statistics[0].sums_of_squares);
    CHECK(found[1].max_magnitudes == statistics[0].max_magnitudes);

    // bare norms under the weight's own name
    write_safetensors(folder / "norms.safetensors", std::vector{floats(query, {3}, {2, 4, 5})});
    const importance_files_result norms = read_importance_files(two_weights, {.activations = folder / "norms.safetensors"});
    const xt::xtensor<float, 2> w = {{1, 2, -3}, {0, 1, 1}};
    CHECK(score_wanda(w, norms.data.of(query)).scores == std::vector<double>{2, 8, 15, 0, 4, 5});
    CHECK(norms.missing.empty());  // a gain has no inputs of its own

    write_safetensors(folder / "wrong.safetensors", std::vector{floats("b", {1}, {1})});
    CHECK_THROWS_WITH(read_importance_files(two_weights, {.activations = folder / "wrong.safetensors"}),
                      (folder / "wrong.safetensors").string()
                          + ": has nothing under the name of any of the 1 matrices, such as 'model.layers.0.self_attn.q_proj.weight'; statistics must be "
                            "named as the weights are");
    write_safetensors(folder / "matrix.safetensors", std::vector{floats(query, {1, 3}, {1, 2, 3})});
    CHECK_THROWS_WITH(read_activation_statistics(folder / "matrix.safetensors"),
                      (folder / "matrix.safetensors").string() + ": tensor '" + query + "': is F32 of shape [1, 3], expected one number for each input");
    write_safetensors(folder / "sizes.safetensors",
                      std::vector{floats("b.sums", {2}, {1, 2}), floats("b.sums_of_squares", {3}, {1, 2, 3})});
    CHECK_THROWS_WITH(read_activation_statistics(folder / "sizes.safetensors"),
                      (folder / "sizes.safetensors").string() + ": tensor 'b.sums_of_squares': is of 3 inputs, and what came before of 2");
    write_safetensors(folder / "rows.safetensors", std::vector{floats("b.rows", {1}, {-1})});
    CHECK_THROWS_WITH(read_activation_statistics(folder / "rows.safetensors"),
                      (folder / "rows.safetensors").string() + ": tensor 'b.rows': is no number of tokens, expected one number");
}

TEST_CASE("an importance matrix of llama.cpp is a calibration for Wanda, under both families of names")
{
    using gguf_writer::bytes_of;
    files::temporary_folder folder;
    gguf_writer::file imatrix;
    imatrix.key("general.type", std::string_view("imatrix")).key("imatrix.chunk_count", std::uint32_t{1}).key("imatrix.chunk_size", std::uint32_t{8});
    imatrix.keys.emplace_back("imatrix.datasets", gguf_writer::texts({"text.txt"}));
    imatrix.tensors = {{.name = "blk.0.attn_q.weight.in_sum2", .extents = {3, 1}, .bytes = bytes_of(std::vector<float>{4, 16, 25})},
                       {.name = "blk.0.attn_q.weight.counts", .extents = {1, 1}, .bytes = bytes_of(std::vector<float>{8})}};
    files::write(folder / "imatrix.gguf", imatrix.content());
    const importance_files_result found = read_importance_files(two_weights, {.activations = folder / "imatrix.gguf"});
    const importance_info info = found.data.of(query);
    REQUIRE(info.activations.has_value());
    CHECK(info.activations->rows == 8);
    const xt::xtensor<float, 2> w = {{1, 2, -3}, {0, 1, 1}};
    CHECK(score_wanda(w, info).scores == std::vector<double>{2, 8, 15, 0, 4, 5});
    CHECK(info.origin.source == "imatrix.gguf");
    const std::vector<weight_info> as_in_gguf = {{.name = "blk.0.attn_q.weight", .shape = {2, 3}}};
    CHECK(read_importance_files(as_in_gguf, {.activations = folder / "imatrix.gguf"}).data.of("blk.0.attn_q.weight").activations.has_value());
}
