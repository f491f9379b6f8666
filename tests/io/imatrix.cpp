#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/imatrix.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "gguf_writer.hpp"

using namespace weightscope;
using files::message;
using gguf_writer::bytes_of;

namespace {

using floats = std::vector<float>;
using doubles = std::vector<double>;

std::vector<activation_statistics> read(std::string_view content, const imatrix_options& options = {})
{
    const files::temporary_folder folder;
    return read_imatrix(files::write(folder / "imatrix", content), options);
}

std::string refusal(std::string_view content)
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "imatrix", content);
    const std::string text = message<io_error>([&] { (void)read_imatrix(path); }), prefix = path.string() + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

gguf_writer::file imatrix()
{
    gguf_writer::file f;
    f.key("general.type", "imatrix").key("imatrix.chunk_count", std::uint32_t{2}).key("imatrix.chunk_size", std::uint32_t{512});
    f.keys.emplace_back("imatrix.datasets", gguf_writer::texts({"wiki.txt"}));
    return f;
}

void add(gguf_writer::file& f, const std::string& name, std::uint64_t columns, const floats& squares, const floats& counts)
{
    f.tensors.push_back({name + ".in_sum2", {columns, squares.size() / columns}, 0, bytes_of(squares)});
    f.tensors.push_back({name + ".counts", {1, counts.size()}, 0, bytes_of(counts)});
}

// One entry of the older format.
std::string entry(const std::string& name, std::int32_t calls, const floats& values)
{
    return bytes_of(static_cast<std::int32_t>(name.size())) + name + bytes_of(calls) + bytes_of(static_cast<std::int32_t>(values.size()))
           + bytes_of(values);
}

std::string number(std::int32_t n)
{
    return bytes_of(n);
}

const std::string again = "; download or write the file again";
const std::string perhaps_not = "; either this is no imatrix file or it is damaged";

}  // namespace

TEST_CASE("an importance matrix in GGUF is read with its counts, its sums and its experts")
{
    gguf_writer::file f = imatrix();
    add(f, "blk.0.attn_q.weight", 3, {1, 4, 0}, {1024});
    f.tensors.push_back({"blk.0.attn_q.weight.in_sum", {3, 1}, 0, bytes_of(floats{-1, 2, 0})});
    add(f, "blk.0.ffn_up_exps.weight", 2, {1, 2, 3, 4, 0, 0}, {10, 20, 0});
    add(f, "blk.1.ffn_up_exps.weight", 2, {1, 2, 3, 4}, {7});
    const auto statistics = read(f.content());
    REQUIRE(statistics.size() == 6);
    CHECK(statistics[0].tensor == "blk.0.attn_q.weight");
    CHECK(statistics[0].rows == 1024);
    CHECK(statistics[0].sums == doubles{-1, 2, 0});
    CHECK(statistics[0].sums_of_squares == doubles{1, 4, 0});
    CHECK(statistics[0].sums_of_magnitudes.empty());
    CHECK(statistics[0].max_magnitudes.empty());
    CHECK(statistics[2].tensor == "blk.0.ffn_up_exps.weight[1]");
    CHECK(statistics[2].rows == 20);
    CHECK(statistics[2].sums.empty());
    CHECK(statistics[2].sums_of_squares == doubles{3, 4});
    CHECK(statistics[3].rows == 0);
    CHECK(statistics[5].tensor == "blk.1.ffn_up_exps.weight[1]");
    CHECK(statistics[5].rows == 7);  // one count for all
}

TEST_CASE("an importance matrix of the older format is read with means times tokens")
{
    const std::string entries = number(2) + entry("blk.0.attn_q.weight", 3, {6, 0, 1.5f}) + entry("output.weight", 1, {2});
    for (const std::string& rest : {std::string(), number(3), number(3) + number(8) + "wiki.txt", number(3) + number(0)}) {
        const auto statistics = read(entries + rest);
        REQUIRE(statistics.size() == 2);
        CHECK(statistics[0].tensor == "blk.0.attn_q.weight");
        CHECK(statistics[0].rows == 3 * 512);
        CHECK(statistics[0].sums_of_squares == doubles{6 * 512, 0, 1.5 * 512});  // mean of x²: 2, 0, 0.5
        CHECK(statistics[1].sums_of_squares == doubles{1024});
        CHECK(read(entries + rest, {.chunk_size = 100})[0].rows == 300);
    }
    CHECK(read(number(1) + entry("w", 1000000, {1}))[0].rows == 512000000);
}

TEST_CASE("an importance matrix that is not whole is refused with its fault")
{
    gguf_writer::file f;
    CHECK(refusal(f.content()) == "key 'general.type': is not 'imatrix'; expected what llama-imatrix writes");
    f = imatrix();
    CHECK(refusal(f.content()) == "holds no tensor named *.in_sum2; expected what llama-imatrix writes");
    const auto fault = [](auto&& change) {
        gguf_writer::file g = imatrix();
        add(g, "w", 2, {1, 2, 3, 4}, {5, 6});
        change(g);
        const std::string text = refusal(g.content());
        return text.substr(text.find(": ") + 2);  // behind the byte
    };
    CHECK(fault([](auto& g) { g.tensors.pop_back(); }) == "tensor 'w.in_sum2': has no 'w.counts' beside it" + again);
    CHECK(fault([](auto& g) { g.tensors[1] = {"w.counts", {3}, 0, bytes_of(floats{1, 2, 3})}; })
          == "tensor 'w.in_sum2': has shape [2, 2], but 'w.counts' has 3 elements" + again);
    CHECK(fault([](auto& g) { g.tensors[0] = {"w.in_sum2", {0}, 0, ""}; })
          == "tensor 'w.in_sum2': has shape [0], but 'w.counts' has 2 elements" + again);
    CHECK(fault([](auto& g) { g.tensors.push_back({"w.in_sum", {1}, 0, bytes_of(floats{1})}); })
          == "tensor 'w.in_sum2': has 4 elements, but 'w.in_sum' has 1" + again);
    CHECK(fault([](auto& g) { g.tensors[1] = {"w.counts", {2}, 26, bytes_of(std::vector<std::int32_t>{5, 6})}; })
          == "tensor 'w.counts': is I32, expected F32" + again);
    CHECK(fault([](auto& g) { g.tensors[1].bytes = bytes_of(floats{1e30f, 1}); })
          == "tensor 'w.counts': holds 1.0000000150474662e+30, which is no number of tokens" + again);
    CHECK(fault([](auto& g) { g.tensors[1].bytes = bytes_of(floats{1, -1}); })
          == "tensor 'w.counts': holds -1, expected a finite number from 0 on" + again);
    CHECK(fault([](auto& g) { g.tensors[0].bytes = bytes_of(floats{1, std::numeric_limits<float>::infinity(), 0, 0}); })
          == "tensor 'w.in_sum2': holds inf, expected a finite number from 0 on" + again);
    CHECK(fault([](auto& g) {
              g.tensors.push_back({"w.in_sum", {4}, 0, bytes_of(floats{-1, 2, 3, std::numeric_limits<float>::quiet_NaN()})});
          })
          == "tensor 'w.in_sum': holds nan, expected a finite number" + again);
}

TEST_CASE("an importance matrix of the older format that does not fit to the last byte is refused")
{
    CHECK(refusal("abc") == "byte 3: entry count: the file ends after 3 of 4 bytes of it" + again);
    CHECK(refusal(number(0)) == "byte 0: entry count: is 0, which cannot be with 0 bytes behind" + perhaps_not);
    CHECK(refusal(number(-1) + std::string(99, 'x')) == "byte 0: entry count: is -1, which cannot be with 99 bytes behind" + perhaps_not);
    CHECK(refusal(number(2147483647) + std::string(99, 'x'))
          == "byte 0: entry count: is 2147483647, which cannot be with 99 bytes behind" + perhaps_not);
    const std::string one = number(1) + entry("w", 1, {2});
    CHECK(refusal(one) == "nothing was thrown");
    for (std::size_t size = 1; size < one.size(); ++size)
        CHECK(refusal(std::string_view(one).substr(0, size)) != "nothing was thrown");
    CHECK(refusal(number(1) + number(1000) + std::string(40, 'x'))
          == "byte 4: entry 0: length of the name: is 1000, which cannot be with 40 bytes behind" + perhaps_not);
    CHECK(refusal(number(1) + entry("w", 0, {2})) == "byte 9: tensor 'w': calls: is 0, which cannot be with 8 bytes behind" + perhaps_not);
    CHECK(refusal(number(1) + entry("wide", 1, {}) + number(0))
          == "byte 16: tensor 'wide': value count: is 0, which cannot be with 4 bytes behind" + perhaps_not);
    CHECK(refusal(number(2) + entry("w", 1, {2}) + entry("w", 1, {2})) == "byte 21: tensor 'w': stands twice" + again);
    CHECK(refusal(number(1) + entry("w", 1, {1, -2})) == "byte 21: tensor 'w': holds -2, expected a finite number from 0 on" + again);
    CHECK(refusal(one + "xy") == "byte 23: calls: the file ends after 2 of 4 bytes of it" + again);
    CHECK(refusal(one + number(1) + number(2) + "abc") == "byte 31: 1 bytes follow the last entry" + perhaps_not);
    CHECK(refusal(one + number(1) + number(5) + "abc")
          == "byte 25: length of the dataset's name: is 5, which cannot be with 3 bytes behind" + perhaps_not);
}
