#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_map_console.hpp>
#include <weightscope/report/bit_map_figures.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

inline std::string bit_share(double share)
{
    return std::isnan(share) ? "-" : share == 0 ? "0" : fmt::format("{:.3g} %", 100 * share);
}

inline std::string bit_multiple(double excess)
{
    return std::isnan(excess) ? "-" : excess < 1e6 && excess >= 1e-3 ? fmt::format("{:.4g}", excess) : fmt::format("{:.2e}", excess);
}

WEIGHTSCOPE_INLINE text_table worst_bits_table(const std::vector<const tensor_bit_map*>& order)
{
    text_table table{.headings = {"tensor", "dtype", "worst bit", "|change| / max|w|", "weight", "old", "new", "NaN or Inf", "> max|w|"}};
    for (const tensor_bit_map* tensor : order) {
        bit_totals totals;
        for (const bit_position& position : tensor->map.positions)
            totals.add(position);
        const auto all = static_cast<double>(std::max<std::uint64_t>(totals.flips, 1));
        const bit_position* worst = worst_bit(*tensor);
        const std::string lost = bit_share(static_cast<double>(totals.nan + totals.infinite) / all);
        const std::string large = bit_share(static_cast<double>(totals.above_max) / all);
        if (worst == nullptr)
            table.rows.push_back({harmless(tensor->name), harmless(tensor->dtype), "-", "-", "-", "-", "-", lost, large});
        else
            table.rows.push_back({harmless(tensor->name), harmless(tensor->dtype), fmt::format("{} ({})", bit_name(*worst), to_string(worst->kind)),
                                  bit_multiple(bit_excess(*tensor, *worst)), fmt::format("{}", worst->max_index),
                                  fmt::format("{:.5g}", worst->max_old), fmt::format("{:.5g}", worst->max_new), lost, large});
    }
    return table;
}

// Without the last columns where names find no place beside them; tensor, dtype, worst bit, change and weight stay.
inline text_table with_whole_names(text_table table, std::size_t width)
{
    constexpr std::size_t gap = 2, kept = 5;
    const auto widest = [&](std::size_t column) {
        std::size_t columns = display_width(table.headings[column]);
        for (const auto& row : table.rows)
            columns = std::max(columns, display_width(row[column]));
        return columns;
    };
    std::size_t needed = widest(0);
    for (std::size_t column = 1; column < table.headings.size(); ++column)
        needed += gap + widest(column);
    while (needed > width && table.headings.size() > kept) {
        needed -= gap + widest(table.headings.size() - 1);
        table.headings.pop_back();
        for (auto& row : table.rows)
            row.pop_back();
    }
    return table;
}

// One character for a bit of a tensor.
inline char bit_mark(const tensor_bit_map& tensor, const bit_position& position)
{
    if (position.nan_count + position.infinite_count > 0)
        return '!';
    const double excess = bit_excess(tensor, position);
    return !(excess > 1e-3) ? ' ' : excess <= 0.1 ? '.' : excess <= 1 ? ':' : excess <= 10 ? 'o' : excess <= 1000 ? 'O' : '#';
}

// The bits of each tensor from the top down, those of one storage together under their numbers.
inline std::string bit_picture(const std::vector<const tensor_bit_map*>& shown, std::size_t width)
{
    std::map<std::string, std::vector<const tensor_bit_map*>> by_storage;
    for (const tensor_bit_map* tensor : shown)
        by_storage[tensor->dtype].push_back(tensor);
    std::string text;
    for (const auto& [storage, tensors] : by_storage) {
        std::string marks, numbers;  // above the columns
        const auto& positions = tensors.front()->map.positions;
        for (std::size_t i = 0; i < positions.size();) {  // parts side by side
            std::size_t end = i;
            while (end < positions.size() && positions[end].part == positions[i].part)
                ++end;
            std::string head(end - i, ' ');
            const std::string top = fmt::format("{}", positions[end - 1].bit), low = fmt::format("{}", positions[i].bit);
            for (std::size_t k = 0; k < top.size() && k < head.size(); ++k)
                head[k] = top[k];
            if (head.size() > top.size() + low.size())
                head.replace(head.size() - low.size(), low.size(), low);
            numbers += (i > 0 ? " " : "") + head;
            std::string part = positions[i].part;
            part.resize(std::max(end - i, std::size_t{0}), ' ');
            marks += (i > 0 ? " " : "") + part;
            i = end;
        }
        const std::size_t left = width > numbers.size() + 18 ? width - numbers.size() - 2 : 16;
        std::size_t names = display_width(storage);
        for (const tensor_bit_map* tensor : tensors)
            names = std::max(names, display_width(harmless(tensor->name)));
        names = std::min(names, left);
        text += "\n" + padded(shortened(harmless(storage), names), names, false) + "  " + marks + "\n" + std::string(names, ' ') + "  " + numbers + "\n";
        for (const tensor_bit_map* tensor : tensors) {
            std::string line;
            const auto& bits = tensor->map.positions;
            for (std::size_t i = 0; i < bits.size();) {
                std::size_t end = i;
                while (end < bits.size() && bits[end].part == bits[i].part)
                    ++end;
                line += i > 0 ? "|" : "";
                for (std::size_t k = end; k-- > i;)
                    line += bit_mark(*tensor, bits[k]);
                i = end;
            }
            line.erase(line.find_last_not_of(' ') + 1);
            text += padded(shortened(harmless(tensor->name), names), names, false) + "  " + line + "\n";
        }
    }
    return text;
}

WEIGHTSCOPE_INLINE std::vector<std::string> bit_map_sentences(const bit_map_study_result& study)
{
    bit_totals totals;
    std::uint64_t nonfinite = 0;
    std::map<std::string, std::size_t> skipped;
    std::size_t tied = 0;
    for (const tensor_bit_map& tensor : study.tensors) {
        for (const bit_position& position : tensor.map.positions)
            totals.add(position);
        nonfinite += tensor.map.nonfinite_count;
        tied += tensor.tied_to.empty() ? 0 : 1;
        if (!tensor.skipped.empty() && tensor.tied_to.empty())
            ++skipped[tensor.skipped];
    }
    const auto flips = static_cast<double>(std::max<std::uint64_t>(totals.flips, 1));
    const auto share = [&](std::uint64_t count) { return bit_share(static_cast<double>(count) / flips); };
    const std::string scope = fmt::format("{} in {} bytes, bits {}", counted(study.tensors.size(), "tensor", "tensors"), fmt::group_digits(study.model.bytes),
                                          study.settings.bitset);
    std::vector<std::string> sentences;
    if (totals.flips == 0)
        sentences.push_back(scope + ": none to flip");
    else
        sentences.push_back(fmt::format("{}: of {} {} end at NaN, {} at infinity, {} change a weight by more than the largest one, {} change nothing", scope,
                                        counted(totals.flips, "flip", "flips"), share(totals.nan), share(totals.infinite), share(totals.above_max),
                                        share(totals.unchanged)));
    if (tied > 0)
        sentences.push_back(fmt::format("{} another's storage: counted once", counted(tied, "tensor has", "tensors have")));
    if (nonfinite > 0)
        sentences.push_back(fmt::format("{} NaN or infinite as stored: left out", counted(nonfinite, "weight is", "weights are")));
    for (const auto& [reason, count] : skipped)
        sentences.push_back(fmt::format("{} no bits to flip: {}", counted(count, "tensor has", "tensors have"), harmless(reason)));
    return sentences;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const bit_map_study_result& study, const console_options& options)
{
    const detail::console_style style{options.color};
    const std::vector<const tensor_bit_map*> order = detail::by_worst_bit(study);
    const std::vector<const tensor_bit_map*> shown(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(std::min(order.size(), options.top_issues)));
    std::string text = style.bold(fmt::format("{}: {}", detail::harmless(study.model.path), detail::harmless(study.model.format))) + "\n\n";
    const auto say = [&](const std::string& line) { detail::append_wrapped(text, line, options.width, 0, detail::plain); };
    for (const std::string& sentence : detail::bit_map_sentences(study))
        say(sentence);
    if (!shown.empty()) {
        const std::vector<std::string> lines = detail::with_whole_names(detail::worst_bits_table(shown), options.width).lines(options.width);
        text += fmt::format("\n{}\n{}\n", style.bold(lines.front()), fmt::join(lines.begin() + 1, lines.end(), "\n"));
    }
    if (shown.size() < order.size())
        text += fmt::format("the worst {} of {}\n", shown.size(), order.size());
    if (!shown.empty()) {
        text += detail::bit_picture(shown, options.width) + "\n";
        say("largest |change| of a bit: '.' above 0.001 max|w|, ':' 0.1, 'o' 1, 'O' 10, '#' 1000; '!' some flips end at NaN or Inf");
    }
    return text;
}

}  // namespace weightscope
