// Writes what torch.save() writes, piece by piece: pickles, archives and the stream of older versions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

namespace pytorch {

template <class T>
std::string bytes_of(const T& value)
{
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

template <class T>
std::string bytes_of(const std::vector<T>& values)
{
    std::string bytes(values.size() * sizeof(T), '\0');
    if (!values.empty())
        std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

// Opcodes of protocol 2, one function each.
inline std::string text(std::string_view s)
{
    return "X" + bytes_of(static_cast<std::uint32_t>(s.size())) + std::string(s);
}
inline std::string number(std::int64_t n)
{
    return n >= 0 && n < 256 ? "K" + std::string(1, static_cast<char>(n)) : "\x8a\x08" + bytes_of(n);
}
inline std::string real(double x)
{
    std::string bytes = bytes_of(x);
    return "G" + std::string(bytes.rbegin(), bytes.rend());
}
inline std::string global(std::string_view module, std::string_view name)
{
    return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(const std::vector<std::string>& items)
{
    std::string result = "(";
    for (const std::string& item : items)
        result += item;
    return result + "t";
}
inline std::string numbers(const std::vector<std::int64_t>& values)
{
    std::vector<std::string> items;
    for (const std::int64_t value : values)
        items.push_back(number(value));
    return tuple(items);
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items)
{
    std::string result = "}(";
    for (const auto& [key, value] : items)
        result += text(key) + value;
    return result + "u";
}
inline std::string call(const std::string& callable, const std::vector<std::string>& arguments)
{
    return callable + tuple(arguments) + "R";
}
inline std::string ordered_dict(const std::vector<std::pair<std::string, std::string>>& items)
{
    std::string result = call(global("collections", "OrderedDict"), {}) + "(";
    for (const auto& [key, value] : items)
        result += text(key) + value;
    return result + "u";
}
// An object of a class, with attributes.
inline std::string object(const std::string& type, const std::string& state)
{
    return type + ")\x81" + state + "b";
}
inline std::string pickle(const std::string& value)
{
    return "\x80\x02" + value + ".";
}

inline const std::string none = "N", yes = "\x88", no = "\x89";

// A storage of `count` elements: type "FloatStorage".
inline std::string storage(std::string_view type, std::string_view key, std::int64_t count)
{
    return tuple({text("storage"), global("torch", type), text(key), text("cpu"), number(count)}) + "Q";
}

inline std::string tensor_of(const std::string& storage, std::int64_t first, const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& strides)
{
    return call(global("torch._utils", "_rebuild_tensor_v2"),
                {storage, number(first), numbers(shape), numbers(strides), no, ordered_dict({})});
}

struct entry
{
    std::string name, content;
    bool deflated = false;
};

// A zip archive of these entries.
inline std::string zip(const std::vector<entry>& entries)
{
    std::string archive, directory;
    const auto two = [](std::size_t n) { return bytes_of(static_cast<std::uint16_t>(n)); };
    const auto four = [](std::size_t n) { return bytes_of(static_cast<std::uint32_t>(n)); };
    for (const entry& e : entries) {
        std::string data = e.content;
        if (e.deflated) {
            data.resize(compressBound(e.content.size()) + 16);
            z_stream stream = {};
            deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
            stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(e.content.data()));
            stream.avail_in = static_cast<uInt>(e.content.size());
            stream.next_out = reinterpret_cast<Bytef*>(data.data());
            stream.avail_out = static_cast<uInt>(data.size());
            deflate(&stream, Z_FINISH);
            data.resize(stream.total_out);
            deflateEnd(&stream);
        }
        const auto crc = crc32(0, reinterpret_cast<const Bytef*>(e.content.data()), static_cast<uInt>(e.content.size()));
        const std::string about = two(e.deflated ? 8 : 0) + four(0) + four(crc) + four(data.size()) + four(e.content.size())
                                + two(e.name.size());
        directory += "PK\x01\x02" + two(20) + two(20) + two(0) + about + two(0) + two(0) + two(0) + two(0) + four(0) + four(archive.size())
                   + e.name;
        archive += "PK\x03\x04" + two(20) + two(0) + about + two(0) + e.name + data;
    }
    const std::string end = "PK\x05\x06" + two(0) + two(0) + two(entries.size()) + two(entries.size()) + four(directory.size())
                          + four(archive.size()) + two(0);
    return archive + directory + end;
}

// An archive as torch.save() makes it: the object, and the bytes of storage "0", "1"...
inline std::string archive(const std::string& object, const std::vector<std::string>& storages, bool deflated = false,
                           std::string_view byte_order = "")
{
    std::vector<entry> entries = {{"archive/data.pkl", pickle(object), deflated}};
    if (!byte_order.empty())
        entries.push_back({"archive/byteorder", std::string(byte_order)});
    for (std::size_t i = 0; i < storages.size(); ++i)
        entries.push_back({"archive/data/" + std::to_string(i), storages[i], deflated});
    entries.push_back({"archive/version", "3\n"});
    return zip(entries);
}

// A storage of the older stream.
struct raw_storage
{
    std::string key;
    std::int64_t count;
    std::string bytes;
};

inline std::string legacy_storage(std::string_view type, std::string_view key, std::int64_t count, const std::string& view = none)
{
    return tuple({text("storage"), global("torch", type), text(key), text("cpu"), number(count), view}) + "Q";
}

inline const std::string legacy_start = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle("M\xe9\x03")
                                      + pickle(dict({{"protocol_version", number(1001)}, {"little_endian", yes}}));

inline std::string legacy(const std::string& object, const std::vector<raw_storage>& storages)
{
    std::string keys = "](", data;
    for (const raw_storage& s : storages) {
        keys += text(s.key);
        data += bytes_of(s.count) + s.bytes;
    }
    return legacy_start + pickle(object) + pickle(keys + "e") + data;
}

}  // namespace pytorch
