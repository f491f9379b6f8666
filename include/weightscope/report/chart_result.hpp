#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/csv.hpp>

namespace weightscope {

/// A picture and the figures in it. plot_* functions return one.
struct chart
{
    std::string name = {};   ///< of its files, without an ending: "quantization_risk"
    std::string title = {};  ///< one line
    std::string svg = {};    ///< a whole SVG file
    std::string csv = {};    ///< the data, every layer, also where the picture shows only the most telling ones
};

/// A table in the making, as RFC 4180 wants it.
class csv_table
{
public:
    explicit csv_table(const std::vector<std::string>& columns) { add(columns); }

    void add(const std::vector<std::string>& cells)
    {
        std::string line;
        for (std::size_t i = 0; i < cells.size(); ++i)
            line += (i ? "," : "") + detail::quoted(cells[i]);
        text_ += line + "\n";
    }

    [[nodiscard]] static std::string cell(double number) { return detail::csv_number(number); }
    [[nodiscard]] static std::string cell(const metric& number) { return number.exists() ? detail::csv_number(number.value) : std::string(); }

    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

}  // namespace weightscope
