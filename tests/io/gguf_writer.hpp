// GGUF files put together by hand, right ones and, where a test says so, wrong ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gguf_writer {

template <class T>
std::string bytes_of(T value)
{
    std::string result(sizeof value, '\0');
    std::memcpy(result.data(), &value, sizeof value);
    return result;
}

template <class T>
std::string bytes_of(const std::vector<T>& values)
{
    std::string result;
    for (const T value : values)
        result += bytes_of(value);
    return result;
}

/// Length and text.
inline std::string text(std::string_view content)
{
    return bytes_of(std::uint64_t{content.size()}) + std::string(content);
}

/// A value of the kinds that T and std::string_view stand for, behind the number of its kind.
template <class T>
std::string value(T x)
{
    if constexpr (std::is_convertible_v<T, std::string_view>)
        return bytes_of(std::uint32_t{8}) + text(x);
    else if constexpr (std::is_same_v<T, bool>)
        return bytes_of(std::uint32_t{7}) + (x ? '\1' : '\0');
    else if constexpr (std::is_floating_point_v<T>)
        return bytes_of(std::uint32_t{sizeof(T) == 4 ? 6u : 12u}) + bytes_of(x);
    else
        return bytes_of(std::uint32_t{(sizeof(T) == 1   ? 0u
                                       : sizeof(T) == 2 ? 2u
                                       : sizeof(T) == 4 ? 4u
                                                        : 10u)
                                      + std::is_signed_v<T>})
               + bytes_of(x);
}

/// An array of elements of the kind with that number, which `elements` hold one behind the other.
inline std::string array(std::uint32_t kind, std::uint64_t count, std::string_view elements)
{
    return bytes_of(std::uint32_t{9}) + bytes_of(kind) + bytes_of(count) + std::string(elements);
}
inline std::string texts(const std::vector<std::string>& elements)
{
    std::string content;
    for (const std::string& element : elements)
        content += text(element);
    return array(8, elements.size(), content);
}

struct tensor
{
    std::string name;
    std::vector<std::uint64_t> extents;  ///< as the file has them: the innermost first
    std::uint32_t type = 0;
    std::string bytes = {};
    std::uint64_t offset = static_cast<std::uint64_t>(-1);  ///< if not this, is written instead of the right one
};

struct file
{
    std::uint32_t version = 3;
    std::size_t alignment = 32;
    std::vector<std::pair<std::string, std::string>> keys = {};  ///< with values from value(), array(), texts()
    std::vector<tensor> tensors = {};

    template <class T>
    file& key(std::string name, T x)
    {
        keys.emplace_back(std::move(name), value(x));
        return *this;
    }

    std::string header() const
    {
        std::string result = "GGUF" + bytes_of(version) + bytes_of(std::uint64_t{tensors.size()}) + bytes_of(std::uint64_t{keys.size()});
        for (const auto& [name, content] : keys)
            result += text(name) + content;
        std::uint64_t offset = 0;
        for (const tensor& t : tensors) {
            result += text(t.name) + bytes_of(static_cast<std::uint32_t>(t.extents.size())) + bytes_of(t.extents) + bytes_of(t.type)
                      + bytes_of(t.offset == static_cast<std::uint64_t>(-1) ? offset : t.offset);
            offset += padded(t.bytes).size();
        }
        return result;
    }
    std::string content() const
    {
        std::string result = header();
        if (!tensors.empty())
            result = padded(result);
        for (const tensor& t : tensors)
            result += padded(t.bytes);
        return result;
    }

private:
    std::string padded(std::string bytes) const
    {
        bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
        return bytes;
    }
};

}  // namespace gguf_writer
