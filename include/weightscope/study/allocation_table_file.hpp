#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/study/allocation_sources.hpp>

namespace weightscope {

/// Reads losses of layers in formats from outside: lines with `layer`, `scheme`, `value` and where known `standard_error`, as CSV with a
/// line of names first or as a JSON list of objects.
///
/// @return  by layer and scheme, each scheme as to_string() names it
/// @throws io_error  with the entry at fault: a column is missing, a number is none, a scheme does not exist or an entry stands twice
[[nodiscard]] WEIGHTSCOPE_INLINE std::map<std::pair<std::string, std::string>, uncertain_value> read_allocation_losses(const std::filesystem::path& path);

/// Reads traces of the Hessian: lines with `layer`, `trace` and where known `standard_error`, as read_allocation_losses().
/// @throws io_error  as there
[[nodiscard]] WEIGHTSCOPE_INLINE std::map<std::string, uncertain_value> read_hessian_traces(const std::filesystem::path& path);

/// Reads what layers take in formats, such as their latency: lines with `layer`, `scheme`, which may be keep, and `latency`, in any unit, as
/// read_allocation_losses().
/// @throws io_error  as there; or a number is negative
[[nodiscard]] WEIGHTSCOPE_INLINE std::map<std::pair<std::string, std::string>, double> read_latencies(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/allocation_table_file.hpp>
#endif
