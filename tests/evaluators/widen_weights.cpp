#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/widen_weights.hpp>
#include <weightscope/io/safetensors.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"

using namespace weightscope;

TEST_CASE("16-bit weights become floats of the same values, and what is wide stays where it lies")
{
    const files::temporary_folder folder;
    xt::xtensor<bfloat16, 2> half = random_normal<bfloat16>({5, 3}, {.seed = 1});
    half(0, 0) = bfloat16(std::numeric_limits<float>::infinity());
    const xt::xtensor<float16, 1> small = random_normal<float16>({4}, {.seed = 2});
    const xt::xtensor<float, 1> wide = {0.1f, 0.2f};
    const xt::xtensor<std::int8_t, 1> codes = {1, -2};
    write_safetensors(folder / "m.safetensors",
                      std::vector{to_write("half", half), to_write("small", small), to_write("wide", wide), to_write("codes", codes)});
    model m = read_safetensors(folder / "m.safetensors");
    m.tensors.push_back(m.tensors[0]);
    m.tensors.back().name = "tied";
    m.tensors.back().tied_to = m.tensors[0].name;

    const widened_model moved = [&] {
        widened_model made = widen_weights(m);
        return made;
    }();
    REQUIRE(moved.wider.tensors.size() == m.tensors.size());
    for (std::size_t t = 0; t < m.tensors.size(); ++t) {
        const named_tensor &before = m.tensors[t], &after = moved.wider.tensors[t];
        const bool narrow = before.dtype == dtype::bfloat16 || before.dtype == dtype::float16;
        CHECK(after.name == before.name);
        CHECK(after.dtype == (narrow ? dtype::float32 : before.dtype));
        CHECK((after.bytes.data() == before.bytes.data()) != narrow);
        const auto values = [](const named_tensor& tensor) {
            return visit(tensor, [](const auto& view) {
                std::vector<double> result;
                for (const auto x : view)
                    result.push_back(static_cast<double>(x));
                return result;
            });
        };
        CHECK(values(after) == values(before));
    }
    CHECK(moved.wider.tensors.back().bytes.data() == moved.wider.tensors.front().bytes.data());
    CHECK(moved.memory.size() == 2);
}
