#pragma once
// A reader of pictures for tests: their elements with attributes, whether the file is well-formed, and where texts and marks lie.

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace svg_check {

struct element
{
    std::string name;
    std::map<std::string, std::string> attributes;
    std::string text = {};   // directly in it
    std::string title = {};  // of its <title>
    std::string parent = {};

    double number(const std::string& key) const
    {
        const auto found = attributes.find(key);
        return found == attributes.end() ? 0 : std::strtod(found->second.c_str(), nullptr);
    }
};

// The text behind the five entities that XML knows, and numbers of ASCII characters.
inline std::string unescaped(const std::string& text)
{
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '<' || text[i] == '>')
            throw std::runtime_error("a bare < or > in: " + text);
        if (text[i] != '&') {
            result += text[i];
            continue;
        }
        const std::size_t end = text.find(';', i);
        const std::string entity = end == std::string::npos ? "" : text.substr(i + 1, end - i - 1);
        const std::map<std::string, char> known = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"#39", '\''}};
        if (!known.contains(entity))
            throw std::runtime_error("an unknown entity in: " + text);
        result += known.at(entity);
        i = end;
    }
    return result;
}

inline element parse_tag(const std::string& tag)
{
    element result;
    std::size_t i = 0;
    const auto word = [&] {
        const std::size_t begin = i;
        while (i < tag.size() && (std::isalnum(static_cast<unsigned char>(tag[i])) || tag[i] == '-'))
            ++i;
        if (begin == i)
            throw std::runtime_error("no name in <" + tag + ">");
        return tag.substr(begin, i - begin);
    };
    result.name = word();
    while (i < tag.size() && tag[i] != '/') {
        if (tag[i++] != ' ')
            throw std::runtime_error("no space in <" + tag + ">");
        const std::string key = word();
        if (tag.compare(i, 2, "=\"") != 0)
            throw std::runtime_error("no value in <" + tag + ">");
        const std::size_t end = tag.find('"', i + 2);
        if (end == std::string::npos)
            throw std::runtime_error("no end of a value in <" + tag + ">");
        if (!result.attributes.emplace(key, unescaped(tag.substr(i + 2, end - i - 2))).second)
            throw std::runtime_error("an attribute stands twice in <" + tag + ">");
        i = end + 1;
    }
    return result;
}

// All elements but titles, in order.
// @throws std::runtime_error  not well-formed
inline std::vector<element> parse(const std::string& svg)
{
    std::vector<element> elements;
    std::vector<std::size_t> open;  // indices; titles are none
    std::string titled;
    bool in_title = false;
    for (std::size_t i = 0; i < svg.size();) {
        if (svg[i] != '<') {
            const std::size_t end = std::min(svg.find('<', i), svg.size());
            const std::string text = svg.substr(i, end - i);
            const std::string plain = unescaped(text);
            if (in_title)
                titled += plain;
            else if (!open.empty())
                elements[open.back()].text += plain == "\n" ? "" : plain;
            else if (plain != "\n")
                throw std::runtime_error("text outside of the picture: " + text);
            i = end;
            continue;
        }
        const std::size_t end = svg.find('>', i);
        if (end == std::string::npos)
            throw std::runtime_error("a tag without end");
        const std::string tag = svg.substr(i + 1, end - i - 1);
        i = end + 1;
        if (tag == "title") {
            if (in_title || open.empty())
                throw std::runtime_error("a title in a title, or outside");
            in_title = true;
            titled.clear();
        } else if (tag == "/title") {
            if (!in_title)
                throw std::runtime_error("a title ends that did not begin");
            in_title = false;
            elements[open.back()].title = titled;
        } else if (in_title) {
            throw std::runtime_error("an element in a title");
        } else if (tag.starts_with("/")) {
            if (open.empty() || elements[open.back()].name != tag.substr(1))
                throw std::runtime_error("<" + tag + "> ends nothing");
            open.pop_back();
        } else {
            if (open.empty() && !elements.empty())
                throw std::runtime_error("more than one root");
            element e = parse_tag(tag);
            e.parent = open.empty() ? "" : elements[open.back()].name;
            elements.push_back(std::move(e));
            if (!tag.ends_with("/"))
                open.push_back(elements.size() - 1);
        }
    }
    if (!open.empty() || elements.empty())
        throw std::runtime_error("not closed");
    return elements;
}

struct box
{
    double left, top, right, bottom;

    bool meets(const box& other) const { return left < other.right && other.left < right && top < other.bottom && other.top < bottom; }
};

// The room a text takes, by letters of 0.52 em: an estimate of its own, of what a usual sans-serif font needs.
inline box box_of(const element& text)
{
    double length = 0;
    for (const char c : text.text)
        length += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 0.52 * text.number("font-size") : 0;
    const double x = text.number("x"), y = text.number("y"), size = text.number("font-size");
    const std::string& anchor = text.attributes.at("text-anchor");
    const double before = anchor == "start" ? 0 : anchor == "middle" ? length / 2 : length;
    if (text.attributes.contains("transform"))
        return {x - 0.75 * size, y - (length - before), x + 0.2 * size, y + before};
    return {x - before, y - 0.75 * size, x - before + length, y + 0.2 * size};
}

// What is wrong with a picture, or nothing: not well-formed, elements or attributes other than those of shapes and texts, marks or
// texts outside of it, texts over each other.
inline std::string fault_of(const std::string& svg)
{
    try {
        const std::vector<element> elements = parse(svg);
        const std::map<std::string, std::vector<std::string>> allowed = {
            {"svg", {"xmlns", "width", "height", "viewBox", "font-family"}},
            {"rect", {"x", "y", "width", "height", "fill", "stroke"}},
            {"circle", {"cx", "cy", "r", "fill", "stroke"}},
            {"polyline", {"points", "fill", "stroke", "stroke-width", "stroke-dasharray"}},
            {"text", {"x", "y", "font-size", "text-anchor", "fill", "font-weight", "stroke", "stroke-width", "stroke-linejoin", "paint-order", "transform"}}};
        const element& root = elements.front();
        if (root.name != "svg" || root.attributes.at("xmlns") != "http://www.w3.org/2000/svg")
            return "the root is no svg";
        const double width = root.number("width"), height = root.number("height");
        std::vector<std::pair<box, std::string>> texts;
        for (const element& e : elements) {
            if (!allowed.contains(e.name))
                return "an element " + e.name;
            for (const auto& [key, value] : e.attributes) {
                const auto& known = allowed.at(e.name);
                if (std::find(known.begin(), known.end(), key) == known.end())
                    return e.name + " has an attribute " + key;
                if (value.find("nan") != std::string::npos || value.find("inf") != std::string::npos || value.find("url") != std::string::npos)
                    return e.name + " has " + key + "=" + value;
            }
            if (&e != &root && e.parent != "svg")
                return e.name + " in " + e.parent;
            const auto outside = [&](const box& b) { return b.left < -0.5 || b.top < -0.5 || b.right > width + 0.5 || b.bottom > height + 0.5; };
            if (e.name == "rect" && outside({e.number("x"), e.number("y"), e.number("x") + e.number("width"), e.number("y") + e.number("height")}))
                return "a rectangle lies outside: " + e.title;
            if (e.name == "circle" && outside({e.number("cx"), e.number("cy"), e.number("cx"), e.number("cy")}))
                return "a point lies outside: " + e.title;
            if (e.name != "text")
                continue;
            const box b = box_of(e);
            if (outside(b))
                return "a text lies outside: " + e.text;
            for (const auto& [other, words] : texts)
                if (b.meets(other))
                    return "'" + e.text + "' lies over '" + words + "'";
            texts.emplace_back(b, e.text);
        }
        return {};
    } catch (const std::exception& error) {
        return error.what();
    }
}

}  // namespace svg_check
