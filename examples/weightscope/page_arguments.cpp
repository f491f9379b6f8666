#include "page_arguments.hpp"

#include <filesystem>

#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/document_csv.hpp>
#include <weightscope/report/html_document.hpp>
#include <weightscope/report/markdown_document.hpp>

std::vector<output_argument> page_arguments::outputs() const
{
    return wanted_outputs({{"--html", html}, {"--markdown", markdown}});
}

void add_page_arguments(CLI::App& sub, page_arguments& arguments, bool with_markdown)
{
    sub.add_option("--html", arguments.html, "write a page to mail, print or open offline; - is stdout")->type_name("FILE.html");
    if (with_markdown)
        sub.add_option("--markdown", arguments.markdown, "write the verdict and its tables for a review; - is stdout")->type_name("FILE.md");
    sub.add_option("--tables", arguments.tables, "write every table of the page into this folder, as CSV")->type_name("DIR");
}

void require_table_folder(const page_arguments& arguments)
{
    if (!arguments.tables.empty())
        weightscope::prepare_chart_folder(arguments.tables);
}

void write_pages(const page_arguments& arguments, std::size_t top_rows, const std::function<weightscope::report_document()>& make)
{
    if (arguments.html.empty() && arguments.markdown.empty() && arguments.tables.empty())
        return;
    const weightscope::report_document document = make();
    if (!arguments.html.empty())
        write_output(arguments.html, to_html(document));
    if (!arguments.markdown.empty())
        write_output(arguments.markdown, to_markdown(document, {.top_issues = top_rows}));
    if (!arguments.tables.empty())
        for (const auto& [name, text] : to_csv_files(document))
            write_output((std::filesystem::path(arguments.tables) / name).string(), text);
}
