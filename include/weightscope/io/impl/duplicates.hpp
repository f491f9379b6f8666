#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::uint64_t fingerprint(std::span<const std::byte> bytes)
{
    constexpr std::size_t samples = 16;
    std::uint64_t hash = 0xcbf29ce484222325u ^ bytes.size();  // FNV-1a over words
    for (std::size_t i = 0; i < samples; ++i) {
        std::uint64_t word = 0;
        const std::size_t length = std::min(bytes.size(), sizeof word);
        const std::size_t begin = (bytes.size() - length) / (samples - 1) * i;
        std::memcpy(&word, bytes.data() + begin, length);
        hash = (hash ^ word) * 0x100000001b3u;
    }
    return hash;
}

WEIGHTSCOPE_INLINE bool equal_bytes(std::span<const std::byte> a, std::span<const std::byte> b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace detail

WEIGHTSCOPE_INLINE bool is_constant(const named_tensor& tensor)
{
    const std::size_t element = std::max<std::size_t>(1, bits_of(tensor.dtype) / 8);
    const std::vector<std::byte> decoded = tensor.decoder ? detail::value_bytes_of(tensor) : std::vector<std::byte>();
    const std::span<const std::byte> bytes = tensor.decoder ? decoded : tensor.bytes;
    return bytes.size() <= element || detail::equal_bytes(bytes.first(bytes.size() - element), bytes.subspan(element));
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> find_duplicates(std::span<const named_tensor> tensors)
{
    std::vector<std::size_t> first(tensors.size());
    std::multimap<std::uint64_t, std::size_t> seen;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const named_tensor& tensor = tensors[i];
        first[i] = i;
        if (tensor.bytes.empty() || (tensor.decoder && !tensor.decoder->determined_by_bytes()))
            continue;
        const std::uint64_t key = detail::fingerprint(tensor.bytes);
        const auto [begin, end] = seen.equal_range(key);
        const auto equal = std::find_if(begin, end, [&](const auto& entry) {
            const named_tensor& other = tensors[entry.second];
            return other.dtype == tensor.dtype && other.encoding == tensor.encoding && other.shape == tensor.shape
                && detail::equal_bytes(other.bytes, tensor.bytes);
        });
        if (equal != end && !is_constant(tensor))
            first[i] = equal->second;
        else if (equal == end)
            seen.emplace(key, i);
    }
    return first;
}

}  // namespace weightscope
