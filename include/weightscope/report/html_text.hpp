#pragma once
// What a page is written in: text that is nothing but text, and a frame that lets nothing in or out.

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/sha256.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/svg.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope::detail {

// Text between tags, or in an attribute with quotes around it.
inline std::string html_text(std::string_view text)
{
    return xml_text(text);
}

// A text in JSON that stands in a <script>: nothing in it ends the element, begins a comment or is more than text.
inline std::string html_json_string(std::string_view text)
{
    std::string result = "\"";
    for (const char c : harmless(text)) {
        if (c == '"' || c == '\\')
            result += '\\';
        if (c == '<' || c == '>' || c == '&' || static_cast<unsigned char>(c) < 0x20)
            result += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
            result += c;
    }
    return result + '"';
}

inline std::string html_json_list(const std::vector<std::string>& items)
{
    std::string text = "[";
    for (const std::string& item : items)
        text += (text.size() > 1 ? "," : "") + item;
    return text + "]";
}

// "script-src 'sha256-...'": the only script, and the only style, that a browser may use in this page.
inline std::string html_source_hash(std::string_view text)
{
    return fmt::format("'sha256-{}'", to_base64(sha256(text)));
}

struct html_parts
{
    std::string title = {};
    std::string body = {};    // markup
    std::string data = {};    // JSON, its texts by html_json_string; empty: none
    std::string_view style = {};
    std::string script = {};  // empty: none
};

// One file that needs no other one: style and script are in it, and its policy forbids whatever is not.
inline std::string html_page(const html_parts& parts)
{
    const std::string script = parts.script.empty() ? "" : "\n'use strict';\n(() => {" + parts.script + "})();\n";
    std::string text = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    text += fmt::format("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; base-uri 'none'; "
                        "form-action 'none'\">\n",
                        html_source_hash(parts.style), script.empty() ? "'none'" : html_source_hash(script));
    text += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n";
    text += fmt::format("<meta name=\"generator\" content=\"weightscope {}\">\n<title>{}</title>\n", version, html_text(parts.title));
    text += "<style>";
    text += parts.style;
    text += "</style>\n</head>\n<body>\n" + parts.body;
    if (!parts.data.empty())
        text += "<script type=\"application/json\" id=\"data\">" + parts.data + "</script>\n";
    if (!script.empty())
        text += "<script>" + script + "</script>\n";
    return text + "</body>\n</html>\n";
}

}  // namespace weightscope::detail
