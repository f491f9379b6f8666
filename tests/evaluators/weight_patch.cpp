#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include <weightscope/evaluators/weight_patch.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

template <class T>
std::span<const std::byte> bytes_of_value(const T& value)
{
    return std::as_bytes(std::span(&value, 1));
}

struct two_tensors : stored_weights<float>
{
    two_tensors()
    {
        add("a", {4}, {1, 2, 3, 4});
        add("b", {2}, {5, 6});
    }
};

// Takes some writes and drops others.
struct forgetful : two_tensors
{
    void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes)
    {
        if (writable > 0 || tensor == 1) {
            --writable;
            two_tensors::write(tensor, offset, bytes);
        }
    }
    int writable = 1;
};

struct failing : two_tensors
{
    void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes)
    {
        if (tensor == fails_on && ++calls > 1)
            throw std::runtime_error("disk full");
        two_tensors::write(tensor, offset, bytes);
    }
    std::size_t fails_on = 9;
    int calls = 0;
};

}  // namespace

TEST_CASE("a patch is there while it lives, and gone to the bit after it")
{
    two_tensors model;
    model.write(0, 4, bytes_of_value(std::uint32_t{0x7fa12345}));  // a NaN with a payload that no copy through a float would keep
    model.write(0, 8, bytes_of_value(-0.0f));
    const auto before = model.all();
    {
        weight_patch patch(model);
        patch.write(0, 4, bytes_of_value(9.0f));
        patch.write(0, 8, bytes_of_value(8.0f));
        patch.write(1, 1, bytes_of_value(std::byte{1}));  // any byte
        patch.write(0, 4, bytes_of_value(7.0f));         // twice
        CHECK(model.flat()[1] == 7);
        CHECK(model.flat()[2] == 8);
        CHECK_FALSE(model.same_bytes(before));
    }
    CHECK(model.same_bytes(before));
}

TEST_CASE("an exception while weights are patched leaves them as they were")
{
    two_tensors model;
    const auto before = model.all();
    const auto evaluate = [&] {
        weight_patch patch(model);
        patch.write(0, 0, bytes_of_value(9.0f));
        throw std::runtime_error("the forward failed");
    };
    CHECK_THROWS_WITH(evaluate(), "the forward failed");
    CHECK(model.same_bytes(before));
}

TEST_CASE("restore() looks whether the bytes came back")
{
    forgetful model;
    weight_patch patch(model);
    patch.write(0, 4, bytes_of_value(9.0f));
    CHECK_THROWS_WITH(patch.restore(),
                      "weightscope::weight_patch::restore(): bytes 4 to 8 of tensor 0 are not what was written back; read() must give what write() "
                      "took");
}

TEST_CASE("changes that overlap are put back, and what was there before is not taken for lost")
{
    two_tensors model;
    const auto before = model.all();
    std::uint32_t state = 1;
    const auto below = [&](std::uint32_t limit) { return (state = state * 1664525u + 1013904223u) / 65536 % limit; };
    for (int round = 0; round < 200; ++round) {
        weight_patch patch(model);
        for (int write = 0; write < 12; ++write) {
            const std::size_t tensor = below(2), begin = below(6), count = 1 + below(tensor == 0 ? 10 : 2);
            const std::vector<std::byte> bytes(count, static_cast<std::byte>(below(256)));
            patch.write(tensor, begin, bytes);
        }
        CHECK_NOTHROW(patch.restore());
        CHECK(model.same_bytes(before));
    }

    forgetful lossy;
    lossy.writable = 4;
    weight_patch patch(lossy);
    patch.write(0, 4, bytes_of_value(2.0f));  // as it is
    patch.write(0, 2, bytes_of_value(std::uint32_t{7}));
    patch.write(0, 0, bytes_of_value(std::uint64_t{7}));
    patch.write(0, 8, bytes_of_value(9.0f));
    CHECK_THROWS_WITH(patch.restore(), Catch::Contains("bytes 4 to 8 of tensor 0 are not what was written back"));
}

TEST_CASE("one place that cannot be restored does not keep the others from it")
{
    failing model;
    model.fails_on = 1;
    weight_patch patch(model);
    patch.write(0, 0, bytes_of_value(9.0f));
    patch.write(1, 0, bytes_of_value(9.0f));  // its first write goes well, the one that puts it back does not
    CHECK_THROWS_WITH(patch.restore(), "disk full");
    CHECK(model.flat()[0] == 1);
}

TEST_CASE("a write that fails has changed nothing, and what was written before it is put back")
{
    failing model;
    model.fails_on = 1;
    model.calls = 1;
    const auto before = model.all();
    {
        weight_patch patch(model);
        patch.write(0, 0, bytes_of_value(9.0f));
        CHECK_THROWS_WITH(patch.write(1, 0, bytes_of_value(9.0f)), "disk full");
    }
    CHECK(model.flat()[0] == before[0][0]);
}
