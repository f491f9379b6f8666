#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/npy.hpp>
#include <weightscope/io/npy_header.hpp>
#include <weightscope/io/npy_order.hpp>
#include <weightscope/io/npy_place.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE npy_array read_npy(const std::shared_ptr<const mapped_file>& file)
{
    const std::span<const std::byte> bytes = file->bytes();
    const npy_place place{file->path()};
    const npy_header header = read_npy_header(place, bytes, bytes.size());
    npy_array result{.shape = header.shape,
                     .dtype = header.dtype,
                     .bytes = bytes.subspan(header.data_offset, npy_data_bytes(place, header, bytes.size())),
                     .file = file};
    if (const npy_order order(header); !order.plain()) {
        std::vector<std::byte> converted(result.bytes.size());
        order.copy(result.bytes, 0, converted);
        result.converted = std::make_shared<const std::vector<std::byte>>(std::move(converted));
        result.bytes = *result.converted;
        result.file = nullptr;
    }
    return result;
}

WEIGHTSCOPE_INLINE model read_npy_model(const std::shared_ptr<const mapped_file>& file)
{
    const npy_place place{file->path()};
    const npy_header header = read_npy_header(place, file->bytes(), file->bytes().size());
    named_tensor tensor{.name = file->path().stem().string(),
                        .shape = header.shape,
                        .dtype = header.dtype,
                        .bytes = file->bytes().subspan(header.data_offset, npy_data_bytes(place, header, file->bytes().size())),
                        .file = file,
                        .offset = header.data_offset};
    if (const npy_order order(header); !order.plain()) {
        tensor.encoding = order.words();
        tensor.encoded_bytes = tensor.bytes.size();
        tensor.decoder = std::make_shared<const reordered_values>(order, tensor.bytes);
    }
    return {.path = file->path(), .format = "NPY", .tensors = {std::move(tensor)}};
}

WEIGHTSCOPE_INLINE std::string npy_front(char kind, std::size_t item_bytes, std::span<const std::size_t> shape)
{
    std::string header = fmt::format("{{'descr': '{}{}{}', 'fortran_order': False, 'shape': ({}{}), }}", item_bytes == 1 ? '|' : '<', kind, item_bytes,
                                     fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
    header.append(63 - (10 + header.size()) % 64, ' ');  // so that the data begin at a multiple of 64 bytes
    header += '\n';
    const auto length = static_cast<std::uint16_t>(header.size());
    std::string front("\x93NUMPY\x01\x00\x00\x00", 10);
    std::memcpy(front.data() + 8, &length, sizeof length);
    return front + header;
}

}  // namespace detail

WEIGHTSCOPE_INLINE npy_array read_npy(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_npy(file); });
}

WEIGHTSCOPE_INLINE model read_npy_model(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_npy_model(file); });
}

}  // namespace weightscope
