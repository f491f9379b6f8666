#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_png.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

/// What is written for each chart; its data as CSV always are.
enum class chart_format
{
    svg,
    png,
    both
};

/// What `write_charts` wrote.
struct written_charts
{
    std::vector<std::string> files = {};  ///< relative to the folder, in their order
    std::string warning = {};             ///< why there is no PNG where some was wanted; empty otherwise
};

/// File names for the details of layers: safe for any name, all different also where a file system ignores case, none outside its
/// folder.
///
/// @return [names] without an ending: "model.layers.3.mlp.up_proj.weight", "%3Cb%3E"
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::string> chart_file_names(std::span<const std::string> names);

/// Throws unless charts can be written to the folder; what is missing of it is made.
/// @throws write_error  it is a file, or its place must not be written to
WEIGHTSCOPE_INLINE void prepare_chart_folder(const std::filesystem::path& folder);

/// Writes charts into a folder, each file whole or not at all: NAME.svg, NAME.png or both, and NAME.csv. Names with a '/' go to folders
/// below it.
///
/// @param folder  made where it is missing
/// @param charts  their names hold nothing but what a file name may, see chart_file_names
/// @param format  PNG is made by rsvg-convert; where that is missing or fails SVG is written instead, and `warning` tells
/// @throws write_error  a file cannot be written
[[nodiscard]] WEIGHTSCOPE_INLINE written_charts write_charts(const std::filesystem::path& folder, std::span<const chart> charts,
                                                             chart_format format = chart_format::svg);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_files.hpp>
#endif
