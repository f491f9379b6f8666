#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/bit_patch.hpp>
#include <weightscope/io/bit_patch_result.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/planned_flip.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

namespace detail {

// The flips of one number of a file.
struct bit_number_flips
{
    std::uint64_t stored = 0;   // its code as it is in the file
    std::uint64_t flipped = 0;  // bits that are turned so far
    std::uint64_t all = 0;      // bits that the plan turns
};

class bit_patch_maker
{
public:
    bit_patch_maker(const model& m, const bit_patch_options& options) : model_(m), options_(options)
    {
        for (const named_tensor& tensor : m.tensors)
            tensors_.emplace(tensor.name, &tensor);
    }

    bit_patch make(const std::vector<planned_flip>& flips)
    {
        bit_patch patch;
        std::vector<std::size_t> places;  // of these in the plan
        for (std::size_t i = 0; i < flips.size(); ++i)
            if ((options_.model.empty() || flips[i].model.empty() || flips[i].model == options_.model)
                && (options_.top == 0 || places.size() < options_.top))
                places.push_back(i);
        patch.requested_count = places.size();
        std::vector<std::optional<located>> where(places.size());
        for (std::size_t i = 0; i < places.size(); ++i) {
            checked_flip& entry = patch.flips.emplace_back();
            entry.flip = flips[places[i]];
            entry.skipped = locate(entry.flip, where[i]);
        }
        for (std::size_t i = 0; i < places.size(); ++i)
            if (where[i]) {
                bit_number_flips& number = numbers_[where[i]->key];
                number.stored = read_code(*where[i]->tensor, {.code = where[i]->ranges});
                number.all |= bit_of(flips[places[i]]);
            }
        for (std::size_t i = 0; i < places.size(); ++i) {
            if (where[i])
                check(places[i], flips[places[i]], *where[i], patch.flips[i]);
            else
                refuse_unless_lenient(places[i], patch.flips[i].flip, patch.flips[i].skipped);
        }
        for (std::size_t i = 0; i < places.size(); ++i) {
            const checked_flip& entry = patch.flips[i];
            patch.skipped_count += !entry.skipped.empty();
            if (!entry.skipped.empty())
                continue;
            ++patch.applied_count;
            patch.unchecked_count += !entry.checked;
            patch.non_finite_count += !std::isfinite(*entry.flip.new_value);
            add_bits(*where[i], entry.flip.bit);
        }
        patch.files = files();
        return patch;
    }

private:
    using number_key = std::pair<std::filesystem::path, std::uint64_t>;  // file, bit in it

    struct located
    {
        const named_tensor* tensor = nullptr;
        std::vector<bit_range> ranges = {};
        number_key key = {};
    };
    struct byte_flip
    {
        std::uint8_t old_byte = 0, flipped = 0;
    };

    static std::uint64_t bit_of(const planned_flip& flip) { return std::uint64_t{1} << flip.bit; }

    void refuse_unless_lenient(std::size_t i, const planned_flip& flip, std::string_view fault) const
    {
        if (!options_.lenient)
            throw io_error(model_.path, std::nullopt,
                           fmt::format("plan entry {} ('{}' [{}] {} bit {})", i, printable(flip.name), flip.flat, printable(flip.part), flip.bit), fault);
    }

    // Why the flip has no place in the model, or an empty text and its place.
    std::string locate(const planned_flip& flip, std::optional<located>& where)
    {
        const auto found = tensors_.find(flip.name);
        const bool only = model_.format == "NPY" && model_.tensors.size() == 1;  // named after its file
        if (found == tensors_.end() && !only)
            return "the model has no such tensor";
        const named_tensor& tensor = only ? model_.tensors.front() : *found->second;
        if (flip.flat >= tensor.size())
            return fmt::format("the tensor has {} weights", tensor.size());
        const std::vector<bit_part> parts = bit_parts(tensor);
        const auto part = std::find_if(parts.begin(), parts.end(), [&](const bit_part& p) { return p.name == flip.part; });
        if (parts.empty())
            return fmt::format("the tensor is stored as {}, whose bits have no places that are known here", tensor.storage());
        if (part == parts.end())
            return fmt::format("the tensor is stored as {} and has no such part", tensor.storage());
        if (flip.bit >= part->layout.bits)
            return fmt::format("the number has {} bits", part->layout.bits);
        located here{.tensor = &tensor, .ranges = locate_bits(tensor, flip.flat, flip.part)};
        here.key = {tensor.file->path(), here.ranges.front().offset * 8 + here.ranges.front().first_bit};
        if (!taken_.insert({here.key, flip.bit}).second)
            return "the plan flips this bit twice";
        where = std::move(here);
        return {};
    }

    // Whether the file holds what the plan says, and what is really flipped.
    void check(std::size_t i, const planned_flip& flip, const located& where, checked_flip& entry)
    {
        bit_number_flips& number = numbers_[where.key];
        const std::uint64_t bit = bit_of(flip);
        // plans that were searched step by step tell what earlier flips left, lists of single flips what was there at first
        const std::uint64_t original = number.stored ^ (options_.revert ? number.all : 0), stepwise = original ^ number.flipped;
        const auto value_of = [&](std::uint64_t code) { return value_with_bits_flipped(*where.tensor, flip.flat, code ^ number.stored, flip.part); };
        const auto same = [](double a, double b) { return a == b || (!std::isfinite(a) && std::isnan(b)); };
        const auto fits = [&](std::uint64_t code) {
            return (!flip.old_code || *flip.old_code == code) && (!flip.new_code || *flip.new_code == (code ^ bit))
                   && (!flip.old_value || flip.old_code || same(value_of(code), *flip.old_value));
        };
        if (!fits(stepwise) && !fits(original)) {
            std::string fault = flip.old_code || flip.new_code
                                    ? fmt::format("found the code {:#x} (value {}), expected {:#x}", stepwise, value_of(stepwise),
                                                  flip.old_code ? *flip.old_code : *flip.new_code ^ bit)
                                    : fmt::format("found the value {}, expected {}", value_of(stepwise), *flip.old_value);
            const bool other_way = fits(stepwise ^ bit) || fits(stepwise ^ number.all);
            fault += !other_way         ? "; the plan was made for another model"
                     : options_.revert ? "; the plan has not been applied to it"
                                       : "; the plan has been applied already";
            refuse_unless_lenient(i, flip, fault);
            entry.skipped = std::move(fault);
            taken_.erase({where.key, flip.bit});
            return;
        }
        number.flipped ^= bit;
        entry.checked = flip.old_code || flip.new_code || flip.old_value;
        const std::uint64_t from = options_.revert ? stepwise ^ bit : stepwise;
        entry.flip.old_code = from;
        entry.flip.new_code = from ^ bit;
        entry.flip.old_value = value_of(from);
        entry.flip.new_value = value_of(from ^ bit);
    }

    void add_bits(const located& where, unsigned bit)
    {
        unsigned i = 0;
        auto& bytes = bytes_[where.tensor->file->path()];
        sizes_[where.tensor->file->path()] = where.tensor->file->bytes().size();
        for (const bit_range& range : where.ranges)
            for_each_bit(range, [&](std::uint64_t offset, unsigned place) {
                if (i++ != bit)
                    return;
                byte_flip& change = bytes[offset];
                change.old_byte = std::to_integer<std::uint8_t>(where.tensor->file->bytes()[offset]);
                change.flipped ^= static_cast<std::uint8_t>(1u << place);
            });
    }

    std::vector<patch_plan> files() const
    {
        std::vector<patch_plan> result;
        for (const auto& [file, bytes] : bytes_) {
            patch_plan& plan = result.emplace_back();
            plan.file = file;
            plan.file_bytes = sizes_.at(file);
            for (const auto& [offset, change] : bytes)
                if (change.flipped != 0)
                    plan.changes.push_back({.offset = offset,
                                            .mask = 0xff,
                                            .old_bits = change.old_byte,
                                            .new_bits = static_cast<std::uint8_t>(change.old_byte ^ change.flipped)});
        }
        return result;
    }

    const model& model_;
    const bit_patch_options& options_;
    std::unordered_map<std::string_view, const named_tensor*> tensors_;
    std::map<number_key, bit_number_flips> numbers_;
    std::set<std::pair<number_key, unsigned>> taken_;
    std::map<std::filesystem::path, std::map<std::uint64_t, byte_flip>> bytes_;
    std::map<std::filesystem::path, std::uint64_t> sizes_;
};

}  // namespace detail

WEIGHTSCOPE_INLINE bit_patch make_bit_patch(const model& m, const std::vector<planned_flip>& flips, const bit_patch_options& options)
{
    return detail::bit_patch_maker(m, options).make(flips);
}

}  // namespace weightscope
