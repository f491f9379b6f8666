#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/npy.hpp>
#include <weightscope/io/npy_header.hpp>
#include <weightscope/io/npy_order.hpp>
#include <weightscope/io/npy_place.hpp>
#include <weightscope/io/npz.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/value_decoder.hpp>
#include <weightscope/io/zip_cache.hpp>
#include <weightscope/io/zip_directory.hpp>
#include <weightscope/io/zip_inflate.hpp>

namespace weightscope {

namespace detail {

// The values of an array in a deflated entry.
class deflated_values : public value_decoder
{
public:
    deflated_values(std::shared_ptr<zip_cache> cache, zip_entry entry, npy_order order, std::size_t begin)
        : cache_(std::move(cache)), entry_(std::move(entry)), order_(std::move(order)), begin_(begin)
    {
    }

    void decode(std::size_t first, std::span<std::byte> out) const override
    {
        // the header is taken as read with the first elements
        cache_->read(entry_, out.size() + (first == 0 ? begin_ : 0),
                     [&](std::span<const std::byte> content) { order_.copy(content.subspan(begin_), first, out); });
    }
    bool determined_by_bytes() const override { return true; }

private:
    std::shared_ptr<zip_cache> cache_;
    zip_entry entry_;
    npy_order order_;
    std::size_t begin_;  // of the elements in the content
};

// The first bytes of an entry, so many that the header of an array is among them.
inline std::vector<std::byte> inflate_npy_front(const mapped_file& file, const zip_entry& entry)
{
    constexpr std::size_t usual = 256, before_text = 12;
    std::vector<std::byte> front(std::min<std::uint64_t>(entry.bytes, usual));
    (void)inflate_front(file, entry, front);
    if (front.size() < before_text)
        return front;
    std::uint32_t length = 0;
    std::memcpy(&length, front.data() + 8, front[6] == std::byte{1} ? 2 : 4);
    const std::uint64_t needed = std::min<std::uint64_t>(entry.bytes, before_text + std::min<std::size_t>(length, longest_npy_header));
    if (needed > front.size()) {
        front.resize(needed);
        (void)inflate_front(file, entry, front);
    }
    return front;
}

inline bool is_npy(const zip_entry& entry)
{
    return entry.name.ends_with(".npy");
}

inline named_tensor read_npz_tensor(const std::shared_ptr<const mapped_file>& file, const std::shared_ptr<zip_cache>& cache,
                                    const zip_entry& entry)
{
    named_tensor tensor{.name = entry.name.substr(0, entry.name.size() - std::string_view(".npy").size()),
                        .bytes = stored_bytes(*file, entry),
                        .file = file,
                        .offset = entry.data_offset};
    const bool deflated = entry.method == zip_method::deflated;
    const npy_place place{file->path(), entry.data_offset, tensor.name, deflated};
    const std::vector<std::byte> front = deflated ? inflate_npy_front(*file, entry) : std::vector<std::byte>();
    const npy_header header = read_npy_header(place, deflated ? std::span<const std::byte>(front) : tensor.bytes, entry.bytes);
    const std::uint64_t data_bytes = npy_data_bytes(place, header, entry.bytes);
    const npy_order order(header);
    tensor.shape = header.shape;
    tensor.dtype = header.dtype;
    if (deflated) {
        tensor.decoder = std::make_shared<const deflated_values>(cache, entry, order, header.data_offset);
    } else {
        tensor.bytes = tensor.bytes.subspan(header.data_offset, data_bytes);
        tensor.offset += header.data_offset;
        if (!order.plain())
            tensor.decoder = std::make_shared<const reordered_values>(order, tensor.bytes);
    }
    if (tensor.decoder) {
        tensor.encoding = order.words() + (deflated ? order.plain() ? " deflated" : ", deflated" : "");
        tensor.encoded_bytes = tensor.bytes.size();
    }
    return tensor;
}

WEIGHTSCOPE_INLINE model read_npz(const std::shared_ptr<const mapped_file>& file)
{
    model result{.path = file->path(), .format = "NPZ"};
    const auto cache = std::make_shared<zip_cache>(file);
    std::size_t others = 0;
    std::string other;
    for (const zip_entry& entry : read_zip_directory(*file)) {
        if (is_npy(entry))
            result.tensors.push_back(read_npz_tensor(file, cache, entry));
        else if (others++ == 0)
            other = entry.name;
    }
    if (others > 0)
        result.notes.push_back(fmt::format("passed over '{}'{}, which is no array", printable(other),
                                           others > 1 ? fmt::format(" and {} more entries", others - 1) : std::string()));
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE model read_npz(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_npz(file); });
}

WEIGHTSCOPE_INLINE npy_array read_npz_array(const std::filesystem::path& path, std::string_view name)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] {
        const std::vector<detail::zip_entry> entries = detail::read_zip_directory(*file);
        const std::string full = std::string(name) + (name.ends_with(".npy") ? "" : ".npy");
        const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.name == full; });
        if (entry == entries.end()) {
            std::string there;
            for (const detail::zip_entry& e : entries)
                if (detail::is_npy(e) && there.size() < 100)
                    there += fmt::format("{}'{}'", there.empty() ? "" : ", ", printable(e.name.substr(0, e.name.size() - 4), 40));
            throw io_error(path, std::nullopt, fmt::format("array '{}'", printable(name)),
                           fmt::format("is not there; the archive holds {}", there.empty() ? "none" : there));
        }
        const named_tensor tensor = detail::read_npz_tensor(file, std::make_shared<detail::zip_cache>(file), *entry);
        npy_array array{.shape = tensor.shape, .dtype = tensor.dtype, .bytes = tensor.bytes, .file = file};
        if (tensor.decoder) {
            array.converted = std::make_shared<const std::vector<std::byte>>(detail::value_bytes_of(tensor));
            array.bytes = *array.converted;
            array.file = nullptr;
        }
        return array;
    });
}

}  // namespace weightscope
