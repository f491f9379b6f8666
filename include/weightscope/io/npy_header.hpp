#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/npy_place.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors_header.hpp>

namespace weightscope::detail {

// What an NPY header says, and where the elements begin.
struct npy_header
{
    std::vector<std::size_t> shape = {};
    weightscope::dtype dtype = weightscope::dtype::float32;
    bool big_endian = false;
    bool column_major = false;
    std::uint64_t data_offset = 0;  // of the elements in the array
};

inline std::optional<dtype> parse_npy_type(std::string_view kind_and_size)
{
    struct known_type
    {
        std::string_view name;
        weightscope::dtype type;
    };
    static constexpr known_type known[] = {
        {"f8", dtype::float64}, {"f4", dtype::float32}, {"f2", dtype::float16}, {"i1", dtype::int8},    {"u1", dtype::uint8},
        {"i2", dtype::int16},   {"u2", dtype::uint16},  {"i4", dtype::int32},   {"u4", dtype::uint32},  {"i8", dtype::int64},
        {"u8", dtype::uint64},  {"b1", dtype::boolean}, {"c8", dtype::complex64}};
    for (const known_type& k : known)
        if (k.name == kind_and_size)
            return k.type;
    return std::nullopt;
}

// The header is a Python dictionary with three keys: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class npy_header_parser
{
public:
    // `begin` is the index of the text in the array
    npy_header_parser(const npy_place& place, std::string_view text, std::size_t begin) : place_(place), text_(text), begin_(begin) {}

    npy_header parse()
    {
        expect('{');
        bool seen[3] = {};
        while (!accept('}')) {
            const std::uint64_t at = here();
            const std::string_view key = quoted();
            expect(':');
            if (key == "descr" && !seen[0]) {
                seen[0] = true;
                read_type();
            } else if (key == "fortran_order" && !seen[1]) {
                seen[1] = true;
                header_.column_major = truth();
            } else if (key == "shape" && !seen[2]) {
                seen[2] = true;
                read_shape();
            } else {
                refuse(at, "header", fmt::format("the key '{}' is unknown or stands twice", printable(key, 40)));
            }
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skip_space();
        if (at_ != text_.size())
            refuse(here(), "header", "something follows the dictionary");
        if (!seen[0] || !seen[1] || !seen[2])
            refuse(begin_, "header", "lacks one of descr, fortran_order and shape");
        return header_;
    }

private:
    static constexpr std::size_t most_dimensions = 64;  // NumPy's limit

    std::uint64_t here() const { return begin_ + at_; }
    [[noreturn]] void refuse(std::uint64_t at, const char* field, std::string_view fault) const { place_.damaged(at, field, fault); }

    void skip_space()
    {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
            ++at_;
    }
    bool accept(char c)
    {
        skip_space();
        if (at_ == text_.size() || text_[at_] != c)
            return false;
        ++at_;
        return true;
    }
    void expect(char c)
    {
        if (!accept(c))
            refuse(here(), "header", fmt::format("found '{}', expected '{}'", printable(text_.substr(at_, 1)), c));
    }
    std::string_view quoted()
    {
        skip_space();
        const char quote = at_ < text_.size() ? text_[at_] : ' ';
        const std::size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
        if (end == std::string_view::npos)
            refuse(here(), "header", "found no string where one was expected");
        const std::string_view result = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return result;
    }

    void read_type()
    {
        skip_space();
        const std::uint64_t at = here();
        if (at_ < text_.size() && text_[at_] == '[')
            place_.unsupported(at, "descr", "is a structure of several fields; save each as an array of its own");
        const std::string_view name = quoted();
        if (name.starts_with("|O") || name == "O")
            place_.unsupported(at, "descr", "is 'O', Python objects, which are programs and not numbers; save them as numbers");
        const bool ordered = !name.empty() && std::string_view("<>|=").find(name[0]) != std::string_view::npos;
        const auto type = parse_npy_type(name.substr(ordered ? 1 : 0));
        if (!type)
            place_.unsupported(at, "descr",
                               fmt::format("'{}' is unknown; this version knows b1, i1 to i8, u1 to u8, f2 to f8 and c8", printable(name, 40)));
        header_.dtype = *type;
        header_.big_endian = name[0] == '>';
    }

    bool truth()
    {
        skip_space();
        for (const bool value : {false, true}) {
            const std::string_view word = value ? "True" : "False";
            if (text_.substr(at_).starts_with(word)) {
                at_ += word.size();
                return value;
            }
        }
        refuse(here(), "fortran_order", "is neither True nor False");
    }

    void read_shape()
    {
        expect('(');
        while (!accept(')')) {
            skip_space();
            const std::uint64_t at = here();
            std::uint64_t extent = 0;
            const std::size_t begin = at_;
            for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
                const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
                if (extent > (std::numeric_limits<std::int64_t>::max() - digit) / 10)
                    refuse(at, "shape", "an extent is beyond 2^63");
                extent = 10 * extent + digit;
            }
            if (at_ == begin)
                refuse(at, "shape", fmt::format("found '{}', expected a whole number", printable(text_.substr(at_, 1))));
            if (at_ < text_.size() && text_[at_] == 'L')  // as Python 2 wrote them
                ++at_;
            header_.shape.push_back(extent);
            if (header_.shape.size() > most_dimensions)
                refuse(at, "shape", fmt::format("has more than {} dimensions", most_dimensions));
            if (!accept(',')) {
                expect(')');
                break;
            }
        }
    }

    const npy_place& place_;
    std::string_view text_;
    std::size_t begin_;
    std::size_t at_ = 0;
    npy_header header_ = {};
};

inline constexpr std::size_t longest_npy_header = std::size_t{1} << 20;

// Reads the header of an array of which `bytes` are the first, and `size` are all.
inline npy_header read_npy_header(const npy_place& place, std::span<const std::byte> bytes, std::uint64_t size)
{
    constexpr std::string_view magic = "\x93NUMPY";
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!text.starts_with(magic))
        place.unsupported(0, "magic", "is no NPY array: it does not begin with \\x93NUMPY");
    if (size < 12)
        place.damaged(size, "header length", "the file ends before it");
    const int version = static_cast<unsigned char>(text[6]);
    if (version < 1 || version > 3)
        place.unsupported(6, "version", fmt::format("is {}, expected 1, 2 or 3", version));
    std::uint32_t length = 0;
    const std::size_t length_bytes = version == 1 ? 2 : 4;
    std::memcpy(&length, bytes.data() + 8, length_bytes);
    const std::size_t begin = 8 + length_bytes;
    if (length > longest_npy_header || length > size - begin)
        place.damaged(8, "header length",
                      fmt::format("is {}, but {} bytes follow and a header has at most {}", length, size - begin, longest_npy_header));
    npy_header header = npy_header_parser(place, text.substr(begin, length), begin).parse();
    header.data_offset = begin + length;
    return header;
}

// Bytes of the elements; refuses an array that does not end where its `size` bytes end.
inline std::uint64_t npy_data_bytes(const npy_place& place, const npy_header& header, std::uint64_t size)
{
    const auto needed = bytes_of(header.dtype, header.shape);
    const std::uint64_t there = size - header.data_offset;
    if (!needed || *needed > there)
        place.damaged(header.data_offset, "data",
                      fmt::format("{} of {} do not fit into the {} bytes that are left", header.shape, to_string(header.dtype), there));
    if (*needed < there)
        place.unsupported(header.data_offset + *needed, "data",
                          fmt::format("{} bytes follow the array; save several arrays as .npz, or each in a file of its own", there - *needed));
    return *needed;
}

}  // namespace weightscope::detail
