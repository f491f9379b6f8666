#pragma once

#include <filesystem>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// A saved scan, as `weightscope scan --output` writes it, back in the structs that it was made from.
///
///     const scan_result scan = read_scan("scan.json");
///     const health_result health = judge(scan);
///
/// Written again with to_json it gives the same document. What a saved scan does not hold is empty: all singular values but the top
/// ones, of tap spectra all but the largest. Its verdict is left alone; `judge` gives one by the rules of the day. A figure that the
/// file lacks is missing with the reason "not in the saved scan"; members that are unknown are passed over.
///
/// @param path  a file in JSON of the schema "weightscope/scan/1"
/// @return      see scan_result; layers in the order of the file
/// @throws io_error  the file cannot be read, is not JSON, has another schema, or a member is not what the schema says
[[nodiscard]] WEIGHTSCOPE_INLINE scan_result read_scan(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/scan_reader.hpp>
#endif
