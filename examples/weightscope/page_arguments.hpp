#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/report/document.hpp>

#include "arguments.hpp"

/// What every command with a report to send understands.
struct page_arguments
{
    std::string html, markdown;  ///< "-" is stdout, empty is none
    std::string tables;          ///< a folder, empty is none

    /// Those that are wanted.
    [[nodiscard]] std::vector<output_argument> outputs() const;
};

/// Adds --html, --markdown and --tables to a command; those with a Markdown of their own leave that out.
void add_page_arguments(CLI::App& sub, page_arguments& arguments, bool with_markdown = true);

/// Refuses a folder that tables cannot be written to, before hours of work are spent on them.
/// @throws weightscope::write_error
void require_table_folder(const page_arguments& arguments);

/// Writes the page, the text for a review and the tables, as far as they are wanted; `make` is called only then.
/// @param top_rows  of each table in Markdown, and findings
/// @throws weightscope::write_error
void write_pages(const page_arguments& arguments, std::size_t top_rows, const std::function<weightscope::report_document()>& make);
