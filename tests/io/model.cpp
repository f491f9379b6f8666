#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/model.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;

namespace {

template <class T>
named_tensor tensor_of(const std::vector<T>& elements, std::vector<std::size_t> shape)
{
    return {.name = "w", .shape = std::move(shape), .dtype = dtype_of<T>, .bytes = std::as_bytes(std::span(elements))};
}

const auto add_up = [](const auto& view) {
    return with_elements(view, [](auto elements) {
        double sum = 0;
        for (const auto x : elements)
            sum += static_cast<double>(x);
        return sum;
    });
};

}  // namespace

TEST_CASE("visit shows every numeric dtype as its C++ type")
{
    int seen = 0;
    for (const auto& record : detail::dtypes) {
        if (!is_numeric(record.type))
            continue;
        with_scalar(record.type, [&]<class T>(std::type_identity<T>) {
            const std::vector<T> elements = {T(1), T(2), T(4), T(8), T(16), T(32)};
            const named_tensor tensor = tensor_of(elements, {2, 3});
            CHECK(tensor.dtype == record.type);
            CHECK(tensor.size() == 6);
            visit(tensor, [&](const auto& view) {
                using value = typename std::remove_cvref_t<decltype(view)>::value_type;
                const bool same_type = std::is_same_v<value, T>;
                CHECK(same_type);
                CHECK(view.dimension() == 2);
                CHECK(view.shape()[0] == 2);
                CHECK(view.shape()[1] == 3);
                CHECK(static_cast<double>(view(1, 2)) == 32);
                ++seen;
            });
            CHECK(visit(tensor, add_up) == 63);
        });
    }
    CHECK(seen == 17);
}

TEST_CASE("a visited tensor is not copied, neither by visit nor by with_elements")
{
    const std::vector<float> elements = {1, 2, 3, 4};
    const auto address = [](const auto& view) {
        return with_elements(view, [](auto span) { return static_cast<const void*>(span.data()); });
    };
    CHECK(visit(tensor_of(elements, {2, 2}), address) == elements.data());
    CHECK(visit(tensor_of(elements, {4, 1, 1}), address) == elements.data());
    CHECK(visit(tensor_of(std::vector<float>{}, {0}), [](const auto& view) { return view.size(); }) == 0);
    const std::vector<float> one = {7};
    CHECK(visit(tensor_of(one, {}), address) == one.data());
}

TEST_CASE("visit knows scalars and empty tensors")
{
    const std::vector<double> one = {1.5};
    visit(tensor_of(one, {}), [](const auto& view) {
        CHECK(view.dimension() == 0);
        CHECK(view.size() == 1);
        CHECK(static_cast<double>(view()) == 1.5);
    });
    const named_tensor empty{.name = "e", .shape = {0, 7}, .dtype = dtype::bfloat16};
    CHECK(empty.size() == 0);
    visit(empty, [](const auto& view) {
        CHECK(view.dimension() == 2);
        CHECK(view.shape()[1] == 7);
        CHECK(view.size() == 0);
    });
    CHECK(visit(empty, add_up) == 0);
}

TEST_CASE("data of any alignment can be visited")
{
    const std::vector<double> elements = {1, -2, 3.25};
    for (std::size_t shift = 0; shift < 8; ++shift) {
        alignas(8) std::byte buffer[32] = {};
        std::memcpy(buffer + shift, elements.data(), 24);
        const named_tensor tensor{
            .name = "w", .shape = {3}, .dtype = dtype::float64, .bytes = std::span(buffer + shift, 24)};
        CHECK(visit(tensor, add_up) == 2.25);
        const named_tensor empty{
            .name = "w", .shape = {0}, .dtype = dtype::float64, .bytes = std::span(buffer + shift, 0)};
        CHECK(visit(empty, add_up) == 0);
    }
}

TEST_CASE("visit returns what the callable returns")
{
    const std::vector<float> elements = {1, 2};
    const named_tensor tensor = tensor_of(elements, {2});
    int counter = 0;
    visit(tensor, [&](const auto&) { ++counter; });
    CHECK(counter == 1);
    int& same = visit(tensor, [&](const auto&) -> int& { return counter; });
    CHECK(&same == &counter);
    const std::unique_ptr<int> moved = visit(tensor, [](const auto&) { return std::make_unique<int>(5); });
    CHECK(*moved == 5);
    CHECK(message<std::logic_error>([&] { visit(tensor, [](const auto&) { throw std::logic_error("from inside"); }); })
          == "from inside");

    const files::temporary_folder folder;
    named_tensor in_file = tensor;
    in_file.file = std::make_shared<const mapped_file>(files::write(folder / "f", "12345678"));
    in_file.bytes = in_file.file->bytes();
    int& again = visit(in_file, [&](const auto&) -> int& { return counter; });
    CHECK(&again == &counter);
    CHECK(*visit(in_file, [](const auto&) { return std::make_unique<int>(6); }) == 6);
}

TEST_CASE("a tensor that is not numeric, or too short for its shape, is not visited")
{
    const std::vector<std::uint8_t> elements(8);
    named_tensor tensor = tensor_of(elements, {8});
    tensor.name = "mask\n";
    tensor.dtype = dtype::boolean;
    const auto nothing = [](const auto&) {};
    CHECK(
        message<std::invalid_argument>([&] { visit(tensor, nothing); })
        == "weightscope::visit(tensor 'mask\\u{a}'): BOOL elements are listed, not analysed; expected a numeric dtype");
    for (const dtype type : {dtype::float4_e2m1, dtype::float6_e2m3, dtype::float6_e3m2, dtype::complex64}) {
        tensor.dtype = type;
        CHECK_THROWS_AS(visit(tensor, nothing), std::invalid_argument);
    }
    tensor.dtype = dtype::float32;
    CHECK(message<std::invalid_argument>([&] { visit(tensor, nothing); })
          == "weightscope::visit(tensor 'mask\\u{a}'): 8 bytes do not hold 8 elements of F32");
}

TEST_CASE("a tensor whose file shrinks is visited with an error")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "model", std::string(40000, '\1'));
    const auto file = std::make_shared<const mapped_file>(path);
    const named_tensor tensor{
        .name = "w", .shape = {10000}, .dtype = dtype::float32, .bytes = file->bytes(), .file = file};
    CHECK(visit(tensor, add_up) > 0);
    std::filesystem::resize_file(path, 100);
    const std::string expected = path.string() + ": shrank from 40000 to 100 bytes while it was being read; wait until nothing "
                                                 "writes to it and read it again";
    CHECK(message<io_error>([&] { visit(tensor, add_up); }) == expected);
    // the callable's own complaint about what it saw does not hide the cause
    CHECK(message<io_error>([&] { visit(tensor, [](const auto&) { throw std::invalid_argument("all zero"); }); })
          == expected);
}
