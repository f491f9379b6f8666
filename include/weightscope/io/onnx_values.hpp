#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_type.hpp>
#include <weightscope/io/value_decoder.hpp>

namespace weightscope::detail {

// The numbers of a repeated field of a message, packed or not: float_data, int32_data... They are counted and checked once; after
// that, reading begins at the nearest mark.
class onnx_repeated
{
public:
    // `size` bytes hold one number: an element, or several that are narrower than a byte
    onnx_repeated(const mapped_file& file, std::string_view message, unsigned field, std::size_t size, std::string what, onnx_wire wire)
        : file_(file), message_(message), field_(field), size_(size), what_(std::move(what)), wire_(wire)
    {
        walker walk(*this, {message_.data(), nullptr});
        for (std::uint64_t value = 0;; ++count_) {
            if (count_ % stride == 0)
                marks_.push_back(walk.at());
            const char* at = walk.next(value);
            if (at == nullptr)
                break;
            if (!fits(value))
                refuse_damaged(file_.path(), offset(at), what_, fmt::format("the value {} does not fit into {} bits", static_cast<std::int64_t>(value), 8 * size_));
        }
    }

    std::size_t count() const { return count_; }

    // The bytes from number `first` on that the numbers have in raw_data's layout.
    void read(std::size_t first, std::span<std::byte> out) const
    {
        if (out.empty())
            return;
        const std::size_t number = first / size_;
        walker walk(*this, marks_[number / stride]);
        std::uint64_t value = 0;
        for (std::size_t i = number / stride * stride; i < number; ++i)
            (void)walk.next(value);
        for (std::size_t i = 0; i < out.size(); i += size_) {
            if (walk.next(value) == nullptr)
                value = 0;  // the file has changed, which its owner finds out
            std::memcpy(out.data() + i, &value, size_);
        }
    }

private:
    static constexpr std::size_t stride = 4096;

    struct position
    {
        const char* at;
        const char* chunk_end;  // of packed numbers; null between fields
    };

    class walker
    {
    public:
        walker(const onnx_repeated& owner, position at) : owner_(owner), at_(at) {}

        position at() const { return at_; }

        // Where the next number is, and its bits; null behind the last.
        const char* next(std::uint64_t& value)
        {
            const char* end = owner_.message_.data() + owner_.message_.size();
            while (at_.chunk_end == nullptr || at_.at == at_.chunk_end) {
                onnx_cursor cursor(owner_.file_, {at_.at, static_cast<std::size_t>(end - at_.at)}, owner_.what_);
                do {
                    if (!cursor.next())
                        return nullptr;
                } while (cursor.field().number != owner_.field_);
                const bool packed = cursor.field().wire == onnx_wire::bytes;
                at_ = {cursor.here(), nullptr};
                if (packed)
                    at_ = {cursor.field().bytes.data(), cursor.field().bytes.data() + cursor.field().bytes.size()};
                else
                    return take(cursor, cursor.field().at, cursor.field().wire, cursor.field().value, value);
            }
            // packed numbers are read as fields are, but have no tags
            const char* begin = at_.at;
            if (owner_.wire_ == onnx_wire::varint) {
                try {
                    value = protozero::decode_varint(&at_.at, at_.chunk_end);
                } catch (const protozero::exception&) {
                    refuse_damaged(owner_.file_.path(), owner_.offset(begin), owner_.what_, "a number is cut off or longer than 10 bytes");
                }
            } else {
                const std::size_t width = owner_.wire_ == onnx_wire::four_bytes ? 4 : 8;
                if (static_cast<std::size_t>(at_.chunk_end - begin) < width)
                    refuse_damaged(owner_.file_.path(), owner_.offset(begin), owner_.what_, "a number is cut off");
                value = 0;
                std::memcpy(&value, begin, width);
                at_.at += width;
            }
            value = owner_.narrowed(value);
            return begin;
        }

    private:
        const char* take(const onnx_cursor& cursor, const char* at, onnx_wire wire, std::uint64_t found, std::uint64_t& value) const
        {
            if (wire != owner_.wire_)
                cursor.refuse(at, fmt::format("field {} holds numbers of another kind", owner_.field_));
            value = owner_.narrowed(found);
            return at;
        }

        const onnx_repeated& owner_;
        position at_;
    };

    std::uint64_t offset(const char* at) const
    {
        return static_cast<std::uint64_t>(at - reinterpret_cast<const char*>(file_.bytes().data()));
    }
    // An int32 is written with the sign in all 64 bits, or without. (No other integer that we read has 4 bytes or less.)
    std::uint64_t narrowed(std::uint64_t value) const
    {
        return wire_ == onnx_wire::varint && field_ == onnx_int32_data ? static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value))) : value;
    }
    // The bits beyond the element are zeros, or copies of its sign.
    bool fits(std::uint64_t value) const
    {
        if (size_ == 8)
            return true;
        const std::uint64_t high = value >> (8 * size_), sign = value >> (8 * size_ - 1);
        return high == 0 || sign == ~std::uint64_t{0} >> (8 * size_ - 1);
    }

    const mapped_file& file_;
    std::string_view message_;
    unsigned field_;
    std::size_t size_;
    std::string what_;
    onnx_wire wire_;  // of one number
    std::size_t count_ = 0;
    std::vector<position> marks_;
};

// Where the elements of a tensor are: in raw_data's layout in a file, or as numbers of a repeated field.
struct onnx_storage
{
    const onnx_type* type = &onnx_types[0];
    std::span<const std::byte> plain = {};
    std::shared_ptr<const onnx_repeated> repeated = {};

    void read(std::size_t first_byte, std::span<std::byte> out) const
    {
        if (repeated)
            repeated->read(first_byte, out);
        else
            std::copy_n(plain.begin() + static_cast<std::ptrdiff_t>(first_byte), out.size(), out.begin());
    }
};

// Makes the values of a tensor whose elements are numbers of a repeated field, or narrower than a byte.
class onnx_values : public value_decoder
{
public:
    onnx_values(onnx_storage storage, std::shared_ptr<const mapped_file> file) : storage_(std::move(storage)), file_(std::move(file)) {}

    void decode(std::size_t first, std::span<std::byte> out) const override
    {
        const onnx_type& type = *storage_.type;
        if (type.bits >= 8) {
            storage_.read(first * (type.bits / 8), out);
            return;
        }
        const std::size_t size = bits_of(type.values) / 8, count = out.size() / size, begin = first * type.bits / 8,
                          end = ((first + count) * type.bits + 7) / 8, skipped = first - begin * 8 / type.bits;
        std::vector<std::byte> packed(end - begin);
        storage_.read(begin, packed);
        for (std::size_t i = 0; i < count; ++i) {
            const double value = onnx_element(type, packed, skipped + i);
            if (type.values == dtype::float32) {
                const auto single = static_cast<float>(value);
                std::memcpy(out.data() + i * size, &single, size);
            } else {
                out[i] = static_cast<std::byte>(static_cast<int>(value));
            }
        }
    }
    bool determined_by_bytes() const override { return storage_.repeated == nullptr; }

private:
    onnx_storage storage_;
    std::shared_ptr<const mapped_file> file_;
};

}  // namespace weightscope::detail
