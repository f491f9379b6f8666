#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/chart_png.hpp>
#include <weightscope/report/svg.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"

using namespace weightscope;

namespace {

std::vector<chart> two_charts()
{
    svg_picture picture({20, 10}, "a picture");
    picture.rectangle({1, 1, 5, 5}, "#0072b2", "a mark");
    return {{"first", "the first one", picture.text(), "a,b\n1,2\n"}, {"layer_details/w_second", "the second one", picture.text(), "c\n3\n"}};
}

std::string lower(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace

TEST_CASE("file names of layers are safe and all different")
{
    const std::vector<std::string> names = {"model.layers.0.mlp.up_proj.weight", "a/b", "a%2Fb", "../../etc/passwd", "..", ".", "", "a b", "A B", "a_b",
                                            std::string("a\0b", 3), "W", "w", "w", "w~2", "CON", "\xff", std::string(5000, 'x'), std::string(5000, 'x').append("y"),
                                            std::string(2000, '/'), "');alert(1)//<b>", "-rf", "日本"};
    const auto files = chart_file_names(names);
    REQUIRE(files.size() == names.size());
    std::set<std::string> different;
    for (const std::string& file : files) {
        INFO(file);
        CHECK(file.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%~") == std::string::npos);
        CHECK(file.size() <= 170);
        CHECK(!file.empty());
        CHECK(file.front() != '.');
        CHECK(different.insert(lower(file)).second);
    }
    CHECK(files[0] == "model.layers.0.mlp.up_proj.weight");
    CHECK(files[1] == "a%2Fb");
    CHECK(files[2] == "a%252Fb");
    CHECK(files[3] == "%2E.%2F..%2Fetc%2Fpasswd");
    CHECK(files[6] == "%");
    CHECK(files[12] == "w~2");   // "W" has "w" where a file system ignores case
    CHECK(files[13] == "w~3");
    CHECK(files[14] == "w%7E2");
    CHECK(files[20] == "%27%29%3Balert%281%29%2F%2F%3Cb%3E");
}

TEST_CASE("charts are written whole, with their data, into folders that are made")
{
    const files::temporary_folder folder;
    const auto charts = two_charts();
    const written_charts written = write_charts(folder / "new/charts", charts);
    CHECK(written.files == std::vector<std::string>{"first.svg", "first.csv", "layer_details/w_second.svg", "layer_details/w_second.csv"});
    CHECK(written.warning == "");
    CHECK(files::content(folder / "new/charts/first.svg") == charts[0].svg);
    CHECK(files::content(folder / "new/charts/layer_details/w_second.csv") == "c\n3\n");
    // once more over the same files, and nothing else is left
    (void)write_charts(folder / "new/charts", charts);
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
        count += entry.is_regular_file();
    CHECK(count == 4);
}

TEST_CASE("a folder that cannot be written to is refused by name before anything is drawn")
{
    const files::temporary_folder folder;
    const auto file = files::write(folder / "file", "text");
    CHECK_THROWS_WITH(prepare_chart_folder(file), file.string() + ": the folder cannot be made: Not a directory; name a folder that exists or can be made");
    CHECK_THROWS_AS(prepare_chart_folder(file / "below"), write_error);
    CHECK_THROWS_AS(write_charts(file, two_charts()), write_error);
    prepare_chart_folder(folder / "new");
    CHECK(std::filesystem::is_empty(folder / "new"));
}

TEST_CASE("a picture becomes a PNG where its converter is there, and else a fault that says what to do")
{
    const std::string svg = two_charts()[0].svg;
    CHECK(to_png(svg, "no-such-converter").fault
          == "no-such-converter cannot be run; install it, on Debian and Ubuntu with: apt install librsvg2-bin");
    CHECK(to_png(svg, "false").fault == "false failed with status 1");
    CHECK(to_png(svg, "cat").fault == "cat wrote no PNG");  // and the picture did reach it, for:
    const std::string text(100'000, 'x');
    CHECK(to_png("\x89PNG" + text, "cat").bytes == "\x89PNG" + text);
    CHECK(to_png("\x89PNG", "cat").fault == "");
}

TEST_CASE("without a PNG there is the SVG and one warning")
{
    const files::temporary_folder folder;
    const auto charts = std::vector<chart>{{"broken", "no picture", "no SVG", "a\n"}, {"broken_too", "no picture", "no SVG", "a\n"}};
    const written_charts written = write_charts(folder.path(), charts, chart_format::png);  // converter missing or failing, both are faults
    CHECK(written.files == std::vector<std::string>{"broken.svg", "broken.csv", "broken_too.svg", "broken_too.csv"});
    CHECK_THAT(written.warning, Catch::Matchers::StartsWith("no PNG is written, but SVG: rsvg-convert "));
    if (!to_png(two_charts()[0].svg).fault.empty()) {
        WARN("skipped: rsvg-convert is not there");
        return;
    }
    CHECK(write_charts(folder.path(), two_charts(), chart_format::png).files
          == std::vector<std::string>{"first.png", "first.csv", "layer_details/w_second.png", "layer_details/w_second.csv"});
    CHECK(write_charts(folder.path(), two_charts(), chart_format::both).files.size() == 6);
    CHECK(files::content(folder / "first.png").starts_with("\x89PNG"));
}
