#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/chart_png.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

namespace detail {

// A part of a file name that holds any text: letters, digits, '.', '_' and '-' as they are, every other byte as %XX, and so is a '.'
// in front; no two texts give the same. What is longer than a file system takes keeps its front and gets a hash.
inline std::string file_name_of(std::string_view text)
{
    constexpr std::size_t longest = 160;
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    std::string name;
    for (const char c : text)
        name += plain.find(c) != std::string_view::npos && !(name.empty() && c == '.') ? std::string(1, c)
                                                                                       : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    if (name.size() <= longest)
        return name.empty() ? "%" : name;
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, of the text itself
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    std::size_t cut = longest - 17;
    while (name[cut - 1] == '%' || name[cut - 2] == '%')
        --cut;
    return fmt::format("{}~{:016x}", name.substr(0, cut), hash);
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<std::string> chart_file_names(std::span<const std::string> names)
{
    std::set<std::string> taken;
    std::vector<std::string> result;
    for (const std::string& name : names) {
        const std::string encoded = detail::file_name_of(name);
        std::string unique = encoded;
        const auto folded = [](std::string text) {
            std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
            return text;
        };
        for (std::size_t i = 2; !taken.insert(folded(unique)).second; ++i)
            unique = fmt::format("{}~{}", encoded, i);
        result.push_back(std::move(unique));
    }
    return result;
}

WEIGHTSCOPE_INLINE void prepare_chart_folder(const std::filesystem::path& folder)
{
    make_folder(folder);
    (void)atomic_file(folder / "charts");  // makes its temporary file and removes it
}

WEIGHTSCOPE_INLINE written_charts write_charts(const std::filesystem::path& folder, std::span<const chart> charts, chart_format format)
{
    prepare_chart_folder(folder);
    written_charts result;
    const auto write = [&](const std::string& name, std::string_view text) {
        const std::filesystem::path path = folder / name;
        make_folder(path.parent_path());
        write_text_file(path, text);
        result.files.push_back(name);
    };
    for (const chart& c : charts) {
        png_result png{.fault = "not wanted"};
        if (format != chart_format::svg && result.warning.empty()) {
            png = to_png(c.svg);
            if (!png.fault.empty())
                result.warning = fmt::format("no PNG is written, but SVG: {}", png.fault);
        }
        if (format != chart_format::png || !png.fault.empty())
            write(c.name + ".svg", c.svg);
        if (png.fault.empty())
            write(c.name + ".png", png.bytes);
        write(c.name + ".csv", c.csv);
    }
    return result;
}

}  // namespace weightscope
